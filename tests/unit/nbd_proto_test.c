/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd_proto_test.c - the NBD handshake, byte by byte.
 */
#include "tapdisk/nbd-proto.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "tests/lib/test.h"

#define SIZE (64ull << 20)
#define FLAGS                                                                  \
	(NBD_HAS_FLAGS | NBD_SEND_FLUSH | NBD_SEND_FUA | NBD_SEND_TRIM |       \
	 NBD_SEND_WRITE_ZEROES | NBD_CAN_MULTI_CONN | NBD_SEND_CACHE)

#define ANSWER_MAGIC 0x0003e889045565a9ull

/* A client's bytes, and the server's answers to them. */
struct talk {
	struct nbd_proto p;
	uint8_t *in;
	size_t in_len;
	uint8_t out[16384];
	size_t out_len;
	size_t at; /* how far the test has read out */
};

static void talk_begin(struct talk *t, bool oldstyle)
{
	memset(t, 0, sizeof(*t));
	t->in = calloc(1, 3 * NBD_INPUT_MIN);
	assert_non_null(t->in);
	nbd_proto_init(&t->p, SIZE, FLAGS, oldstyle);
}

static void talk_end(struct talk *t)
{
	free(t->in);
}

static void say(struct talk *t, const void *bytes, size_t len)
{
	memcpy(t->in + t->in_len, bytes, len);
	t->in_len += len;
}

static void say_u16(struct talk *t, uint16_t v)
{
	bytes_put_be16(t->in + t->in_len, v);
	t->in_len += 2;
}

static void say_u32(struct talk *t, uint32_t v)
{
	bytes_put_be32(t->in + t->in_len, v);
	t->in_len += 4;
}

static void say_string(struct talk *t, const char *text)
{
	say_u32(t, strlen(text));
	say(t, text, strlen(text));
}

static void say_option(struct talk *t, uint32_t option, uint32_t len)
{
	say(t, "IHAVEOPT", 8);
	say_u32(t, option);
	say_u32(t, len);
}

static void say_go(struct talk *t, uint32_t option)
{
	say_option(t, option, 4 + 4 + 2 + 2);
	say_string(t, "disk");
	say_u16(t, 1);
	say_u16(t, 3);
}

/* Lets the server see the input piece bytes at a time. */
static void hear(struct talk *t, size_t piece)
{
	size_t here = 0, done = 0, used, answer;

	while (t->p.phase < NBD_READY) {
		used = nbd_proto_haggle(&t->p, t->in + done, here - done,
					t->out + t->out_len, &answer);
		assert_true(used <= here - done);
		assert_true(answer <= NBD_ANSWER_MAX);
		assert_true(t->out_len + answer + NBD_ANSWER_MAX <=
			    sizeof(t->out));
		done += used;
		t->out_len += answer;
		if (used || answer)
			continue;
		if (here == t->in_len)
			break;
		here = here + piece < t->in_len ? here + piece : t->in_len;
	}
	memmove(t->in, t->in + done, t->in_len - done);
	t->in_len -= done;
}

static uint64_t heard(struct talk *t, unsigned bytes)
{
	const uint8_t *at = t->out + t->at;

	assert_true(t->at + bytes <= t->out_len);
	t->at += bytes;
	return bytes == 8   ? bytes_be64(at)
	       : bytes == 4 ? bytes_be32(at)
			    : bytes_be16(at);
}

/* The head of an answer; returns the length of its data. */
static uint32_t heard_reply(struct talk *t, uint32_t option, uint32_t type)
{
	assert_true(heard(t, 8) == ANSWER_MAGIC);
	assert_int_equal(heard(t, 4), option);
	assert_int_equal(heard(t, 4), type);
	return (uint32_t)heard(t, 4);
}

static void heard_nothing_more(const struct talk *t)
{
	assert_int_equal(t->at, t->out_len);
}

