/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd_request_test.c - NBD requests, what is wrong with them, and answers.
 */
#include "tapdisk/nbd-proto.h"

#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "tests/lib/test.h"

#define SIZE (64ull << 20)
#define FLAGS                                                                  \
	(NBD_HAS_FLAGS | NBD_SEND_FLUSH | NBD_SEND_FUA | NBD_SEND_TRIM |       \
	 NBD_SEND_WRITE_ZEROES | NBD_CAN_MULTI_CONN | NBD_SEND_CACHE)

static void a_request_is_decoded_and_its_magic_looked_at(void **state)
{
	static const uint8_t wire[NBD_REQUEST_SIZE] = {
		0x25, 0x60, 0x95, 0x13, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6,
		7,    8,    0,    0,    0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
	};
	uint8_t bad[NBD_REQUEST_SIZE];
	struct nbd_request rq;

	(void)state;
	assert_int_equal(nbd_proto_request(&rq, wire), 0);
	assert_int_equal(rq.flags, 1);
	assert_int_equal(rq.type, 6);
	assert_memory_equal(&rq.cookie, wire + 8, 8);
	assert_true(rq.off == 0x102030405ull);
	assert_int_equal(rq.len, 0x06070809);
	memcpy(bad, wire, sizeof(bad));
	bad[3]++;
	assert_int_equal(nbd_proto_request(&rq, bad), -EPROTO);
}

static void requests_are_checked_against_the_export(void **state)
{
	static const struct {
		uint16_t type, flags;
		uint64_t off;
		uint32_t len;
		int err;
	} cases[] = {
		{ NBD_READ, 0, 0, 512, 0 },
		{ NBD_READ, 0, SIZE - 1, 1, 0 },
		{ NBD_READ, 0, SIZE - 1, 2, -EINVAL },
		{ NBD_READ, 0, SIZE, 1, -EINVAL },
		{ NBD_READ, 0, UINT64_MAX, 2, -EINVAL },
		{ NBD_READ, 0, 0, 0, -EINVAL },
		{ NBD_READ, 0, 0, 32 << 20, 0 },
		{ NBD_READ, 0, 0, (32 << 20) + 1, -EINVAL },
		{ NBD_READ, NBD_FUA, 0, 1, 0 },
		{ NBD_READ, NBD_DF, 0, 1, 0 },
		{ NBD_READ, NBD_DF, 0, NBD_DF_MAX + 1, -EOVERFLOW },
		{ NBD_READ, NBD_NO_HOLE, 0, 1, -EINVAL },
		{ NBD_WRITE, NBD_FUA, 0, 512, 0 },
		{ NBD_WRITE, NBD_DF, 0, 512, -EINVAL },
		{ NBD_WRITE, 0, SIZE, 512, -ENOSPC },
		{ NBD_WRITE, 0, 0, (32 << 20) + 1, -EINVAL },
		{ NBD_FLUSH, 0, 0, 0, 0 },
		{ NBD_FLUSH, 0, UINT64_MAX, 77, 0 },
		{ NBD_TRIM, 0, 0, 63 << 20, 0 },
		{ NBD_TRIM, 0, SIZE, 1, -EINVAL },
		{ NBD_CACHE, 0, 0, 512, 0 },
		{ NBD_WRITE_ZEROES, NBD_NO_HOLE, 0, 64 << 20, 0 },
		{ NBD_WRITE_ZEROES, 16, 0, 512, -EINVAL },
		{ NBD_WRITE_ZEROES, 0, SIZE, 1, -ENOSPC },
		{ NBD_BLOCK_STATUS, NBD_REQ_ONE, 0, 64 << 20, 0 },
		{ NBD_BLOCK_STATUS, 0, 0, 0, -EINVAL },
		{ 8, 0, 0, 512, -EINVAL },
		{ 0xffff, 0, 0, 512, -EINVAL },
	};
	struct nbd_request rq;
	struct nbd_proto p;
	size_t i;

	(void)state;
	nbd_proto_init(&p, SIZE, FLAGS, false);
	p.structured = p.allocation = true;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		rq = (struct nbd_request){ .type = cases[i].type,
					   .flags = cases[i].flags,
					   .off = cases[i].off,
					   .len = cases[i].len };
		assert_int_equal(nbd_proto_check(&p, &rq), cases[i].err);
	}
}

