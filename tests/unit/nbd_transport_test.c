/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd_transport_test.c - NBD clients as channels of a disk.
 */
#include "tapdisk/transport-nbd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "tapdisk/nbd-proto.h"
#include "tests/lib/hold.h"
#include "tests/lib/rig.h"
#include "tests/lib/test.h"

extern const struct transport nbd_transport;

struct peer {
	struct rig *rig;
	struct channel *ch;
	int fd;
	bool gone;
};

static void gone(void *arg)
{
	((struct peer *)arg)->gone = true;
}

static struct rig *disk(const char *spec, bool readonly)
{
	struct vbd_open args = { .spec = spec, .readonly = readonly };
	struct rig *rig = rig_new(NULL);

	assert_int_equal(rig_open_with(rig, &args), 0);
	return rig;
}

static void join(struct peer *p, struct rig *rig, bool oldstyle)
{
	struct nbd_client client = { .oldstyle = oldstyle };
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	client.fd = sv[0];
	*p = (struct peer){ .rig = rig, .fd = sv[1] };
	assert_int_equal(channel_open(&p->ch, rig->vbd, &nbd_transport, "nbd:t",
				      &client, &rig->err),
			 0);
	channel_on_gone(p->ch, gone, p);
	rig_settle(rig);
}

static void leave(struct peer *p)
{
	(void)close(p->fd); /* a socket */
	rig_settle(p->rig);
	assert_true(p->gone);
}

static void say(struct peer *p, const void *bytes, size_t len)
{
	assert_int_equal(send(p->fd, bytes, len, MSG_NOSIGNAL), len);
	rig_settle(p->rig);
}

static void hear(struct peer *p, void *buf, size_t len)
{
	size_t at = 0;
	ssize_t n;

	for (at = 0; at < len; at += (size_t)n) {
		rig_settle(p->rig);
		n = recv(p->fd, (char *)buf + at, len - at, MSG_DONTWAIT);
		assert_true(n > 0);
	}
}

static void hear_nothing(struct peer *p)
{
	char c;

	rig_settle(p->rig);
	assert_int_equal(recv(p->fd, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EWOULDBLOCK);
}

static void hear_end(struct peer *p)
{
	char c;

	rig_settle(p->rig);
	assert_int_equal(recv(p->fd, &c, 1, MSG_DONTWAIT), 0);
	(void)close(p->fd); /* a socket */
	assert_true(p->gone);
}

/* Newstyle up to requests, by the shortest way; returns the flags. */
static unsigned shake_hands(struct peer *p)
{
	uint8_t buf[NBD_GREETING_MAX];

	hear(p, buf, 18);
	assert_memory_equal(buf, "NBDMAGICIHAVEOPT", 16);
	say(p, "\0\0\0\3", 4);
	say(p, "IHAVEOPT\0\0\0\1\0\0\0\1x", 17);
	hear(p, buf, 10);
	assert_true(bytes_be64(buf) == vbd_info(p->rig->vbd)->size);
	return bytes_be16(buf + 8);
}

static void ask(struct peer *p, uint16_t type, uint64_t off, uint32_t len)
{
	uint8_t rq[NBD_REQUEST_SIZE];

	bytes_put_be32(rq, 0x25609513);
	bytes_put_be16(rq + 4, 0);
	bytes_put_be16(rq + 6, type);
	bytes_put_be64(rq + 8, type);
	bytes_put_be64(rq + 16, off);
	bytes_put_be32(rq + 24, len);
	say(p, rq, sizeof(rq));
}

static void answered(struct peer *p, uint16_t type, uint32_t err)
{
	uint8_t head[16];

	hear(p, head, sizeof(head));
	assert_int_equal(bytes_be32(head), 0x67446698);
	assert_int_equal(bytes_be32(head + 4), err);
	assert_true(bytes_be64(head + 8) == type);
}

static void a_client_shakes_hands_writes_and_reads(void **state)
{
	struct rig *rig = disk("ram:1048576", false);
	uint8_t data[1000], back[1000];
	struct peer p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	join(&p, rig, false);
	(void)shake_hands(&p);
	ask(&p, NBD_WRITE, 77, sizeof(data));
	say(&p, data, sizeof(data));
	answered(&p, NBD_WRITE, 0);
	ask(&p, NBD_READ, 77, sizeof(back));
	answered(&p, NBD_READ, 0);
	hear(&p, back, sizeof(back));
	assert_memory_equal(back, data, sizeof(data));
	leave(&p);
	rig_free(rig);
}

static void an_old_client_is_greeted_the_old_way(void **state)
{
	struct rig *rig = disk("ram:1048576", false);
	uint8_t buf[NBD_GREETING_MAX];
	struct peer p;

	(void)state;
	join(&p, rig, true);
	hear(&p, buf, 152);
	assert_true(bytes_be64(buf + 16) == 1048576);
	ask(&p, NBD_READ, 0, 512);
	answered(&p, NBD_READ, 0);
	hear(&p, buf, 152);
	leave(&p);
	rig_free(rig);
}

static void the_flags_say_what_the_disk_can(void **state)
{
	static const struct {
		unsigned caps, flags;
		bool readonly;
	} cases[] = {
		{ 0, NBD_SEND_WRITE_ZEROES, false },
		{ IMAGE_CAN_FLUSH,
		  NBD_SEND_WRITE_ZEROES | NBD_SEND_FLUSH | NBD_SEND_FUA,
		  false },
		{ IMAGE_CAN_DISCARD, NBD_SEND_WRITE_ZEROES | NBD_SEND_TRIM,
		  false },
		{ IMAGE_CAN_FLUSH | IMAGE_CAN_DISCARD,
		  NBD_READ_ONLY | NBD_SEND_FLUSH | NBD_SEND_FUA, true },
	};
	struct peer p;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig *rig;

		hold_reset();
		hold.caps = cases[i].caps;
		rig = disk("hold:", cases[i].readonly);
		join(&p, rig, false);
		assert_int_equal(shake_hands(&p),
				 cases[i].flags | NBD_HAS_FLAGS |
					 NBD_CAN_MULTI_CONN | NBD_SEND_CACHE);
		leave(&p);
		rig_free(rig);
	}
}