static void heard_export(struct talk *t, uint32_t option, unsigned flags)
{
	assert_int_equal(heard_reply(t, option, 3), 12);
	assert_int_equal(heard(t, 2), 0);
	assert_true(heard(t, 8) == SIZE);
	assert_int_equal(heard(t, 2), flags);
	assert_int_equal(heard_reply(t, option, 3), 14);
	assert_int_equal(heard(t, 2), 3);
	assert_int_equal(heard(t, 4), 1);
	assert_int_equal(heard(t, 4), 4096);
	assert_int_equal(heard(t, 4), 2 << 20);
	assert_int_equal(heard_reply(t, option, 1), 0);
}

/* --- greetings ----------------------------------------------------------- */

static void the_new_greeting_offers_fixed_newstyle(void **state)
{
	uint8_t out[NBD_GREETING_MAX];
	struct nbd_proto p;

	(void)state;
	nbd_proto_init(&p, SIZE, FLAGS, false);
	assert_int_equal(nbd_proto_greet(&p, out), 18);
	assert_memory_equal(out, "NBDMAGICIHAVEOPT\0\3", 18);
}

static void the_old_greeting_tells_size_and_flags(void **state)
{
	uint8_t out[NBD_GREETING_MAX], zeroes[124] = { 0 };
	struct nbd_proto p;

	(void)state;
	nbd_proto_init(&p, SIZE, FLAGS, true);
	assert_int_equal(nbd_proto_greet(&p, out), 152);
	assert_memory_equal(out, "NBDMAGIC\x00\x00\x42\x02\x81\x86\x12\x53",
			    16);
	assert_true(bytes_be64(out + 16) == SIZE);
	assert_int_equal(bytes_be32(out + 24), FLAGS);
	assert_memory_equal(out + 28, zeroes, 124);
}

static void an_old_client_goes_straight_to_requests(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, true);
	say_u32(&t, 0x25609513);
	hear(&t, 1);
	assert_int_equal(t.p.phase, NBD_READY);
	assert_int_equal(t.in_len, 4);
	heard_nothing_more(&t);
	talk_end(&t);
}

static void a_new_client_is_served_after_the_old_greeting(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, true);
	say_u32(&t, 3);
	say_go(&t, 7);
	hear(&t, 1);
	heard_export(&t, 7, FLAGS);
	assert_int_equal(t.p.phase, NBD_READY);
	talk_end(&t);
}

static void unknown_client_flags_end_it(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, false);
	say_u32(&t, 7);
	hear(&t, 1);
	assert_int_equal(t.p.phase, NBD_OVER);
	heard_nothing_more(&t);
	talk_end(&t);
}

/* --- options ------------------------------------------------------------- */

static void a_whole_handshake_may_come_in_pieces_of_any_size(void **state)
{
	struct talk t;
	size_t piece;

	(void)state;
	for (piece = 1; piece < 140; piece++) {
		talk_begin(&t, false);
		say_u32(&t, 3);
		say_option(&t, 8, 0);
		say_option(&t, 10, 4 + 4 + 19);
		say_string(&t, "");
		say_u32(&t, 1);
		say_string(&t, "base:allocation");
		say_go(&t, 7);
		hear(&t, piece);
		assert_int_equal(heard_reply(&t, 8, 1), 0);
		assert_int_equal(heard_reply(&t, 10, 4), 19);
		assert_int_equal(heard(&t, 4), 1);
		assert_memory_equal(t.out + t.at, "base:allocation", 15);
		t.at += 15;
		assert_int_equal(heard_reply(&t, 10, 1), 0);
		heard_export(&t, 7, FLAGS | NBD_SEND_DF);
		heard_nothing_more(&t);
		assert_true(t.p.allocation && t.p.structured);
		assert_int_equal(t.p.phase, NBD_READY);
		talk_end(&t);
	}
}