static void what_was_not_offered_is_refused(void **state)
{
	static const uint16_t types[] = { NBD_FLUSH, NBD_TRIM, NBD_CACHE,
					  NBD_WRITE_ZEROES, NBD_BLOCK_STATUS };
	struct nbd_request rq = { .len = 512 };
	struct nbd_proto p;
	size_t i;

	(void)state;
	nbd_proto_init(&p, SIZE, NBD_HAS_FLAGS, false);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		rq.type = types[i];
		assert_int_equal(nbd_proto_check(&p, &rq), -EINVAL);
	}
	rq.type = NBD_WRITE;
	assert_int_equal(nbd_proto_check(&p, &rq), 0);
	rq.flags = NBD_FUA;
	assert_int_equal(nbd_proto_check(&p, &rq), -EINVAL);
	rq.type = NBD_READ;
	rq.flags = NBD_DF;
	assert_int_equal(nbd_proto_check(&p, &rq), -EINVAL);
}

static void a_read_only_export_is_not_changed(void **state)
{
	static const uint16_t types[] = { NBD_WRITE, NBD_TRIM,
					  NBD_WRITE_ZEROES };
	struct nbd_request rq = { .len = 512 };
	struct nbd_proto p;
	size_t i;

	(void)state;
	nbd_proto_init(&p, SIZE, FLAGS | NBD_READ_ONLY, false);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		rq.type = types[i];
		assert_int_equal(nbd_proto_check(&p, &rq), -EPERM);
	}
	rq.type = NBD_READ;
	assert_int_equal(nbd_proto_check(&p, &rq), 0);
}

static void errors_are_the_protocols_own_numbers(void **state)
{
	static const struct {
		int err;
		uint32_t wire;
	} cases[] = {
		{ 0, 0 },           { -EPERM, 1 },       { -EROFS, 1 },
		{ -EIO, 5 },        { -ENOMEM, 12 },     { -EINVAL, 22 },
		{ -ENOSPC, 28 },    { -EDQUOT, 28 },     { -EFBIG, 28 },
		{ -EOVERFLOW, 75 }, { -EOPNOTSUPP, 95 }, { -ESHUTDOWN, 108 },
		{ -ETIMEDOUT, 5 },  { -ENODEV, 5 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(nbd_proto_errno(cases[i].err), cases[i].wire);
}

static void answers_have_the_layout_of_the_protocol(void **state)
{
	static const uint8_t simple[] = "\x67\x44\x66\x98\0\0\0\5ABCDEFGH";
	static const uint8_t data[] =
		"\x66\x8e\x33\xef\0\1\0\1ABCDEFGH\0\0\0\x0c"
		"\0\0\0\0\0\0\2\0";
	static const uint8_t error[] =
		"\x66\x8e\x33\xef\0\1\x80\1ABCDEFGH\0\0\0\6\0\0\0\x16\0\0";
	static const uint8_t status[] =
		"\x66\x8e\x33\xef\0\1\0\5ABCDEFGH\0\0\0\x14\0\0\0\1";
	uint8_t out[NBD_HEADER_MAX];
	uint64_t cookie;

	(void)state;
	memcpy(&cookie, "ABCDEFGH", 8);
	assert_int_equal(nbd_proto_simple(out, cookie, -EIO), 16);
	assert_memory_equal(out, simple, 16);
	assert_int_equal(nbd_proto_data(out, cookie, 512, 4, true), 28);
	assert_memory_equal(out, data, 28);
	assert_int_equal(nbd_proto_data(out, cookie, 512, 4, false), 28);
	assert_int_equal(out[5], 0);
	assert_int_equal(nbd_proto_error(out, cookie, -EINVAL), 26);
	assert_memory_equal(out, error, 26);
	assert_int_equal(nbd_proto_status(out, cookie, 2), 24);
	assert_memory_equal(out, status, 24);
	nbd_proto_descriptor(out, 0x10000, NBD_STATE_HOLE | NBD_STATE_ZERO);
	assert_memory_equal(out, "\0\1\0\0\0\0\0\3", 8);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_decoded_and_its_magic_looked_at),
		cmocka_unit_test(requests_are_checked_against_the_export),
		cmocka_unit_test(what_was_not_offered_is_refused),
		cmocka_unit_test(a_read_only_export_is_not_changed),
		cmocka_unit_test(errors_are_the_protocols_own_numbers),
		cmocka_unit_test(answers_have_the_layout_of_the_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
