/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * req_test.c - requests are cut, filled, answered and lent out.
 */
#include <errno.h>
#include <string.h>

#include "lib/err.h"
#include "tapdisk/req.h"
#include "tests/lib/test.h"

static char a[512], b[1024], c[2048];
static const struct iovec iov[] = {
	{ a, sizeof(a) }, { b, sizeof(b) }, { NULL, 0 }, { c, sizeof(c) }
};

static struct req whole(void)
{
	return (struct req){ .op = REQ_READ,
			     .off = 4096,
			     .len = 3584,
			     .iov = iov,
			     .iovcnt = 4 };
}

static int fill(void **state)
{
	(void)state;
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	memset(c, 'c', sizeof(c));
	return 0;
}

/* How many bytes of it are zero. */
static size_t zeroes(const char *buf, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++)
		n += !buf[i];
	return n;
}

static void a_slice_shares_the_data(void **state)
{
	struct req req = whole(), sub = { .err = -1 }, subsub;

	(void)state;
	req_slice(&sub, &req, 1024, 1024);
	assert_int_equal(sub.off, 5120);
	assert_int_equal(sub.len, 1024);
	assert_ptr_equal(sub.iov, &iov[1]);
	assert_int_equal(sub.iov_skip, 512);
	req_fill_zero(&sub);
	assert_int_equal(zeroes(a, sizeof(a)), 0);
	assert_int_equal(zeroes(b, sizeof(b)), 512);
	assert_int_equal(b[511], 'b');
	assert_int_equal(zeroes(c, sizeof(c)), 512);
	assert_int_equal(c[512], 'c');
	req_slice(&subsub, &sub, 512, 512);
	assert_ptr_equal(subsub.iov, &iov[3]);
	assert_int_equal(subsub.iov_skip, 0);
	assert_int_equal(subsub.off, 5632);
	assert_int_equal(subsub.op, REQ_READ);
}

static void a_slice_at_the_end_is_empty(void **state)
{
	struct req req = whole(), sub;

	(void)state;
	req_slice(&sub, &req, 3584, 0);
	assert_int_equal(sub.len, 0);
	req_fill_zero(&sub);
	assert_int_equal(zeroes(c, sizeof(c)), 0);
}

static void data_is_copied_across_the_pieces(void **state)
{
	struct req req = whole();
	char buf[3584], back[3584];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7);
	req_copy_in(&req, 0, buf, sizeof(buf));
	assert_memory_equal(a, buf, 512);
	assert_memory_equal(b, buf + 512, 1024);
	assert_memory_equal(c, buf + 1536, 2048);
	req_copy_out(&req, 500, back, 1100);
	assert_memory_equal(back, buf + 500, 1100);
	req_copy_in(&req, 3583, "x", 1);
	assert_int_equal(c[2047], 'x');
}

static unsigned answers;

static void done(struct req *req)
{
	(void)req;
	answers++;
}

static void an_answer_comes_from_the_loop(void **state)
{
	struct req_counters counters = { .hits = { 8, 8 } };
	struct loop *loop;
	struct err err;
	struct req req = { .op = REQ_WRITE,
			   .len = 1024,
			   .done = done,
			   .counters = &counters };

	(void)state;
	assert_int_equal(loop_new(&loop, &err), 0);
	req.loop = loop;
	answers = 0;
	req_done(&req, -EIO);
	assert_int_equal(answers, 0);
	assert_true(loop_turn(loop));
	assert_int_equal(answers, 1);
	assert_int_equal(req.err, -EIO);
	assert_int_equal(counters.fail[1], 2);
	assert_int_equal(counters.hits[1], 6);
	assert_null(req.counters); /* its image may be gone by now */
	req_done(&req, 0);         /* it may be used again */
	assert_true(loop_turn(loop));
	assert_int_equal(answers, 2);
	assert_int_equal(counters.fail[1], 2);
	loop_free(loop);
}

static void a_pool_lends_as_many_as_it_has(void **state)
{
	struct req_pool *pool;
	struct req *r[3];
	unsigned i;

	(void)state;
	assert_int_equal(req_pool_new(&pool, 3, 20), 0);
	for (i = 0; i < 3; i++) {
		r[i] = req_get(pool);
		assert_non_null(r[i]);
		assert_int_equal((uintptr_t)req_extra(r[i]) % 16, 0);
		memset(req_extra(r[i]), 'x', 20);
		r[i]->len = 5;
	}
	assert_null(req_get(pool));
	req_put(pool, r[1]);
	assert_ptr_equal(req_get(pool), r[1]);
	assert_int_equal(r[1]->len, 0); /* zeroed; what is behind it not */
	assert_memory_equal(req_extra(r[1]), "xxxx", 4);
	for (i = 0; i < 3; i++)
		req_put(pool, r[i]);
	req_pool_free(pool);
	req_pool_free(NULL);
}

static void pieces_that_are_alike_are_joined(void **state)
{
	struct extent ext[2];
	struct extents e = { .max = 2, .ext = ext };

	(void)state;
	assert_true(extents_add(&e, 512, 0));
	assert_true(extents_add(&e, 512, 0));
	assert_true(extents_add(&e, 512, EXTENT_ZERO));
	assert_false(extents_add(&e, 512, EXTENT_HOLE));
	assert_true(extents_add(&e, 512, EXTENT_ZERO));
	assert_int_equal(e.count, 2);
	assert_int_equal(ext[0].len, 1024);
	assert_int_equal(ext[1].len, 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_slice_shares_the_data, fill),
		cmocka_unit_test_setup(a_slice_at_the_end_is_empty, fill),
		cmocka_unit_test_setup(data_is_copied_across_the_pieces, fill),
		cmocka_unit_test(an_answer_comes_from_the_loop),
		cmocka_unit_test(a_pool_lends_as_many_as_it_has),
		cmocka_unit_test(pieces_that_are_alike_are_joined),
	};

	return cmocka_run_group_tests_name("req", tests, NULL, NULL);
}
