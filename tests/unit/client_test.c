/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client_test.c - exchanges with a tapdisk that is played by the test.
 *
 * Both ends are on one loop, over a socket in a directory of the test's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "tests/lib/test.h"

#define PID 1

struct test {
	char dir[64];
	struct loop *loop;
	int listener;
	int peer;

	/* What the call has told. */
	unsigned replies;
	struct wire_msg last;
	char text[64];
	unsigned ends;
	int error;
	char why[256];
	struct tapctl_call *call;
	bool cancel_in_reply;
};

static int listen_as(const char *dir, int pid)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(tapctl_path(sa.sun_path, dir, "ctl%d", pid), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));

	(void)snprintf(t->dir, sizeof(t->dir), "/tmp/blktap-unit-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	assert_int_equal(loop_new(&t->loop, NULL), 0);
	t->peer = -1;
	t->listener = listen_as(t->dir, PID);
	*state = t;
	return 0;
}

static void remove_name(const struct test *t, const char *name)
{
	char path[TAPCTL_PATH];

	(void)tapctl_path(path, t->dir, "%s", name);
	(void)remove(path); /* it need not be there */
}

static int teardown(void **state)
{
	struct test *t = *state;

	if (t->peer >= 0)
		(void)close(t->peer);
	(void)close(t->listener);
	loop_free(t->loop);
	remove_name(t, "ctl1");
	for (int i = 0; i < 3; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "tapdisk/tapdisk-%d", i);
		remove_name(t, name);
	}
	remove_name(t, "tapdisk");
	assert_int_equal(rmdir(t->dir), 0);
	free(t);
	return 0;
}

static void on_reply(void *arg, const struct wire_msg *msg)
{
	struct test *t = arg;

	t->replies++;
	t->last = *msg;
	if (t->cancel_in_reply)
		tapctl_cancel(t->call);
}

static void on_data(void *arg, const char *text, size_t len)
{
	struct test *t = arg;

	assert_true(len < sizeof(t->text));
	memcpy(t->text, text, len + 1);
}

static void on_end(void *arg, int error, const struct err *err)
{
	struct test *t = arg;

	t->ends++;
	t->error = error;
	(void)snprintf(t->why, sizeof(t->why), "%s", err->msg);
}

static void turns(struct test *t)
{
	while (loop_turn(t->loop))
		;
}

static void start(struct test *t, struct tapctl_request *req)
{
	const struct tapctl_events ev = { on_reply, on_data, on_end, t };

	req->dir = t->dir;
	if (!req->pid)
		req->pid = PID;
	assert_int_equal(tapctl_start(&t->call, t->loop, req, &ev, NULL), 0);
	turns(t);
}

/* Start a call and take what it sends as its peer. */
static void ask(struct test *t, enum wire_type type)
{
	struct tapctl_request req = { .msg = { .type = type } };
	uint8_t buf[WIRE_SIZE];

	start(t, &req);
	t->peer = accept(t->listener, NULL, NULL);
	assert_int_equal(recv(t->peer, buf, sizeof(buf), 0), WIRE_SIZE);
	assert_int_equal(buf[0], type);
}

static void answer(struct test *t, const struct wire_msg *msg)
{
	uint8_t buf[WIRE_SIZE];

	wire_encode(buf, msg);
	assert_int_equal(send(t->peer, buf, sizeof(buf), 0), sizeof(buf));
}

static void hang_up(struct test *t)
{
	(void)close(t->peer);
	t->peer = -1;
	turns(t);
}

static void a_reply_may_come_byte_by_byte(void **state)
{
	struct wire_msg msg = { .type = WIRE_PID_RSP, .u.pid = 77 };
	struct test *t = *state;
	uint8_t buf[WIRE_SIZE];

	ask(t, WIRE_PID);
	wire_encode(buf, &msg);
	for (unsigned i = 0; i < sizeof(buf); i++) {
		assert_int_equal(t->ends, 0);
		assert_int_equal(send(t->peer, buf + i, 1, 0), 1);
		turns(t);
	}
	assert_int_equal(t->ends, 1);
	assert_int_equal(t->error, 0);
	assert_int_equal(t->last.u.pid, 77);
}

static void a_list_ends_with_count_0(void **state)
{
	struct wire_msg msg = { .type = WIRE_LIST_RSP };
	struct test *t = *state;

	ask(t, WIRE_LIST);
	for (int i = 20; i >= 0; i--) {
		msg.u.list.count = i;
		answer(t, &msg);
	}
	turns(t);
	assert_int_equal(t->replies, 21);
	assert_int_equal(t->ends, 1);
	assert_int_equal(t->error, 0);
}

static void a_list_that_breaks_off_is_eproto(void **state)
{
	struct wire_msg msg = { .type = WIRE_LIST_RSP, .u.list.count = 1 };
	struct test *t = *state;

	ask(t, WIRE_LIST);
	answer(t, &msg);
	hang_up(t);
	assert_int_equal(t->ends, 1);
	assert_int_equal(t->error, -EPROTO);
}