static void export_name_is_answered_with_or_without_zeroes(void **state)
{
	struct talk t;
	uint32_t flags;

	(void)state;
	for (flags = 1; flags <= 3; flags += 2) {
		talk_begin(&t, false);
		say_u32(&t, flags);
		say_option(&t, 1, 3);
		say(&t, "any", 3);
		hear(&t, 1);
		assert_true(heard(&t, 8) == SIZE);
		assert_int_equal(heard(&t, 2), FLAGS);
		assert_int_equal(t.out_len - t.at, flags & 2 ? 0 : 124);
		assert_int_equal(t.p.phase, NBD_READY);
		talk_end(&t);
	}
}

static void list_names_one_export(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, false);
	say_u32(&t, 3);
	say_option(&t, 3, 0);
	hear(&t, 1);
	assert_int_equal(heard_reply(&t, 3, 2), 4 + 14);
	assert_int_equal(heard(&t, 4), 14);
	assert_memory_equal(t.out + t.at, "tapdisk_client", 14);
	t.at += 14;
	assert_int_equal(heard_reply(&t, 3, 1), 0);
	heard_nothing_more(&t);
	talk_end(&t);
}

static void info_tells_the_same_as_go_and_goes_on(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, false);
	say_u32(&t, 3);
	say_go(&t, 6);
	hear(&t, 1);
	heard_export(&t, 6, FLAGS);
	assert_int_equal(t.p.phase, NBD_HAGGLE);
	talk_end(&t);
}

static void abort_is_acknowledged_and_ends_it(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, false);
	say_u32(&t, 3);
	say_option(&t, 2, 0);
	hear(&t, 1);
	assert_int_equal(heard_reply(&t, 2, 1), 0);
	assert_int_equal(t.p.phase, NBD_OVER);
	talk_end(&t);
}

static void unknown_options_are_refused_and_it_goes_on(void **state)
{
	static const uint32_t unknown[] = { 0, 4, 5, 11, 0xffffffff };
	struct talk t;
	size_t i;

	(void)state;
	talk_begin(&t, false);
	say_u32(&t, 3);
	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		say_option(&t, unknown[i], 5);
		say(&t, "abcde", 5);
	}
	say_go(&t, 7);
	hear(&t, 3);
	for (i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_int_equal(heard_reply(&t, unknown[i], 0x80000001), 0);
	heard_export(&t, 7, FLAGS);
	talk_end(&t);
}

static void meta_contexts_need_structured_replies(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, false);
	say_u32(&t, 3);
	say_option(&t, 10, 4 + 4 + 19);
	say_string(&t, "");
	say_u32(&t, 1);
	say_string(&t, "base:allocation");
	hear(&t, 1);
	assert_int_equal(heard_reply(&t, 10, 0x80000003), 0);
	assert_false(t.p.allocation);
	talk_end(&t);
}

static void meta_contexts_are_listed_by_name_by_prefix_and_all(void **state)
{
	static const char *const queries[] = { NULL, "base:", "base:allocation",
					       "qemu:x" };
	struct talk t;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(queries); i++) {
		const char *q = queries[i];

		talk_begin(&t, false);
		say_u32(&t, 3);
		say_option(&t, 8, 0);
		say_option(&t, 9, 8 + (q ? 4 + strlen(q) : 0));
		say_string(&t, "");
		say_u32(&t, q ? 1 : 0);
		if (q)
			say_string(&t, q);
		hear(&t, 1);
		assert_int_equal(heard_reply(&t, 8, 1), 0);
		if (i < 3) {
			assert_int_equal(heard_reply(&t, 9, 4), 19);
			t.at += 19;
		}
		assert_int_equal(heard_reply(&t, 9, 1), 0);
		heard_nothing_more(&t);
		assert_false(t.p.allocation);
		talk_end(&t);
	}
}

