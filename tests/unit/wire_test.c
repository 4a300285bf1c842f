/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire_test.c - the bytes of control messages, as they are in the field.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/wire.h"
#include "lib/bytes.h"
#include "lib/err.h"
#include "tests/lib/test.h"

/* Every layout's fields and where they must be, written down once more. */
struct at {
	unsigned off;
	const char *bytes;
	unsigned len;
};

static void expect(const struct wire_msg *msg, const struct at *at, unsigned n)
{
	uint8_t buf[WIRE_SIZE], want[WIRE_SIZE] = { 0 };

	for (unsigned i = 0; i < n; i++)
		memcpy(want + at[i].off, at[i].bytes, at[i].len);
	memset(buf, 0xaa, sizeof(buf));
	wire_encode(buf, msg);
	assert_memory_equal(buf, want, WIRE_SIZE);
}

static void put(char to[WIRE_PATH], const char *text)
{
	(void)snprintf(to, WIRE_PATH, "%s", text); /* all of them fit */
}

#define EXPECT(msg, ...)                                                       \
	do {                                                                   \
		const struct at at[] = { __VA_ARGS__ };                        \
		expect(msg, at, ARRAY_SIZE(at));                               \
	} while (0)

static void pid_response_is_as_recorded(void **state)
{
	struct wire_msg m = { .type = WIRE_PID_RSP, .cookie = 7 };

	(void)state;
	m.u.pid = 0x01020304;
	EXPECT(&m, { 0, "\x04\x00\x07\x00", 4 }, { 8, "\x04\x03\x02\x01", 4 });
}

static void disk_info_of_100_mib_is_as_recorded(void **state)
{
	struct wire_msg m = { .type = WIRE_DISK_INFO_RSP };

	(void)state;
	m.u.image.sectors = 204800;
	m.u.image.sector_size = 512;
	EXPECT(&m, { 0, "\x1d", 1 },
	       { 8, "\x00\x20\x03\0\0\0\0\0\x00\x02\0\0\0\0\0\0", 16 });
}

static void list_response_is_as_recorded(void **state)
{
	struct wire_msg m = { .type = WIRE_LIST_RSP };

	(void)state;
	m.u.list.count = 1;
	put(m.u.list.path, "vhd:/a");
	EXPECT(&m, { 0, "\x14", 1 }, { 8, "\x01", 1 }, { 20, "vhd:/a", 6 });
}

static void end_of_list_has_minor_minus_one(void **state)
{
	struct wire_msg m = { .type = WIRE_LIST_RSP };

	(void)state;
	m.u.list.minor = -1;
	EXPECT(&m, { 0, "\x14", 1 }, { 12, "\xff\xff\xff\xff", 4 });
}

static void open_has_each_field_at_its_offset(void **state)
{
	struct wire_msg m = { .type = WIRE_OPEN, .cookie = 0x1234 };

	(void)state;
	m.u.params.flags = WIRE_RDONLY | WIRE_OPEN_ENCRYPTED;
	m.u.params.devnum = 0x11;
	m.u.params.domid = 0x22;
	put(m.u.params.path, "aio:/b");
	m.u.params.prt_devnum = 0x33;
	m.u.params.timeout_s = 0x4455;
	put(m.u.params.secondary, "nbd:x");
	EXPECT(&m, { 0, "\x07\x00\x34\x12", 4 }, { 8, "\x02\x04", 2 },
	       { 12, "\x11", 1 }, { 16, "\x22", 1 }, { 20, "aio:/b", 6 },
	       { 276, "\x33", 1 }, { 280, "\x55\x44", 2 }, { 282, "nbd:x", 5 });
}

static void error_has_the_errno_and_a_sentence(void **state)
{
	struct wire_msg m = { .type = WIRE_ERROR, .cookie = 3 };

	(void)state;
	m.u.response.error = ENODEV;
	put(m.u.response.message, "no");
	EXPECT(&m, { 0, "\x01\x00\x03\x00", 4 }, { 8, "\x13", 1 },
	       { 12, "no", 2 });
}

static void stats_response_has_its_length_at_16(void **state)
{
	struct wire_msg m = { .type = WIRE_STATS_RSP, .cookie = 0xffff };

	(void)state;
	m.u.stats.length = 0x10203;
	EXPECT(&m, { 0, "\x16\x00\xff\xff", 4 }, { 16, "\x03\x02\x01", 3 });
}

