/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd_conn_test.c - requests of NBD clients, cut into parts and answered.
 */
#include "tapdisk/nbd-conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

#include "tests/lib/nbd-talk.h"

#define SIZE TALK_SIZE

/* --- reads --------------------------------------------------------------- */

static void reads_at_any_offset_give_exactly_the_bytes(void **state)
{
	static const uint64_t offs[] = { 0, 1, 511, 512, 4097, SIZE - 2000 };
	static const uint32_t lens[] = { 1, 2, 511, 512, 513, 1024, 2000 };
	struct stage s;
	struct ask *a;
	size_t i, j;
	int mode;

	(void)state;
	for (mode = 0; mode < 2; mode++) {
		begin(&s, mode);
		for (i = 0; i < ARRAY_SIZE(offs); i++) {
			for (j = 0; j < ARRAY_SIZE(lens); j++) {
				a = talk_ask(&s.a, NBD_READ, 0, offs[i],
					     lens[j], NULL);
				talk_all(&s.a);
				assert_true(a->ended && !a->err);
				assert_memory_equal(
					a->data, s.d.bytes + offs[i], lens[j]);
			}
		}
		end(&s);
	}
}

static void a_large_read_passes_through_bounded_memory(void **state)
{
	struct stage s;
	struct ask *a;
	int mode;

	(void)state;
	for (mode = 0; mode < 2; mode++) {
		begin_sized(&s, mode, 33ull << 20);
		a = talk_ask(&s.a, NBD_READ, 0, 77, 32 << 20, NULL);
		talk_all(&s.a);
		assert_true(a->ended && !a->err);
		assert_memory_equal(a->data, s.d.bytes + 77, 32 << 20);
		assert_int_equal(s.a.c.conn.mem.used, 0);
		assert_true(s.d.asked >= 32);
		end(&s);
	}
}

static void a_read_that_fails_is_an_error_and_the_next_is_served(void **state)
{
	struct ask *bad, *good;
	struct stage s;
	int mode;

	(void)state;
	for (mode = 0; mode < 2; mode++) {
		begin(&s, mode);
		bad = talk_ask(&s.a, NBD_READ, 0, 0, 4096, NULL);
		good = talk_ask(&s.a, NBD_READ, 0, 4096, 512, NULL);
		talk_say(&s.a, TALK_SAY);
		fake_end(&s.d, 0, -EIO);
		talk_all(&s.a);
		assert_true(bad->ended && bad->err == 5);
		assert_true(good->ended && !good->err);
		end(&s);
	}
}

static void one_bad_part_fails_a_structured_read(void **state)
{
	struct stage s;
	struct ask *a;

	(void)state;
	begin(&s, true);
	a = talk_ask(&s.a, NBD_READ, 0, 0, 3 << 20, NULL);
	talk_say(&s.a, TALK_SAY);
	assert_int_equal(s.d.pending_count, 3);
	fake_end(&s.d, 1, -ENOSPC);
	talk_all(&s.a);
	assert_true(a->ended && a->err == 28);
	assert_int_equal(a->came, 2 << 20);
	assert_true(nbd_conn_idle(&s.a.c.conn));
	end(&s);
}

static void a_simple_read_that_fails_late_breaks_the_connection(void **state)
{
	struct stage s;
	struct ask *a;

	(void)state;
	begin(&s, false);
	a = talk_ask(&s.a, NBD_READ, 0, 0, 3 << 20, NULL);
	talk_say(&s.a, TALK_SAY);
	assert_int_equal(s.d.pending_count, 1);
	fake_end(&s.d, 0, 0);
	talk_hear(&s.a);
	talk_say(&s.a, TALK_SAY);
	fake_end(&s.d, 0, -EIO);
	assert_true(s.a.c.conn.broken);
	assert_false(a->ended);
	end(&s);
}

static void a_simple_read_that_fails_at_once_is_an_error(void **state)
{
	struct stage s;
	struct ask *a;

	(void)state;
	begin(&s, false);
	a = talk_ask(&s.a, NBD_READ, 0, 0, 3 << 20, NULL);
	talk_say(&s.a, TALK_SAY);
	fake_end(&s.d, 0, -EIO);
	talk_all(&s.a);
	assert_true(a->ended && a->err == 5);
	assert_false(s.a.c.conn.broken);
	end(&s);
}

static void cache_reads_and_answers_without_data(void **state)
{
	struct stage s;
	struct ask *a;

	(void)state;
	begin(&s, true);
	a = talk_ask(&s.a, NBD_CACHE, 0, 100, 5000, NULL);
	talk_say(&s.a, TALK_SAY);
	assert_int_equal(pending(&s, 0)->op, REQ_READ);
	talk_all(&s.a);
	assert_true(a->ended && !a->err);
	assert_int_equal(s.a.c.conn.mem.used, 0);
	end(&s);
}

/* --- changes ------------------------------------------------------------- */