static void a_reply_that_breaks_off_is_eio(void **state)
{
	struct test *t = *state;

	ask(t, WIRE_ATTACH);
	assert_int_equal(send(t->peer, "\x06", 1, 0), 1);
	hang_up(t);
	assert_int_equal(t->ends, 1);
	assert_int_equal(t->error, -EIO);
}

static void a_shorter_reply_is_told_by_whose_it_is(void **state)
{
	static const struct {
		size_t size;
		const char *whose;
	} of[] = { { 280, "Xen 4's" }, { 536, "blktap 2" } };
	struct test *t = *state;

	for (unsigned i = 0; i < 2; i++) {
		uint8_t buf[WIRE_SIZE] = { WIRE_ERROR };

		ask(t, WIRE_HELLO);
		assert_int_equal(send(t->peer, buf, of[i].size, 0), of[i].size);
		hang_up(t);
		assert_int_equal(t->ends, i + 1);
		assert_int_equal(t->error, -EPROTONOSUPPORT);
		assert_non_null(strstr(t->why, of[i].whose));
	}
}

static void a_tapdisk_is_spoken_to_in_its_words(void **state)
{
	struct tapctl_request req = { .msg = { .type = WIRE_OPEN },
				      .lineage = WIRE_XEN42 };
	struct test *t = *state;
	uint8_t buf[WIRE_SIZE] = { 0 };

	(void)snprintf(req.msg.u.params.path, WIRE_PATH, "aio:/b"); /* fits */
	start(t, &req);
	t->peer = accept(t->listener, NULL, NULL);
	assert_int_equal(recv(t->peer, buf, sizeof(buf), 0), 280);
	assert_string_equal((char *)buf + 22, "aio:/b");
	memset(buf, 0, sizeof(buf));
	buf[0] = WIRE_OPEN_RSP;
	buf[8] = 8;
	assert_int_equal(send(t->peer, buf, 280, 0), 280);
	turns(t);
	assert_int_equal(t->ends, 1);
	assert_int_equal(t->error, 0);
	assert_int_equal(t->last.u.image.sectors, 8);
}

static void an_error_brings_its_errno_and_sentence(void **state)
{
	struct wire_msg msg = { .type = WIRE_ERROR };
	struct test *t = *state;

	msg.u.response.error = EBUSY;
	(void)snprintf(msg.u.response.message, WIRE_PATH, "minor 1: is open");
	ask(t, WIRE_DETACH);
	answer(t, &msg);
	turns(t);
	assert_int_equal(t->error, -EBUSY);
	assert_string_equal(t->why, "minor 1: is open");
	assert_int_equal(t->replies, 0);
}

static void another_reply_than_asked_for_is_einval(void **state)
{
	struct wire_msg msg = { .type = WIRE_PID_RSP };
	struct test *t = *state;

	ask(t, WIRE_ATTACH);
	answer(t, &msg);
	turns(t);
	assert_int_equal(t->error, -EINVAL);
}

static void force_is_answered_as_close(void **state)
{
	struct wire_msg msg = { .type = WIRE_CLOSE_RSP };
	struct test *t = *state;

	ask(t, WIRE_FORCE_SHUTDOWN);
	answer(t, &msg);
	turns(t);
	assert_int_equal(t->ends, 1);
	assert_int_equal(t->error, 0);
}

static void statistics_come_as_text(void **state)
{
	struct wire_msg msg = { .type = WIRE_STATS_RSP, .u.stats.length = 6 };
	struct test *t = *state;

	ask(t, WIRE_STATS);
	answer(t, &msg);
	assert_int_equal(send(t->peer, "{ \"a", 4, 0), 4);
	turns(t);
	assert_int_equal(t->ends, 0);
	assert_int_equal(send(t->peer, "\"}", 2, 0), 2);
	turns(t);
	assert_int_equal(t->ends, 1);
	assert_int_equal(t->error, 0);
	assert_string_equal(t->text, "{ \"a\"}");
}

static void silence_ends_at_the_deadline(void **state)
{
	struct tapctl_request req = { .timeout_ms = 1500 };
	struct test *t = *state;
	uint64_t now = loop_now_ns(t->loop);

	req.msg.type = WIRE_PID;
	loop_set_now_ns(t->loop, now);
	start(t, &req);
	loop_set_now_ns(t->loop, now + 1499999999);
	turns(t);
	assert_int_equal(t->ends, 0);
	loop_set_now_ns(t->loop, now + 1500000000);
	turns(t);
	assert_int_equal(t->ends, 1);
	assert_int_equal(t->error, -ETIMEDOUT);
}

static void no_socket_is_enoent(void **state)
{
	struct tapctl_request req = { .pid = 99, .msg = { .type = WIRE_PID } };
	struct test *t = *state;

	start(t, &req);
	assert_int_equal(t->error, -ENOENT);
	assert_non_null(strstr(t->why, "ctl99"));
}

static void a_call_may_be_cancelled_from_its_reply(void **state)
{
	struct wire_msg msg = { .type = WIRE_PID_RSP };
	struct test *t = *state;

	t->cancel_in_reply = true;
	ask(t, WIRE_PID);
	answer(t, &msg);
	turns(t);
	assert_int_equal(t->replies, 1);
	assert_int_equal(t->ends, 0);
	assert_int_equal(recv(t->peer, &msg, 1, 0), 0);
}