static void connect_has_each_field_at_its_offset(void **state)
{
	struct wire_msg m = { .type = WIRE_CONNECT, .cookie = 2 };

	(void)state;
	m.u.ring.domid = 5;
	m.u.ring.devid = 51712;
	for (unsigned i = 0; i < WIRE_GREFS; i++)
		m.u.ring.grefs[i] = i + 1;
	m.u.ring.order = 3;
	m.u.ring.proto = 3;
	m.u.ring.port = 9;
	m.u.ring.poll_us = 8000;
	m.u.ring.poll_idle = 50;
	put(m.u.ring.pool, "p");
	EXPECT(&m, { 0, "\x18\x00\x02", 3 }, { 8, "\x05\0\0\0\x00\xca", 6 },
	       { 16,
		 "\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5\0\0\0\6\0\0\0"
		 "\7\0\0\0\x08\0\0\0",
		 32 },
	       { 48, "\3\0\0\0\3", 5 }, { 56, "p", 1 }, { 312, "\x09", 1 },
	       { 316, "\x40\x1f", 2 }, { 320, "\x32", 1 });
}

static void connect_queue_comes_back_whole(void **state)
{
	struct wire_msg m = { .type = WIRE_CONNECT_QUEUE, .cookie = 2 }, out;
	uint8_t buf[WIRE_SIZE];

	(void)state;
	m.u.ring.domid = 5;
	m.u.ring.devid = 51712;
	m.u.ring.queue = 1;
	m.u.ring.nr_queues = 4;
	m.u.ring.order = 4;
	m.u.ring.proto = 1;
	for (unsigned i = 0; i < WIRE_GREFS; i++)
		m.u.ring.grefs[i] = 100 + i;
	m.u.ring.port = 9;
	m.u.ring.max_segs = 256;
	m.u.ring.flags = WIRE_RING_RDONLY;
	m.u.ring.poll_us = 1;
	m.u.ring.poll_idle = 2;
	wire_encode(buf, &m);
	assert_int_equal(buf[0], 64);
	assert_int_equal(wire_decode(&out, buf, NULL), 0);
	assert_memory_equal(&m.u.ring, &out.u.ring, sizeof(m.u.ring));
}

static void hello_has_each_field_at_its_offset(void **state)
{
	struct wire_msg m = { .type = WIRE_HELLO_RSP, .cookie = 1 };

	(void)state;
	m.u.hello.version = 1;
	m.u.hello.features = 0x10;
	m.u.hello.block_size = 4096;
	m.u.hello.discard = 512;
	EXPECT(&m, { 0, "\x43\x00\x01", 3 },
	       { 8, "\1\0\0\0\x10\0\0\0\x00\x10\0\0\x00\x02", 14 });
}

static int decode(unsigned type, unsigned off, const void *bytes, unsigned len)
{
	uint8_t buf[WIRE_SIZE] = { (uint8_t)type, 0, 6 };
	struct wire_msg out;
	struct err err = { 0 };
	int rc;

	buf[312] = buf[96] = buf[20] = 1; /* a port, a number of queues */
	memcpy(buf + off, bytes, len);
	rc = wire_decode(&out, buf, &err);
	assert_int_equal(out.type, type);
	assert_int_equal(out.cookie, 6);
	assert_true(!rc == !err.msg[0]);
	return rc;
}

static void a_string_must_end_inside_its_array(void **state)
{
	char full[WIRE_PATH];

	(void)state;
	memset(full, 'x', sizeof(full));
	assert_int_equal(decode(WIRE_OPEN, 20, full, 256), -EINVAL);
	assert_int_equal(decode(WIRE_OPEN, 20, full, 255), 0);
	assert_int_equal(decode(WIRE_OPEN, 282, full, 256), -EINVAL);
	assert_int_equal(decode(WIRE_RESUME, 282, full, 256), -EINVAL);
	assert_int_equal(decode(WIRE_CONNECT, 56, full, 256), -EINVAL);
	assert_int_equal(decode(WIRE_ERROR, 12, full, 256), -EINVAL);
	assert_int_equal(decode(WIRE_LIST_RSP, 20, full, 256), -EINVAL);
	assert_int_equal(decode(WIRE_SERVE, 20, full, 256), -EINVAL);
}

static void what_a_message_does_not_use_is_not_looked_at(void **state)
{
	char full[WIRE_SIZE];

	(void)state;
	memset(full, 'x', sizeof(full));
	assert_int_equal(decode(WIRE_CLOSE, 4, full, WIRE_SIZE - 4), 0);
	assert_int_equal(decode(WIRE_DISCONNECT, 16, full, 500), 0);
}

