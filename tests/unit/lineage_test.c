/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lineage_test.c - the bytes of control messages of older lineages.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/wire.h"
#include "lib/bytes.h"
#include "lib/err.h"
#include "tests/lib/test.h"

struct at {
	unsigned off;
	const char *bytes;
	unsigned len;
};

static void lay(uint8_t buf[WIRE_SIZE], const struct at *at, unsigned n)
{
	memset(buf, 0, WIRE_SIZE);
	for (unsigned i = 0; i < n; i++)
		memcpy(buf + at[i].off, at[i].bytes, at[i].len);
}

static void expect(enum wire_lineage l, const struct wire_msg *msg,
		   const struct at *at, unsigned n)
{
	uint8_t buf[WIRE_SIZE], want[WIRE_SIZE];
	struct wire_msg back;

	lay(want, at, n);
	memset(buf, 0xaa, sizeof(buf));
	assert_int_equal(wire_encode_as(l, buf, msg, NULL), 0);
	assert_memory_equal(buf, want, wire_size(l));
	/* And the same comes back of it, whatever lies behind. */
	memset(buf + wire_size(l), 0xaa, WIRE_SIZE - wire_size(l));
	assert_int_equal(wire_decode_as(l, &back, buf, NULL), 0);
	assert_memory_equal(&back, msg, sizeof(back));
}

#define EXPECT(l, msg, ...)                                                    \
	do {                                                                   \
		const struct at at[] = { __VA_ARGS__ };                        \
		expect(l, msg, at, ARRAY_SIZE(at));                            \
	} while (0)

static void put(char to[WIRE_PATH], const char *text)
{
	(void)snprintf(to, WIRE_PATH, "%s", text); /* all of them fit */
}

static struct wire_msg open_msg(uint32_t flags)
{
	struct wire_msg m;

	memset(&m, 0, sizeof(m));
	m.type = WIRE_OPEN;
	m.cookie = 0x0102;
	m.u.params.flags = flags;
	m.u.params.devnum = 0x11;
	m.u.params.domid = 0x22;
	put(m.u.params.path, "aio:/b");
	return m;
}

static void open_of_280_bytes_has_its_path_at_22(void **state)
{
	struct wire_msg m = open_msg(WIRE_RDONLY);

	(void)state;
	EXPECT(WIRE_XEN42, &m, { 0, "\x07\x00\x02\x01", 4 }, { 8, "\x02", 1 },
	       { 12, "\x11", 1 }, { 16, "\x22", 1 }, { 20, "\x06\x00", 2 },
	       { 22, "aio:/b", 6 });
	EXPECT(WIRE_XEN40, &m, { 0, "\x05\x00\x02\x01", 4 }, { 8, "\x02", 1 },
	       { 12, "\x11", 1 }, { 16, "\x22", 1 }, { 20, "\x06\x00", 2 },
	       { 22, "aio:/b", 6 });
}

static void open_of_536_bytes_has_its_second_image_at_280(void **state)
{
	struct wire_msg m = open_msg(WIRE_SECONDARY | WIRE_STANDBY);

	(void)state;
	m.u.params.prt_devnum = 0x33;
	put(m.u.params.secondary, "nbd:x");
	EXPECT(WIRE_TAP2, &m, { 0, "\x07\x00\x02\x01", 4 },
	       { 8, "\x80\x01", 2 }, { 12, "\x11", 1 }, { 16, "\x22", 1 },
	       { 20, "aio:/b", 6 }, { 276, "\x33", 1 }, { 280, "nbd:x", 5 });
	EXPECT(WIRE_EARLY3, &m, { 0, "\x07\x00\x02\x01", 4 },
	       { 8, "\x80\x01", 2 }, { 12, "\x11", 1 }, { 16, "\x22", 1 },
	       { 20, "aio:/b", 6 }, { 276, "\x33", 1 }, { 280, "nbd:x", 5 });
	m.u.params.timeout_s = 40;
	EXPECT(WIRE_XS6, &m, { 0, "\x07\x00\x02\x01", 4 }, { 8, "\x80\x01", 2 },
	       { 12, "\x11", 1 }, { 16, "\x22", 1 }, { 20, "aio:/b", 6 },
	       { 276, "\x33", 1 }, { 280, "\x28", 1 }, { 282, "nbd:x", 5 });
}

