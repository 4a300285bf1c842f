/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control_test.c - messages to a tapdisk whose Xen, guest and disk are the
 * test's: both ends of the control socket are on one loop.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/work.h"
#include "tapdisk/control.h"
#include "tapdisk/io.h"
#include "tapdisk/metrics.h"
#include "tapdisk/server.h"
#include "tapdisk/vbd.h"
#include "tests/lib/front.h"
#include "tests/lib/hold.h"
#include "tests/lib/test.h"
#include "tests/lib/xen-fake.h"

#define PID    4100000 /* there is none of so high a number */
#define GUEST  3
#define DEV    51712
#define QUEUES 2
#define PAGE   XEN_FAKE_PAGE
#define DATA   8 /* the first page, and grant, behind the rings */

/* A call and how it ended. */
struct call {
	struct tapctl_call *call;
	bool ended;
	int error;
	struct wire_msg rsp;
	char text[4096];
};

struct test {
	char dir[64];
	struct vbd_env env;
	struct server *server;
	struct metrics *metrics;
	struct control *control;
	struct xen_fake *fake;
	struct front front[QUEUES];
	uint32_t port[QUEUES];
	bool ended;
};

static void on_reply(void *arg, const struct wire_msg *msg)
{
	struct call *c = arg;

	c->rsp = *msg;
}

static void on_data(void *arg, const char *text, size_t len)
{
	struct call *c = arg;

	assert_true(len < sizeof(c->text));
	memcpy(c->text, text, len + 1);
}

static void on_end(void *arg, int error, const struct err *err)
{
	struct call *c = arg;

	(void)err;
	c->ended = true;
	c->error = error;
}

/* Turn the loop until flag, or, without one, until nothing happens. */
static void settle(struct test *t, const bool *flag)
{
	time_t end = time(NULL) + 10;
	unsigned idle = 0;

	while (flag ? !*flag : idle < 20) {
		idle = loop_turn(t->env.loop) ? 0 : idle + 1;
		if (idle)
			(void)usleep(200); /* a worker may be at it */
		assert_true(time(NULL) < end);
	}
}

static void begin(struct test *t, struct call *c, const struct wire_msg *msg,
		  int fd)
{
	const struct tapctl_events events = { on_reply, on_data, on_end, c };
	struct tapctl_request req = { .dir = t->dir,
				      .pid = PID,
				      .msg = *msg,
				      .fd = fd,
				      .pass_fd = fd >= 0 };

	memset(c, 0, sizeof(*c));
	assert_int_equal(
		tapctl_start(&c->call, t->env.loop, &req, &events, NULL), 0);
	settle(t, NULL);
}

static int ask(struct test *t, const struct wire_msg *msg, struct call *out)
{
	struct call c;

	begin(t, &c, msg, -1);
	settle(t, &c.ended);
	if (out)
		*out = c;
	return c.error;
}

static int tell(struct test *t, enum wire_type type)
{
	const struct wire_msg msg = { .type = type };

	return ask(t, &msg, NULL);
}

static int open_disk(struct test *t, const char *spec)
{
	struct wire_msg msg = { .type = WIRE_OPEN };

	(void)snprintf(msg.u.params.path, WIRE_PATH, "%s", spec);
	return ask(t, &msg, NULL);
}

/* What the daemon would send for a queue of the guest's device. */
static struct wire_msg connect_msg(struct test *t, enum wire_type type,
				   unsigned queue)
{
	struct wire_msg msg = { .type = type };

	msg.u.ring.domid = GUEST;
	msg.u.ring.devid = DEV;
	msg.u.ring.queue = queue;
	msg.u.ring.nr_queues = QUEUES;
	msg.u.ring.proto = 1;
	msg.u.ring.grefs[0] = queue;
	msg.u.ring.port = t->port[queue];
	return msg;
}

static int connect_queue(struct test *t, unsigned queue)
{
	struct wire_msg msg = connect_msg(t, WIRE_CONNECT_QUEUE, queue);

	return ask(t, &msg, NULL);
}

static struct wire_msg disconnect_msg(void)
{
	struct wire_msg msg = { .type = WIRE_DISCONNECT };

	msg.u.ring.domid = GUEST;
	msg.u.ring.devid = DEV;
	return msg;
}

static int disconnect(struct test *t)
{
	const struct wire_msg msg = disconnect_msg();

	return ask(t, &msg, NULL);
}