static void fua_and_no_hole_reach_the_disk(void **state)
{
	uint8_t data[512] = { 1 };
	struct stage s;

	(void)state;
	begin(&s, true);
	(void)talk_ask(&s.a, NBD_WRITE, NBD_FUA, 0, 512, data);
	(void)talk_ask(&s.a, NBD_WRITE, 0, 512, 512, data);
	(void)talk_ask(&s.a, NBD_WRITE_ZEROES, NBD_FUA, 1024, 512, NULL);
	(void)talk_ask(&s.a, NBD_WRITE_ZEROES, NBD_NO_HOLE, 2048, 512, NULL);
	(void)talk_ask(&s.a, NBD_FLUSH, 0, 99, 99, NULL);
	talk_say(&s.a, TALK_SAY);
	assert_int_equal(pending(&s, 0)->flags, REQ_FUA);
	assert_int_equal(pending(&s, 1)->flags, 0);
	assert_int_equal(pending(&s, 2)->flags, REQ_FUA | REQ_MAY_UNMAP);
	assert_int_equal(pending(&s, 3)->flags, 0);
	assert_int_equal(pending(&s, 4)->op, REQ_FLUSH);
	end(&s);
}

static void a_refused_write_takes_its_data_with_it(void **state)
{
	static uint8_t data[100000];
	struct ask *bad, *good;
	struct stage s;

	(void)state;
	begin(&s, true);
	bad = talk_ask(&s.a, NBD_WRITE, 0, SIZE - 1, sizeof(data), data);
	good = talk_ask(&s.a, NBD_READ, 0, 0, 512, NULL);
	while (s.a.say_at < s.a.say_len)
		talk_say(&s.a, 777);
	talk_all(&s.a);
	assert_true(bad->ended && bad->err == 28);
	assert_true(good->ended && !good->err);
	end(&s);
}

static void a_write_that_fails_midway_takes_its_data_with_it(void **state)
{
	static uint8_t data[3 << 20];
	struct ask *bad, *good;
	struct stage s;

	(void)state;
	begin(&s, true);
	bad = talk_ask(&s.a, NBD_WRITE, 0, 0, sizeof(data), data);
	good = talk_ask(&s.a, NBD_READ, 0, 0, 512, NULL);
	while (!s.d.pending_count)
		talk_say(&s.a, 100000);
	fake_end(&s.d, 0, -EIO);
	talk_all(&s.a);
	assert_true(bad->ended && bad->err == 5);
	assert_true(good->ended && !good->err);
	assert_int_equal(s.a.c.conn.mem.used, 0);
	end(&s);
}

static void a_trim_keeps_to_whole_blocks(void **state)
{
	struct ask *some, *none;
	struct stage s;

	(void)state;
	begin(&s, true);
	some = talk_ask(&s.a, NBD_TRIM, 0, 100, 1500, NULL);
	none = talk_ask(&s.a, NBD_TRIM, 0, 100, 800, NULL);
	talk_say(&s.a, TALK_SAY);
	assert_int_equal(s.d.pending_count, 1);
	assert_int_equal(pending(&s, 0)->op, REQ_DISCARD);
	assert_int_equal(pending(&s, 0)->off, 512);
	assert_int_equal(pending(&s, 0)->len, 1024);
	talk_all(&s.a);
	assert_true(some->ended && !some->err);
	assert_true(none->ended && !none->err);
	end(&s);
}

static void unaligned_zeroes_are_written_exactly(void **state)
{
	static uint8_t want[8192];
	struct stage s;
	struct ask *a;

	(void)state;
	begin(&s, true);
	memcpy(want, s.d.bytes, sizeof(want));
	memset(want + 700, 0, 3000);
	a = talk_ask(&s.a, NBD_WRITE_ZEROES, 0, 700, 3000, NULL);
	talk_all(&s.a);
	assert_true(a->ended && !a->err);
	assert_memory_equal(s.d.bytes, want, sizeof(want));
	end(&s);
}

static void a_merge_whose_read_fails_writes_nothing(void **state)
{
	uint8_t data[10] = { 0 };
	struct stage s;
	struct ask *a;

	(void)state;
	begin(&s, true);
	a = talk_ask(&s.a, NBD_WRITE, 0, 3, 10, data);
	talk_say(&s.a, TALK_SAY);
	assert_int_equal(pending(&s, 0)->op, REQ_READ);
	fake_end(&s.d, 0, -EIO);
	talk_all(&s.a);
	assert_true(a->ended && a->err == 5);
	assert_int_equal(s.d.asked, 1);
	assert_int_equal(s.d.bytes[3], 3);
	end(&s);
}

/* --- block status -------------------------------------------------------- */

static void block_status_is_cut_to_the_range(void **state)
{
	struct stage s;
	struct ask *a;

	(void)state;
	begin(&s, true);
	a = talk_ask(&s.a, NBD_BLOCK_STATUS, 0, 500, 600, NULL);
	talk_all(&s.a);
	assert_true(a->ended && !a->err);
	assert_int_equal(a->count, 3);
	assert_int_equal(a->descriptors[0][0], 12);
	assert_int_equal(a->descriptors[0][1], 0);
	assert_int_equal(a->descriptors[1][0], 512);
	assert_int_equal(a->descriptors[1][1], 3);
	assert_int_equal(a->descriptors[2][0], 76);
	assert_int_equal(a->descriptors[2][1], 0);
	end(&s);
}