static void numbers_are_the_lineages_own(void **state)
{
	static const struct {
		enum wire_lineage lineage;
		enum wire_type type;
		const char *number;
	} of[] = {
		{ WIRE_XEN40, WIRE_PAUSE, "\x07" },
		{ WIRE_XEN40, WIRE_CLOSE_RSP, "\x0c" },
		{ WIRE_XEN42, WIRE_ATTACH, "\x05" },
		{ WIRE_XEN42, WIRE_FORCE_SHUTDOWN, "\x15" },
		{ WIRE_XEN42, WIRE_EXIT, "\x16" },
		{ WIRE_TAP2, WIRE_STATS, "\x15" },
		{ WIRE_TAP2, WIRE_FORCE_SHUTDOWN, "\x17" },
		{ WIRE_TAP2, WIRE_EXIT, "\x18" },
		{ WIRE_XS6, WIRE_EXIT, "\x18" },
		{ WIRE_EARLY3, WIRE_DISK_INFO, "\x18" },
		{ WIRE_EARLY3, WIRE_DISCONNECT, "\x1c" },
		{ WIRE_EARLY3, WIRE_EXIT, "\x1e" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		struct wire_msg m;

		memset(&m, 0, sizeof(m));
		m.type = of[i].type;
		EXPECT(of[i].lineage, &m, { 0, of[i].number, 1 });
	}
}

static void what_a_lineage_lacks_is_refused_by_its_name(void **state)
{
	static const struct {
		enum wire_lineage lineage;
		enum wire_type type;
		const char *name;
	} of[] = {
		{ WIRE_XEN40, WIRE_LIST, "Xen 4.0" },
		{ WIRE_XEN42, WIRE_STATS, "Xen 4.2" },
		{ WIRE_TAP2, WIRE_CONNECT, "blktap 2.0" },
		{ WIRE_XS6, WIRE_CONNECT, "XenServer 6" },
		{ WIRE_EARLY3, WIRE_HELLO, "first blktap3" },
	};
	uint8_t buf[WIRE_SIZE];
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		struct wire_msg m = { .type = of[i].type };

		assert_int_equal(wire_encode_as(of[i].lineage, buf, &m, &err),
				 -EPROTONOSUPPORT);
		assert_non_null(strstr(err.msg, of[i].name));
	}
}

static void a_flag_of_another_meaning_is_not_passed_on(void **state)
{
	static const enum wire_lineage of[] = { WIRE_XEN42, WIRE_TAP2,
						WIRE_EARLY3, WIRE_XS6 };
	struct wire_msg m = open_msg(WIRE_ADD_LOG), back;
	uint8_t buf[WIRE_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		assert_int_equal(wire_encode_as(of[i], buf, &m, NULL),
				 -EPROTONOSUPPORT);
		m.u.params.flags = 0;
		assert_int_equal(wire_encode_as(of[i], buf, &m, NULL), 0);
		m.u.params.flags = WIRE_ADD_LOG;
		buf[8] = WIRE_ADD_LOG;
		assert_int_equal(wire_decode_as(of[i], &back, buf, NULL),
				 -EPROTONOSUPPORT);
	}
}

static void a_path_without_end_is_refused(void **state)
{
	struct wire_msg out;
	uint8_t buf[WIRE_SIZE] = { 7 };

	(void)state;
	memset(buf + 22, 'x', 256);
	assert_true(wire_decode_as(WIRE_XEN42, &out, buf, NULL) < 0);
}

static bool whole(const uint8_t *buf, size_t have, enum wire_lineage want)
{
	enum wire_lineage l = WIRE_OURS;

	return wire_is_whole(buf, have, &l) && l == want;
}

static void what_has_stopped_is_known_by_size_and_shape(void **state)
{
	struct wire_msg m = open_msg(0);
	uint8_t buf[WIRE_SIZE] = { 5 };
	enum wire_lineage l;

	(void)state;
	assert_true(whole(buf, 280, WIRE_XEN42));
	assert_true(whole(buf, 536, WIRE_TAP2));
	assert_false(wire_is_whole(buf, 279, &l));
	assert_false(wire_is_whole(buf, 281, &l));
	assert_false(wire_is_whole(buf, 0, &l));
	buf[0] = 24;
	assert_true(whole(buf, 536, WIRE_EARLY3));
	assert_false(wire_is_whole(buf, 280, &l));
	assert_int_equal(wire_encode_as(WIRE_XEN42, buf, &m, NULL), 0);
	assert_true(whole(buf, 280, WIRE_XEN42));
	/* Xen 4.0 has OPEN where Xen 4.2 has ATTACH. */
	buf[0] = 5;
	assert_true(whole(buf, 280, WIRE_XEN40));
	buf[0] = 9;
	assert_true(whole(buf, 280, WIRE_XEN40));
	memset(buf, 0, sizeof(buf));
	buf[0] = 7;
	assert_true(whole(buf, 280, WIRE_XEN40));
}

static void the_beginning_of_ours_is_no_whole_message(void **state)
{
	struct wire_msg m = open_msg(0);
	uint8_t buf[WIRE_SIZE];
	enum wire_lineage l;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		m.u.params.timeout_s = 40;
		wire_encode(buf, &m);
		assert_false(wire_is_whole(buf, 280, &l));
		assert_false(wire_is_whole(buf, 536, &l));
		m.u.params.flags = WIRE_SECONDARY;
		put(m.u.params.secondary, "nbd:x");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_of_280_bytes_has_its_path_at_22),
		cmocka_unit_test(open_of_536_bytes_has_its_second_image_at_280),
		cmocka_unit_test(numbers_are_the_lineages_own),
		cmocka_unit_test(what_a_lineage_lacks_is_refused_by_its_name),
		cmocka_unit_test(a_flag_of_another_meaning_is_not_passed_on),
		cmocka_unit_test(a_path_without_end_is_refused),
		cmocka_unit_test(what_has_stopped_is_known_by_size_and_shape),
		cmocka_unit_test(the_beginning_of_ours_is_no_whole_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