static void guest_read(struct test *t, unsigned queue)
{
	const struct front_layout *l = t->front[queue].l;

	(void)front_req(&t->front[queue], l->read, 1, 0, 1, DATA);
	(void)front_push(&t->front[queue]);
	xen_fake_kick(t->fake, t->port[queue]);
	settle(t, NULL);
}

static bool answered(struct test *t, unsigned queue)
{
	int16_t status;
	uint64_t id;
	uint8_t op;

	return front_answer(&t->front[queue], &id, &op, &status) && !status;
}

static void ended(void *arg)
{
	((struct test *)arg)->ended = true;
}

static void make_guest(struct test *t)
{
	uint8_t *mem;

	t->fake = xen_fake_new();
	xen_fake_domain(t->fake, GUEST, DATA + 8);
	mem = xen_fake_memory(t->fake, GUEST);
	for (unsigned i = 0; i < DATA + 8; i++)
		xen_fake_grant(t->fake, GUEST, i, i, true);
	for (unsigned q = 0; q < QUEUES; q++) {
		front_init(&t->front[q], &front_layouts[0], mem + q * PAGE,
			   PAGE);
		t->port[q] = xen_fake_port(t->fake, GUEST);
	}
}

static int setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));
	struct control_env env = { .vbd = &t->env, .pid = PID };
	int minor;

	(void)snprintf(t->dir, sizeof(t->dir), "/tmp/blktap-ctl-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	assert_non_null(drivers[0]); /* the tests' own */
	hold_reset();
	make_guest(t);
	assert_int_equal(loop_new(&t->env.loop, NULL), 0);
	assert_int_equal(work_new(&t->env.work, t->env.loop, 1, NULL), 0);
	assert_int_equal(io_new(&t->env.io, t->env.loop, "sync", 8, NULL), 0);
	assert_int_equal(server_new(&t->server, t->env.loop, t->dir, PID, NULL),
			 0);
	assert_int_equal(metrics_new(&t->metrics, t->env.loop, PID, NULL), 0);
	env.server = t->server;
	env.metrics = t->metrics;
	env.xen = xen_fake_xen(t->fake);
	env.dir = t->dir;
	env.ended = ended;
	env.arg = t;
	assert_int_equal(control_new(&t->control, &env, NULL), 0);
	assert_int_equal(tapctl_allocate(t->dir, &minor, NULL), 0);
	assert_int_equal(minor, 0);
	assert_int_equal(tell(t, WIRE_ATTACH), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;
	char path[TAPCTL_PATH];

	hold.pass = true;
	while (hold_answer(0))
		;
	control_stop(t->control);
	settle(t, &t->ended);
	control_free(t->control);
	server_free(t->server);
	metrics_free(t->metrics);
	assert_int_equal(xen_fake_mapped(t->fake), 0);
	assert_int_equal(xen_fake_bound(t->fake), 0);
	xen_fake_free(t->fake);
	io_free(t->env.io);
	work_free(t->env.work);
	loop_free(t->env.loop);
	assert_int_equal(tapctl_free(t->dir, 0, NULL), 0);
	(void)tapctl_path(path, t->dir, "tapdisk");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(t->dir), 0);
	free(t);
	return 0;
}

static void a_guests_queues_come_and_go(void **state)
{
	struct test *t = *state;
	struct call stats;
	struct stat st;

	hold.pass = true;
	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	assert_int_equal(connect_queue(t, 1), 0);
	for (unsigned q = 0; q < QUEUES; q++) {
		guest_read(t, q);
		assert_true(answered(t, q));
	}
	(void)ask(t, &(struct wire_msg){ .type = WIRE_STATS }, &stats);
	assert_non_null(strstr(stats.text, "\"xenbus\": { \"pool\": "
					   "\"td-xenio-default\", \"domid\": "
					   "3, \"devid\": 51712, \"reqs\": "
					   "[ 1, 1 ], \"kicks\": [ "));
	assert_non_null(strstr(stats.text, "\"errors\": { \"msg\": 0, "));
	assert_int_equal(stat("/dev/shm/vbd3-3-51712/statistics", &st), 0);
	assert_int_equal(disconnect(t), 0);
	assert_int_equal(xen_fake_bound(t->fake), 0);
	assert_int_equal(xen_fake_mapped(t->fake), 0);
	assert_int_equal(stat("/dev/shm/vbd3-3-51712", &st), -1);
	assert_int_equal(disconnect(t), -ENODEV);
}