static void a_connection_survives_a_pause(void **state)
{
	struct rig *rig = disk("ram:1048576", false);
	uint8_t buf[512];
	struct peer p;

	(void)state;
	join(&p, rig, false);
	(void)shake_hands(&p);
	assert_int_equal(rig_pause(rig), 0);
	ask(&p, NBD_READ, 0, 512);
	hear_nothing(&p);
	assert_int_equal(rig_resume(rig, NULL), 0);
	answered(&p, NBD_READ, 0);
	hear(&p, buf, sizeof(buf));
	leave(&p);
	rig_free(rig);
}

static void hands_are_shaken_while_the_disk_is_paused(void **state)
{
	struct rig *rig = disk("ram:1048576", false);
	struct peer p;

	(void)state;
	assert_int_equal(rig_pause(rig), 0);
	join(&p, rig, false);
	(void)shake_hands(&p);
	ask(&p, NBD_FLUSH, 0, 0);
	hear_nothing(&p);
	assert_int_equal(rig_resume(rig, NULL), 0);
	answered(&p, NBD_FLUSH, 0);
	leave(&p);
	rig_free(rig);
}

static void a_silent_client_is_not_waited_for(void **state)
{
	struct rig *rig = disk("ram:1048576", false);
	struct peer silent, other;
	uint8_t buf[18];

	(void)state;
	join(&silent, rig, false);
	join(&other, rig, false);
	(void)shake_hands(&other);
	rig_pass(rig, 29 * RIG_SECOND);
	assert_false(silent.gone);
	rig_pass(rig, 2 * RIG_SECOND);
	assert_true(silent.gone);
	hear(&silent, buf, sizeof(buf));
	hear_end(&silent);
	assert_false(other.gone);
	leave(&other);
	rig_free(rig);
}

static void a_disconnect_is_a_close_after_the_last_answer(void **state)
{
	struct rig *rig;
	struct peer p;

	(void)state;
	hold_reset();
	hold.caps = IMAGE_CAN_FLUSH;
	rig = disk("hold:", false);
	join(&p, rig, false);
	(void)shake_hands(&p);
	ask(&p, NBD_FLUSH, 0, 0);
	ask(&p, NBD_DISC, 0, 0);
	hear_nothing(&p);
	assert_false(p.gone);
	assert_true(hold_answer(0));
	answered(&p, NBD_FLUSH, 0);
	hear_end(&p);
	rig_free(rig);
}