static void numbers_out_of_range_are_refused(void **state)
{
	(void)state;
	assert_int_equal(decode(WIRE_CONNECT, 48, "\3", 1), 0);
	assert_int_equal(decode(WIRE_CONNECT, 48, "\4", 1), -EINVAL);
	assert_int_equal(decode(WIRE_CONNECT, 312, "\0", 1), -EINVAL);
	assert_int_equal(decode(WIRE_CONNECT, 8, "\xff\xff", 2), -EINVAL);
	assert_int_equal(decode(WIRE_CONNECT_QUEUE, 24, "\4", 1), 0);
	assert_int_equal(decode(WIRE_CONNECT_QUEUE, 24, "\5", 1), -EINVAL);
	assert_int_equal(decode(WIRE_CONNECT_QUEUE, 16, "\x10", 1), -EINVAL);
	assert_int_equal(decode(WIRE_CONNECT_QUEUE, 20, "\0", 1), -EINVAL);
	assert_int_equal(decode(WIRE_CONNECT_QUEUE, 104, "\x80", 1), -EINVAL);
	assert_int_equal(decode(WIRE_STATS_RSP, 23, "\x01", 1), -EINVAL);
	assert_int_equal(decode(WIRE_PID_RSP, 8, "\xff\xff\xff\xff", 4),
			 -EINVAL);
	assert_int_equal(decode(WIRE_LIST_RSP, 8, "\xff\xff\xff\xff", 4),
			 -EINVAL);
}

static void unknown_numbers_are_refused_and_told(void **state)
{
	(void)state;
	assert_int_equal(decode(0, 8, "", 1), -EINVAL);
	assert_int_equal(decode(2, 8, "", 1), -EINVAL);
	assert_int_equal(decode(31, 8, "", 1), -EINVAL);
	assert_int_equal(decode(36, 8, "", 1), -EINVAL);
	assert_int_equal(decode(255, 8, "", 1), -EINVAL);
}

static void every_message_comes_back_as_it_was_sent(void **state)
{
	uint8_t buf[WIRE_SIZE], again[WIRE_SIZE];
	struct wire_msg msg;

	(void)state;
	for (unsigned type = 1; type <= WIRE_SERVE_RSP; type++) {
		memset(buf, 1, sizeof(buf));
		buf[0] = (uint8_t)type;
		buf[1] = 0;
		for (unsigned i = 8; i < WIRE_SIZE; i += 2)
			buf[i] = 0; /* every string ends, numbers are odd */
		if (wire_decode(&msg, buf, NULL) < 0)
			continue;
		wire_encode(again, &msg);
		assert_int_equal(wire_decode(&msg, again, NULL), 0);
		wire_encode(buf, &msg);
		assert_memory_equal(buf, again, WIRE_SIZE);
	}
}

static void names_are_those_of_the_table(void **state)
{
	(void)state;
	assert_string_equal(wire_name(3), "pid");
	assert_string_equal(wire_name(4), "pid response");
	assert_string_equal(wire_name(23), "force shutdown");
	assert_string_equal(wire_name(25), "sring connect rsp");
	assert_string_equal(wire_name(2), "unknown");
	assert_string_equal(wire_name(63), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pid_response_is_as_recorded),
		cmocka_unit_test(disk_info_of_100_mib_is_as_recorded),
		cmocka_unit_test(list_response_is_as_recorded),
		cmocka_unit_test(end_of_list_has_minor_minus_one),
		cmocka_unit_test(open_has_each_field_at_its_offset),
		cmocka_unit_test(error_has_the_errno_and_a_sentence),
		cmocka_unit_test(stats_response_has_its_length_at_16),
		cmocka_unit_test(connect_has_each_field_at_its_offset),
		cmocka_unit_test(hello_has_each_field_at_its_offset),
		cmocka_unit_test(connect_queue_comes_back_whole),
		cmocka_unit_test(a_string_must_end_inside_its_array),
		cmocka_unit_test(what_a_message_does_not_use_is_not_looked_at),
		cmocka_unit_test(numbers_out_of_range_are_refused),
		cmocka_unit_test(unknown_numbers_are_refused_and_told),
		cmocka_unit_test(every_message_comes_back_as_it_was_sent),
		cmocka_unit_test(names_are_those_of_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