/* Each is an option whose inner lengths do not fit into its outer one. */
static void lengths_that_lie_are_refused(void **state)
{
	static const struct {
		uint32_t option, len;
		uint8_t data[16];
	} bad[] = {
		{ 3, 1, { 0 } },
		{ 8, 1, { 0 } },
		{ 6, 0, { 0 } },
		{ 7, 3, { 0 } },
		{ 7, 6, { 0, 0, 0, 1, 0, 0 } },
		{ 7, 6, { 0xff, 0xff, 0xff, 0xff, 0, 0 } },
		{ 7, 6, { 0, 0, 0, 0, 0, 1 } },
		{ 7, 8, { 0, 0, 0, 0, 0, 0, 0, 0 } },
		{ 7, 6, { 0, 0, 0, 0, 0xff, 0xff } },
		{ 9, 4, { 0, 0, 0, 0 } },
		{ 9, 9, { 0 } },
		{ 10, 8, { 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
		{ 10, 12, { 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1 } },
		{ 10, 12, { 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0 } },
		{ 10, 13, { 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 9 } },
	};
	struct talk t;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		talk_begin(&t, false);
		t.p.structured = true;
		say_u32(&t, 3);
		say_option(&t, bad[i].option, bad[i].len);
		say(&t, bad[i].data, bad[i].len);
		hear(&t, 1);
		assert_int_equal(heard_reply(&t, bad[i].option, 0x80000003), 0);
		heard_nothing_more(&t);
		assert_int_equal(t.p.phase, NBD_HAGGLE);
		talk_end(&t);
	}
}

static void too_much_data_is_skipped_and_refused(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, false);
	say_u32(&t, 3);
	say_option(&t, 7, NBD_OPTION_MAX + 1);
	t.in_len += NBD_OPTION_MAX + 1;
	say_go(&t, 7);
	hear(&t, 4001);
	assert_int_equal(heard_reply(&t, 7, 0x80000009), 0);
	heard_export(&t, 7, FLAGS);
	talk_end(&t);
}

static void an_endless_name_ends_it(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, false);
	say_u32(&t, 3);
	say_option(&t, 1, 0xffffffff);
	hear(&t, 1);
	assert_int_equal(t.p.phase, NBD_OVER);
	heard_nothing_more(&t);
	talk_end(&t);
}

static void endless_haggling_ends(void **state)
{
	struct talk t;
	int i;

	(void)state;
	talk_begin(&t, false);
	say_u32(&t, 3);
	for (i = 0; i < NBD_OPTIONS_MAX + 1; i++)
		say_option(&t, 3, 0);
	hear(&t, 4096);
	assert_int_equal(t.p.phase, NBD_OVER);
	talk_end(&t);
}

static void an_option_without_its_magic_ends_it(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, false);
	say_u32(&t, 3);
	say(&t, "IHAVEOPA\0\0\0\3\0\0\0\0", 16);
	hear(&t, 1);
	assert_int_equal(t.p.phase, NBD_OVER);
	heard_nothing_more(&t);
	talk_end(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_new_greeting_offers_fixed_newstyle),
		cmocka_unit_test(the_old_greeting_tells_size_and_flags),
		cmocka_unit_test(an_old_client_goes_straight_to_requests),
		cmocka_unit_test(a_new_client_is_served_after_the_old_greeting),
		cmocka_unit_test(unknown_client_flags_end_it),
		cmocka_unit_test(
			a_whole_handshake_may_come_in_pieces_of_any_size),
		cmocka_unit_test(
			export_name_is_answered_with_or_without_zeroes),
		cmocka_unit_test(list_names_one_export),
		cmocka_unit_test(info_tells_the_same_as_go_and_goes_on),
		cmocka_unit_test(abort_is_acknowledged_and_ends_it),
		cmocka_unit_test(unknown_options_are_refused_and_it_goes_on),
		cmocka_unit_test(meta_contexts_need_structured_replies),
		cmocka_unit_test(
			meta_contexts_are_listed_by_name_by_prefix_and_all),
		cmocka_unit_test(lengths_that_lie_are_refused),
		cmocka_unit_test(too_much_data_is_skipped_and_refused),
		cmocka_unit_test(an_endless_name_ends_it),
		cmocka_unit_test(endless_haggling_ends),
		cmocka_unit_test(an_option_without_its_magic_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