static void message_descriptor_and_trailer_arrive(void **state)
{
	struct tapctl_request req = { .trailer = "0123456789",
				      .trailer_len = 10,
				      .pass_fd = true };
	char control[CMSG_SPACE(sizeof(int))];
	uint8_t buf[WIRE_SIZE + 32];
	struct iovec iov = { buf, WIRE_SIZE };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control) };
	struct test *t = *state;
	struct stat a, b;
	int fd;

	req.msg.type = WIRE_CONNECT_QUEUE;
	req.fd = t->listener;
	start(t, &req);
	t->peer = accept(t->listener, NULL, NULL);
	assert_int_equal(recvmsg(t->peer, &mh, 0), WIRE_SIZE);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(fd));
	assert_int_equal(fstat(fd, &a) | fstat(t->listener, &b), 0);
	assert_true(a.st_ino == b.st_ino);
	(void)close(fd);
	assert_int_equal(recv(t->peer, buf, sizeof(buf), 0), 10);
	assert_memory_equal(buf, "0123456789", 10);
	tapctl_cancel(t->call);
}

static void minors_are_lowest_first_and_locked_while_held(void **state)
{
	struct test *t = *state;
	char path[TAPCTL_PATH];
	int minor = -1, fd;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(tapctl_allocate(t->dir, TAPCTL_KIND_XENIO,
						 &minor, NULL),
				 0);
		assert_int_equal(minor, i);
	}
	assert_int_equal(tapctl_free(t->dir, 1, NULL), 0);
	assert_int_equal(tapctl_free(t->dir, 1, NULL), -ENOENT);
	assert_int_equal(
		tapctl_allocate(t->dir, TAPCTL_KIND_XENIO, &minor, NULL), 0);
	assert_int_equal(minor, 1);
	(void)tapctl_path(path, t->dir, "tapdisk/tapdisk-2");
	fd = open(path, O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(tapctl_free(t->dir, 2, NULL), -EWOULDBLOCK);
	(void)close(fd);
	assert_int_equal(tapctl_free(t->dir, 2, NULL), 0);
}

static void a_marker_without_tapdisk_is_listed(void **state)
{
	struct test *t = *state;
	struct tapctl_disks disks;
	int minor;

	(void)close(t->listener); /* and ctl1 is dead, but 1 is alive */
	assert_int_equal(
		tapctl_allocate(t->dir, TAPCTL_KIND_XENIO, &minor, NULL), 0);
	assert_int_equal(
		tapctl_allocate(t->dir, TAPCTL_KIND_XENIO, &minor, NULL), 0);
	assert_int_equal(tapctl_list(&disks, t->dir, -1, 1, NULL), 0);
	assert_int_equal(disks.count, 1);
	assert_int_equal(disks.disk[0].pid, -1);
	assert_int_equal(disks.disk[0].minor, 1);
	assert_int_equal(disks.disk[0].state, -1);
	assert_null(disks.disk[0].path);
	tapctl_list_free(&disks);
	assert_int_equal(tapctl_list(&disks, t->dir, -1, -1, NULL), 0);
	assert_int_equal(disks.count, 2);
	tapctl_list_free(&disks);
}

static void sockets_of_the_dead_are_removed(void **state)
{
	struct test *t = *state;
	struct tapctl_disks disks;
	char path[TAPCTL_PATH];
	pid_t dead = fork();

	if (!dead)
		_exit(0);
	assert_int_equal(waitpid(dead, NULL, 0), dead);
	(void)close(listen_as(t->dir, dead));
	(void)tapctl_path(path, t->dir, "ctl%d", (int)dead);
	(void)close(t->listener);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(tapctl_list(&disks, t->dir, -1, -1, NULL), 0);
	assert_int_equal(disks.count, 0);
	tapctl_list_free(&disks);
	assert_int_equal(access(path, F_OK), -1);
	/* That of a process that lives is not touched. */
	(void)tapctl_path(path, t->dir, "ctl%d", PID);
	assert_int_equal(access(path, F_OK), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_reply_may_come_byte_by_byte),
		T(a_list_ends_with_count_0),
		T(a_list_that_breaks_off_is_eproto),
		T(a_reply_that_breaks_off_is_eio),
		T(a_shorter_reply_is_told_by_whose_it_is),
		T(a_tapdisk_is_spoken_to_in_its_words),
		T(an_error_brings_its_errno_and_sentence),
		T(another_reply_than_asked_for_is_einval),
		T(force_is_answered_as_close),
		T(statistics_come_as_text),
		T(silence_ends_at_the_deadline),
		T(no_socket_is_enoent),
		T(a_call_may_be_cancelled_from_its_reply),
		T(message_descriptor_and_trailer_arrive),
		T(minors_are_lowest_first_and_locked_while_held),
		T(a_marker_without_tapdisk_is_listed),
		T(sockets_of_the_dead_are_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