static void the_same_queue_again_is_told_apart(void **state)
{
	struct test *t = *state;
	struct wire_msg msg = connect_msg(t, WIRE_CONNECT_QUEUE, 0);

	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	assert_int_equal(connect_queue(t, 0), -EALREADY);
	msg.u.ring.grefs[0] = 1;
	assert_int_equal(ask(t, &msg, NULL), -EEXIST);
	msg.u.ring.nr_queues = 1;
	msg.u.ring.queue = 1;
	assert_int_equal(ask(t, &msg, NULL), -EINVAL);
}

static void the_old_message_brings_one_ring(void **state)
{
	struct test *t = *state;
	struct wire_msg msg = connect_msg(t, WIRE_CONNECT, 0);

	hold.pass = true;
	assert_int_equal(ask(t, &msg, NULL), -ENODEV); /* not open */
	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(ask(t, &msg, NULL), 0);
	guest_read(t, 0);
	assert_true(answered(t, 0));
	msg.u.ring.port = t->port[1];
	assert_int_equal(ask(t, &msg, NULL), -EALREADY);
	msg.u.ring.proto = 4;
	assert_int_equal(ask(t, &msg, NULL), -EPROTONOSUPPORT);
}

static void a_connect_that_fails_leaves_nothing(void **state)
{
	static const enum xen_fake_call calls[] = { XEN_FAKE_BIND,
						    XEN_FAKE_MAP };
	struct test *t = *state;
	struct stat st;

	hold.pass = true;
	assert_int_equal(open_disk(t, "hold:"), 0);
	for (unsigned i = 0; i < 2; i++) {
		xen_fake_fail(t->fake, calls[i], 1, -ENOSPC);
		assert_int_equal(connect_queue(t, 0), -ENOSPC);
		assert_true(xen_fake_failed(t->fake));
		assert_int_equal(xen_fake_bound(t->fake), 0);
		assert_int_equal(xen_fake_mapped(t->fake), 0);
		assert_int_equal(stat("/dev/shm/vbd3-3-51712", &st), -1);
	}
	assert_int_equal(connect_queue(t, 0), 0);
	guest_read(t, 0);
	assert_true(answered(t, 0));
}

static unsigned descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	(void)closedir(d); /* was read only */
	return n;
}

static void descriptors_that_come_along_are_not_lost(void **state)
{
	struct test *t = *state;
	struct wire_msg msg = connect_msg(t, WIRE_CONNECT_QUEUE, 0);
	unsigned before;
	struct call c;

	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	assert_int_equal(disconnect(t), 0);
	before = descriptors();
	begin(t, &c, &msg, 0);
	settle(t, &c.ended);
	assert_int_equal(c.error, 0);
	assert_int_equal(disconnect(t), 0);
	msg.u.ring.proto = 9;
	begin(t, &c, &msg, 0);
	settle(t, &c.ended);
	assert_int_equal(c.error, -EPROTONOSUPPORT);
	msg.type = WIRE_PID; /* it has no use for one */
	begin(t, &c, &msg, 0);
	settle(t, &c.ended);
	assert_int_equal(descriptors(), before);
}

static void disconnect_answers_when_nothing_is_in_flight(void **state)
{
	const struct wire_msg msg = disconnect_msg();
	struct test *t = *state;
	struct call c;

	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	guest_read(t, 0);
	assert_int_equal(hold.count, 1);
	begin(t, &c, &msg, -1);
	assert_false(c.ended);
	assert_int_equal(connect_queue(t, 0), -EBUSY);
	assert_true(hold_answer(0));
	settle(t, &c.ended);
	assert_int_equal(c.error, 0);
	assert_int_equal(xen_fake_mapped(t->fake), 0);
}

static void a_paused_disk_can_be_resumed_past_a_disconnect(void **state)
{
	const struct wire_msg msg = disconnect_msg();
	struct test *t = *state;
	struct call c[12];

	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	guest_read(t, 0); /* held by the image; the next by the disk */
	(void)front_req(&t->front[0], t->front[0].l->read, 2, 0, 1, DATA);
	(void)front_push(&t->front[0]);
	xen_fake_kick(t->fake, t->port[0]);
	assert_int_equal(hold.count, 1);
	for (unsigned i = 0; i < 12; i++)
		begin(t, &c[i], &msg, -1);
	hold.pass = true;
	while (hold_answer(0))
		;
	assert_int_equal(tell(t, WIRE_PAUSE), 0);
	assert_int_equal(tell(t, WIRE_RESUME), 0);
	for (unsigned i = 0; i < 12; i++) {
		settle(t, &c[i].ended);
		assert_int_equal(c[i].error, 0);
	}
}