static void block_status_of_one_and_of_very_many(void **state)
{
	struct ask *one, *many;
	struct stage s;

	(void)state;
	begin(&s, true);
	one = talk_ask(&s.a, NBD_BLOCK_STATUS, NBD_REQ_ONE, 513, 4096, NULL);
	many = talk_ask(&s.a, NBD_BLOCK_STATUS, 0, 0, 4 << 20, NULL);
	talk_all(&s.a);
	assert_int_equal(one->count, 1);
	assert_int_equal(one->descriptors[0][0], 511);
	assert_int_equal(one->descriptors[0][1], 3);
	assert_int_equal(many->count, NBD_EXTENTS);
	assert_int_equal(s.a.c.conn.mem.used, 0);
	end(&s);
}

static void a_block_status_that_fails_is_an_error_chunk(void **state)
{
	struct stage s;
	struct ask *a;

	(void)state;
	begin(&s, true);
	a = talk_ask(&s.a, NBD_BLOCK_STATUS, 0, 0, 4096, NULL);
	talk_say(&s.a, TALK_SAY);
	fake_end(&s.d, 0, -EIO);
	talk_all(&s.a);
	assert_true(a->ended && a->err == 5);
	end(&s);
}

/* --- bounds -------------------------------------------------------------- */

static void without_room_at_the_disk_a_request_waits(void **state)
{
	struct stage s;
	struct ask *a;

	(void)state;
	begin(&s, true);
	s.a.c.room = 0;
	a = talk_ask(&s.a, NBD_READ, 0, 0, 512, NULL);
	talk_say(&s.a, TALK_SAY);
	assert_int_equal(s.d.pending_count, 0);
	assert_false(s.a.c.conn.hungry);
	s.a.c.room = 1;
	talk_all(&s.a);
	assert_true(a->ended && !a->err);
	end(&s);
}

static void a_merge_without_room_for_its_write_goes_on_later(void **state)
{
	uint8_t data[10] = { 0 };
	struct stage s;
	struct ask *a;

	(void)state;
	begin(&s, true);
	s.a.c.room = 1;
	a = talk_ask(&s.a, NBD_WRITE, 0, 3, 10, data);
	talk_say(&s.a, TALK_SAY);
	fake_end(&s.d, 0, 0);
	assert_int_equal(s.d.pending_count, 0);
	talk_all(&s.a);
	assert_true(a->ended && !a->err);
	assert_int_equal(s.d.bytes[3], 0);
	end(&s);
}

static void a_disconnect_ends_it_once_all_is_answered(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, true);
	(void)talk_ask(&s.a, NBD_READ, 0, 0, 512, NULL);
	(void)talk_ask(&s.a, NBD_DISC, 0, 0, 0, NULL);
	talk_say(&s.a, TALK_SAY);
	assert_int_equal(s.a.c.conn.proto.phase, NBD_OVER);
	assert_false(nbd_conn_idle(&s.a.c.conn));
	talk_all(&s.a);
	assert_true(nbd_conn_idle(&s.a.c.conn));
	end(&s);
}

static void nonsense_ends_it(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, true);
	(void)talk_ask(&s.a, NBD_READ, 0, 0, 512, NULL);
	s.a.say[0] = 'x';
	talk_say(&s.a, TALK_SAY);
	assert_int_equal(s.a.c.conn.proto.phase, NBD_OVER);
	assert_int_equal(s.d.pending_count, 0);
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_at_any_offset_give_exactly_the_bytes),
		cmocka_unit_test(a_large_read_passes_through_bounded_memory),
		cmocka_unit_test(
			a_read_that_fails_is_an_error_and_the_next_is_served),
		cmocka_unit_test(one_bad_part_fails_a_structured_read),
		cmocka_unit_test(
			a_simple_read_that_fails_late_breaks_the_connection),
		cmocka_unit_test(a_simple_read_that_fails_at_once_is_an_error),
		cmocka_unit_test(cache_reads_and_answers_without_data),
		cmocka_unit_test(fua_and_no_hole_reach_the_disk),
		cmocka_unit_test(a_refused_write_takes_its_data_with_it),
		cmocka_unit_test(
			a_write_that_fails_midway_takes_its_data_with_it),
		cmocka_unit_test(a_trim_keeps_to_whole_blocks),
		cmocka_unit_test(unaligned_zeroes_are_written_exactly),
		cmocka_unit_test(a_merge_whose_read_fails_writes_nothing),
		cmocka_unit_test(block_status_is_cut_to_the_range),
		cmocka_unit_test(block_status_of_one_and_of_very_many),
		cmocka_unit_test(a_block_status_that_fails_is_an_error_chunk),
		cmocka_unit_test(without_room_at_the_disk_a_request_waits),
		cmocka_unit_test(
			a_merge_without_room_for_its_write_goes_on_later),
		cmocka_unit_test(a_disconnect_ends_it_once_all_is_answered),
		cmocka_unit_test(nonsense_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