static void a_client_that_leaves_in_the_middle_is_forgotten(void **state)
{
	struct rig *rig = disk("ram:1048576", false);
	uint8_t some[100] = { 0 };
	struct peer p;

	(void)state;
	join(&p, rig, false);
	(void)shake_hands(&p);
	ask(&p, NBD_WRITE, 0, 4096);
	say(&p, some, sizeof(some));
	leave(&p);
	join(&p, rig, false);
	say(&p, "\0\0", 2);
	leave(&p);
	rig_free(rig);
}

static void a_client_may_leave_while_the_disk_is_paused(void **state)
{
	struct rig *rig = disk("ram:1048576", false);
	struct peer quiet, polite, busy;

	(void)state;
	join(&quiet, rig, false);
	join(&polite, rig, false);
	join(&busy, rig, false);
	(void)shake_hands(&quiet);
	(void)shake_hands(&polite);
	(void)shake_hands(&busy);
	assert_int_equal(rig_pause(rig), 0);
	leave(&quiet);
	ask(&polite, NBD_DISC, 0, 0);
	hear_end(&polite);
	ask(&busy, NBD_FLUSH, 0, 0);
	(void)close(busy.fd); /* a socket */
	assert_int_equal(rig_resume(rig, NULL), 0);
	rig_settle(rig);
	assert_true(busy.gone);
	rig_free(rig);
}

static void nonsense_ends_the_connection(void **state)
{
	struct rig *rig = disk("ram:1048576", false);
	uint8_t zeroes[NBD_REQUEST_SIZE] = { 0 };
	struct peer p;

	(void)state;
	join(&p, rig, false);
	(void)shake_hands(&p);
	say(&p, zeroes, sizeof(zeroes));
	hear_end(&p);
	rig_free(rig);
}

static void errors_of_the_disk_are_answered(void **state)
{
	uint8_t data[512] = { 0 };
	struct rig *rig;
	struct peer p;

	(void)state;
	hold_reset();
	rig = disk("hold:", false);
	join(&p, rig, false);
	(void)shake_hands(&p);
	ask(&p, NBD_READ, 0, 512);
	assert_true(hold_answer(-EIO));
	answered(&p, NBD_READ, 5);
	ask(&p, NBD_WRITE, 512, 512);
	say(&p, data, sizeof(data));
	assert_true(hold_answer(-ENOSPC));
	answered(&p, NBD_WRITE, 28);
	ask(&p, 77, 0, 0);
	answered(&p, 77, 22);
	leave(&p);
	rig_free(rig);
}

static void who_fetches_nothing_holds_up_nobody_else(void **state)
{
	struct rig *rig = disk("ram:1048576", false);
	struct peer slow, quick;
	uint8_t buf[512];
	int i;

	(void)state;
	join(&slow, rig, false);
	(void)shake_hands(&slow);
	for (i = 0; i < 100; i++)
		ask(&slow, NBD_READ, 0, 1 << 20);
	join(&quick, rig, false);
	(void)shake_hands(&quick);
	ask(&quick, NBD_READ, 0, 512);
	answered(&quick, NBD_READ, 0);
	hear(&quick, buf, sizeof(buf));
	assert_int_equal(rig_write(rig, 0, buf, sizeof(buf)), 0);
	assert_false(slow.gone);
	leave(&quick);
	leave(&slow);
	rig_free(rig);
}

static void closing_the_disk_closes_its_clients(void **state)
{
	struct rig *rig = disk("ram:1048576", false);
	struct peer p;

	(void)state;
	join(&p, rig, false);
	(void)shake_hands(&p);
	assert_int_equal(rig_close(rig, false), 0);
	hear_end(&p);
	rig_free(rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_shakes_hands_writes_and_reads),
		cmocka_unit_test(an_old_client_is_greeted_the_old_way),
		cmocka_unit_test(the_flags_say_what_the_disk_can),
		cmocka_unit_test(a_connection_survives_a_pause),
		cmocka_unit_test(hands_are_shaken_while_the_disk_is_paused),
		cmocka_unit_test(a_silent_client_is_not_waited_for),
		cmocka_unit_test(a_disconnect_is_a_close_after_the_last_answer),
		cmocka_unit_test(
			a_client_that_leaves_in_the_middle_is_forgotten),
		cmocka_unit_test(a_client_may_leave_while_the_disk_is_paused),
		cmocka_unit_test(nonsense_ends_the_connection),
		cmocka_unit_test(errors_of_the_disk_are_answered),
		cmocka_unit_test(who_fetches_nothing_holds_up_nobody_else),
		cmocka_unit_test(closing_the_disk_closes_its_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