static void who_asks_is_answered_while_a_pause_waits(void **state)
{
	const struct wire_msg pause = { .type = WIRE_PAUSE };
	const struct wire_msg close = { .type = WIRE_CLOSE };
	const struct wire_msg list = { .type = WIRE_LIST };
	struct test *t = *state;
	struct call p, cl, li;

	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	guest_read(t, 0);
	begin(t, &p, &pause, -1);
	begin(t, &cl, &close, -1);
	assert_false(p.ended);
	assert_false(cl.ended);
	assert_int_equal(tell(t, WIRE_PID), 0);
	assert_int_equal(ask(t, &list, &li), 0);
	assert_int_equal(tell(t, WIRE_STATS), 0);
	assert_int_equal(tell(t, WIRE_HELLO), 0);
	assert_int_equal(tell(t, WIRE_DISK_INFO), 0);
	assert_true(hold_answer(0));
	settle(t, &cl.ended);
	assert_true(p.ended);
	assert_int_equal(p.error, 0);
	assert_int_equal(cl.error, 0);
}

static void close_takes_the_rings_along(void **state)
{
	struct test *t = *state;

	for (unsigned i = 0; i < 2; i++) {
		hold.pass = true;
		assert_int_equal(open_disk(t, "hold:"), 0);
		assert_int_equal(connect_queue(t, 0), 0);
		assert_int_equal(connect_queue(t, 1), 0);
		assert_int_equal(tell(t, i ? WIRE_FORCE_SHUTDOWN : WIRE_CLOSE),
				 0);
		assert_int_equal(xen_fake_bound(t->fake), 0);
		assert_int_equal(xen_fake_mapped(t->fake), 0);
		assert_int_equal(disconnect(t), -ENODEV);
	}
}

static void a_ring_that_broke_makes_room_for_the_next(void **state)
{
	struct test *t = *state;

	hold.pass = true;
	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	front_put(&t->front[0], FRONT_REQ_PROD, 100000);
	xen_fake_kick(t->fake, t->port[0]);
	settle(t, NULL);
	assert_int_equal(xen_fake_mapped(t->fake), 0);
	assert_int_equal(disconnect(t), -ENODEV);
	front_init(&t->front[0], t->front[0].l, t->front[0].pages, PAGE);
	assert_int_equal(connect_queue(t, 0), 0);
	guest_read(t, 0);
	assert_true(answered(t, 0));
}

static void the_last_detach_ends_it(void **state)
{
	struct test *t = *state;
	char path[TAPCTL_PATH];

	hold.pass = true;
	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(tell(t, WIRE_DETACH), -EBUSY);
	assert_int_equal(tell(t, WIRE_CLOSE), 0);
	assert_false(t->ended);
	assert_int_equal(tell(t, WIRE_DETACH), 0);
	settle(t, &t->ended);
	(void)tapctl_path(path, t->dir, "ctl%d", PID);
	assert_int_equal(access(path, F_OK), -1);
}

static void stop_closes_what_is_open(void **state)
{
	const struct wire_msg attach = { .type = WIRE_ATTACH, .cookie = 1 };
	struct test *t = *state;
	struct call c;

	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	guest_read(t, 0);
	begin(t, &c, &attach, -1);
	control_stop(t->control);
	settle(t, NULL);
	assert_false(t->ended);
	assert_true(hold_answer(0));
	settle(t, &t->ended);
	assert_int_equal(hold.closes, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_guests_queues_come_and_go),
		T(the_same_queue_again_is_told_apart),
		T(the_old_message_brings_one_ring),
		T(a_connect_that_fails_leaves_nothing),
		T(descriptors_that_come_along_are_not_lost),
		T(disconnect_answers_when_nothing_is_in_flight),
		T(a_paused_disk_can_be_resumed_past_a_disconnect),
		T(who_asks_is_answered_while_a_pause_waits),
		T(close_takes_the_rings_along),
		T(a_ring_that_broke_makes_room_for_the_next),
		T(the_last_detach_ends_it),
		T(stop_closes_what_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
