/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image_test.c - what is checked, and what is put in simpler terms.
 */
#include "tapdisk/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/log.h"
#include "tests/lib/hold.h"
#include "tests/lib/test.h"

#define MIB (1u << 20)

static struct loop *loop;
static struct image *img;
static char buf[65536];
static struct iovec iov = { buf, sizeof(buf) };

/* A request and whether it was answered. */
struct ask {
	struct req req;
	unsigned done;
};

static void done(struct req *req)
{
	container_of(req, struct ask, req)->done++;
}

static void settle(void)
{
	while (loop_turn(loop))
		;
}

static struct ask ask(enum req_op op, uint64_t off, uint64_t len)
{
	return (struct ask){ .req = { .op = op,
				      .off = off,
				      .len = len,
				      .iov = &iov,
				      .iovcnt = 1,
				      .done = done } };
}

static int submit(struct ask *a)
{
	image_submit(img, &a->req);
	assert_int_equal(a->done, 0); /* never from inside */
	settle();
	assert_int_equal(a->done, 1);
	a->done = 0;
	return a->req.err;
}

static int run(enum req_op op, unsigned flags, uint64_t off, uint64_t len)
{
	struct ask a = ask(op, off, len);

	a.req.flags = flags;
	return submit(&a);
}

static struct image *open_image(const struct driver *drv, const char *name)
{
	struct image *made;
	struct err err = { 0 };

	assert_int_equal(image_new(&made, drv, name), 0);
	made->loop = loop;
	made->depth = 4;
	assert_int_equal(drv->open(made, &err), 0);
	assert_int_equal(image_check(made, &err), 0);
	return made;
}

static int setup(void **state)
{
	struct err err;

	(void)state;
	hold_reset();
	hold.pass = true;
	return loop_new(&loop, &err);
}

static int teardown(void **state)
{
	(void)state;
	if (img) {
		img->drv->close(img);
		image_free(img);
	}
	img = NULL;
	loop_free(loop);
	return 0;
}

static void open_hold(void)
{
	struct err err;

	img = open_image(&hold_driver, "");
	assert_int_equal(image_ready(img, &err), 0);
}

static void what_leaves_the_disk_is_refused(void **state)
{
	(void)state;
	open_hold();
	assert_int_equal(run(REQ_READ, 0, MIB - 512, 512), 0);
	assert_int_equal(run(REQ_READ, 0, MIB, 512), -EINVAL);
	assert_int_equal(run(REQ_WRITE, 0, MIB - 512, 1024), -EINVAL);
	assert_int_equal(run(REQ_WRITE, 0, UINT64_MAX - 511, 512), -EINVAL);
	assert_int_equal(run(REQ_ZERO, 0, 512, UINT64_MAX - 511), -EINVAL);
	assert_int_equal(run(REQ_DISCARD, 0, 0, MIB + 512), -EINVAL);
	assert_int_equal(run(REQ_EXTENTS, 0, MIB, 512), -EINVAL);
	assert_int_equal(hold.ops[REQ_READ], 1);
	assert_int_equal(hold.ops[REQ_WRITE], 0);
	/* A flush has no place: guests put anything there. */
	assert_int_equal(run(REQ_FLUSH, 0, UINT64_MAX, 3), 0);
}

static void what_is_no_whole_block_is_refused(void **state)
{
	(void)state;
	hold.block_size = 4096;
	open_hold();
	assert_int_equal(run(REQ_READ, 0, 512, 4096), -EINVAL);
	assert_int_equal(run(REQ_WRITE, 0, 4096, 512), -EINVAL);
	assert_int_equal(run(REQ_WRITE, 0, 4096, 4096), 0);
	assert_int_equal(run(REQ_WRITE, 0, 4096, 0), 0);
	assert_int_equal(hold.ops[REQ_WRITE], 1); /* nothing of nothing */
}

static void a_readonly_image_is_not_changed(void **state)
{
	(void)state;
	open_hold();
	img->readonly = true;
	assert_int_equal(run(REQ_WRITE, 0, 0, 512), -EROFS);
	assert_int_equal(run(REQ_ZERO, 0, 0, 512), -EROFS);
	assert_int_equal(run(REQ_DISCARD, 0, 0, 512), -EROFS);
	assert_int_equal(run(REQ_FLUSH, 0, 0, 0), 0);
	assert_int_equal(run(REQ_READ, 0, 0, 512), 0);
	assert_int_equal(hold.ops[REQ_FLUSH], 0);
}

static void only_the_file_of_a_format_grows(void **state)
{
	(void)state;
	open_hold();
	assert_int_equal(run(REQ_RESIZE, 0, 2 * MIB, 0), -EOPNOTSUPP);
	img->grows = true;
	assert_int_equal(run(REQ_RESIZE, 0, 2 * MIB, 0), 0);
	hold.err = -ENOSPC;
	assert_int_equal(run(REQ_WRITE, 0, MIB, 512), -ENOSPC); /* it went in */
	assert_int_equal(run(REQ_WRITE, 0, INT64_MAX - 511, 512), -EINVAL);
	assert_int_equal(run(REQ_RESIZE, 0, UINT64_MAX, 0), -EOPNOTSUPP);
}

static void fua_is_a_flush_after_the_write(void **state)
{
	(void)state;
	hold.caps = IMAGE_CAN_FLUSH | IMAGE_CAN_ZERO;
	open_hold();
	assert_int_equal(run(REQ_WRITE, REQ_FUA, 512, 512), 0);
	assert_int_equal(hold.ops[REQ_WRITE], 1);
	assert_int_equal(hold.ops[REQ_FLUSH], 1);
	assert_int_equal(hold.fua, 0);
	assert_int_equal(run(REQ_ZERO, REQ_FUA, 512, 512), 0);
	assert_int_equal(hold.ops[REQ_ZERO], 1);
	assert_int_equal(hold.ops[REQ_FLUSH], 2);
	assert_int_equal(run(REQ_WRITE, 0, 512, 512), 0);
	assert_int_equal(hold.ops[REQ_FLUSH], 2);
	/* A write that fails is not flushed, and is told. */
	hold.err = -EIO;
	assert_int_equal(run(REQ_WRITE, REQ_FUA, 512, 512), -EIO);
	assert_int_equal(hold.ops[REQ_FLUSH], 2);
}

static void a_flush_that_fails_fails_the_fua_write(void **state)
{
	struct ask a = ask(REQ_WRITE, 0, 512);

	(void)state;
	hold.caps = IMAGE_CAN_FLUSH | IMAGE_CAN_ZERO;
	hold.pass = false;
	open_hold();
	a.req.flags = REQ_FUA;
	image_submit(img, &a.req);
	assert_true(hold_answer(0));
	settle();
	assert_int_equal(a.done, 0);
	assert_true(hold_answer(-EIO));
	settle();
	assert_int_equal(a.done, 1);
	assert_int_equal(a.req.err, -EIO);
}

static void zeroes_are_written_a_piece_at_a_time(void **state)
{
	(void)state;
	hold.caps = IMAGE_CAN_FLUSH;
	open_hold();
	memset(hold.data, 'x', sizeof(hold.data));
	assert_int_equal(run(REQ_ZERO, REQ_MAY_UNMAP, 512, MIB - 1024), 0);
	assert_int_equal(hold.ops[REQ_ZERO], 0);
	assert_int_equal(hold.ops[REQ_WRITE], 4);
	assert_int_equal(hold.data[511], 'x');
	assert_int_equal(hold.data[MIB - 512], 'x');
	assert_int_equal(hold.data[512], 0);
	assert_null(memchr(hold.data + 512, 'x', MIB - 1024));
	assert_int_equal(hold.ops[REQ_FLUSH], 0);
	assert_int_equal(run(REQ_ZERO, REQ_FUA, 0, 512), 0);
	assert_int_equal(hold.ops[REQ_FLUSH], 1);
}

static void zeroes_are_written_through_where_that_can_be(void **state)
{
	(void)state;
	hold.caps = IMAGE_CAN_FUA;
	open_hold();
	assert_int_equal(run(REQ_ZERO, REQ_FUA, 0, 512 * 1024), 0);
	assert_int_equal(hold.ops[REQ_WRITE], 2);
	assert_int_equal(hold.fua, 2);
	assert_int_equal(hold.ops[REQ_FLUSH], 0);
}

static void what_cannot_be_is_refused(void **state)
{
	struct extent ext[1];
	struct extents e = { .max = 1, .ext = ext };
	struct ask a = ask(REQ_EXTENTS, 512, 1024);

	(void)state;
	hold.caps = 0;
	open_hold();
	assert_int_equal(run(REQ_FLUSH, 0, 0, 0), -EOPNOTSUPP);
	assert_int_equal(run(REQ_DISCARD, 0, 0, 512), -EOPNOTSUPP);
	assert_int_equal(run(REQ_WRITE, REQ_FUA, 0, 512), -EOPNOTSUPP);
	assert_int_equal(hold.ops[REQ_WRITE], 0);
	a.req.extents = &e;
	assert_int_equal(submit(&a), 0);
	assert_int_equal(e.count, 1);
	assert_int_equal(ext[0].len, 1024);
	assert_int_equal(ext[0].flags, 0);
}

/* More of them than the pool has: each gets its turn, in order. */
static void what_must_wait_for_a_stand_in_is_served_later(void **state)
{
	struct ask asks[10];
	size_t i;

	(void)state;
	hold.caps = IMAGE_CAN_FLUSH;
	hold.pass = false;
	open_hold();
	for (i = 0; i < ARRAY_SIZE(asks); i++) {
		asks[i] = ask(REQ_WRITE, 512 * i, 512);
		asks[i].req.flags = REQ_FUA;
		image_submit(img, &asks[i].req);
	}
	settle();
	assert_int_equal(hold.count, 4);
	while (hold_answer(0))
		settle();
	for (i = 0; i < ARRAY_SIZE(asks); i++) {
		assert_int_equal(asks[i].done, 1);
		assert_int_equal(asks[i].req.err, 0);
	}
	assert_int_equal(hold.ops[REQ_FLUSH], 10);
}

static void say_nothing(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

static void a_poisoned_image_answers_errors_only(void **state)
{
	struct ask a = ask(REQ_WRITE, 0, 512);
	struct ask waits[8];
	size_t i;

	(void)state;
	log_set(say_nothing);
	hold.caps = IMAGE_CAN_FLUSH;
	hold.pass = false;
	open_hold();
	image_submit(img, &a.req);
	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		waits[i] = ask(REQ_WRITE, 512, 512);
		waits[i].req.flags = REQ_FUA;
		image_submit(img, &waits[i].req);
	}
	assert_int_equal(hold.ops[REQ_WRITE], 5); /* and four wait */
	image_poison(img, -ENOSPC, "half a bitmap");
	assert_true(img->poisoned);
	assert_int_equal(run(REQ_READ, 0, 0, 512), -EIO);
	assert_int_equal(run(REQ_FLUSH, 0, 0, 0), -EIO);
	while (hold_answer(-EIO))
		settle();
	assert_int_equal(a.done, 1);
	assert_int_equal(hold.ops[REQ_WRITE], 5); /* they were not let in */
	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		assert_int_equal(waits[i].done, 1);
		assert_int_equal(waits[i].req.err, -EIO);
	}
	log_set(NULL);
}

/* --- parents: hold is the parent of a null of two MiB ----------------------
 */

extern const struct driver null_driver;
static struct image *child;

static int setup_parent(void **state)
{
	struct err err;
	int ret = setup(state);

	child = open_image(&null_driver, "2097152");
	img = open_image(&hold_driver, "");
	img->readonly = true;
	memset(hold.data, 'p', sizeof(hold.data));
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(image_join(child, img, &err), 0);
	assert_int_equal(image_ready(img, &err), 0);
	return ret;
}

static int teardown_parent(void **state)
{
	image_free(child);
	return teardown(state);
}

static void a_parent_reads_as_zeroes_past_its_end(void **state)
{
	(void)state;
	assert_int_equal(run(REQ_READ, 0, MIB, 1024), 0);
	assert_int_equal(hold.ops[REQ_READ], 0);
	assert_null(memchr(buf, 'x', 1024));
	assert_int_equal(buf[1024], 'x');
	assert_int_equal(run(REQ_READ, 0, MIB - 512, 1024), 0);
	assert_int_equal(hold.len, 512);
	assert_int_equal(buf[511], 'p');
	assert_int_equal(buf[512], 0);
	assert_int_equal(run(REQ_READ, 0, 2 * MIB, 512), -EINVAL);
	hold.err = -EIO;
	assert_int_equal(run(REQ_READ, 0, MIB - 512, 1024), -EIO);
}

static void a_parent_is_a_hole_past_its_end(void **state)
{
	struct extent ext[2];
	struct extents e = { .max = 2, .ext = ext };
	struct ask a = ask(REQ_EXTENTS, MIB - 1024, 2048);

	(void)state;
	img->info.caps |= IMAGE_CAN_EXTENTS;
	a.req.extents = &e;
	/* hold answers without a piece: then nothing is told of the tail. */
	assert_int_equal(submit(&a), 0);
	assert_int_equal(e.count, 0);
	a.req.off = MIB;
	assert_int_equal(submit(&a), 0);
	assert_int_equal(e.count, 1);
	assert_int_equal(ext[0].flags, EXTENT_HOLE | EXTENT_ZERO);
	assert_int_equal(ext[0].len, 2048);
}

static void what_a_parent_serves_counts_at_the_parent(void **state)
{
	(void)state;
	child->counters.hits[0] = 10;
	assert_int_equal(run(REQ_READ, 0, 0, 2048), 0);
	assert_int_equal(img->counters.hits[0], 4);
	assert_int_equal(child->counters.hits[0], 6);
}

static void a_parent_must_be_the_one_that_is_meant(void **state)
{
	struct image *other = open_image(&null_driver, "2097152");
	uint8_t id[16] = { 1, 2, 3 };
	struct err err;

	(void)state;
	assert_int_equal(image_set_parent(other, "hold:", id), 0);
	assert_int_equal(image_join(other, img, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "0102030000"));
	assert_null(other->parent);
	memcpy(img->info.id, id, sizeof(id));
	assert_int_equal(image_join(other, img, &err), 0);
	assert_ptr_equal(other->parent, img);
	img->info.block_size = 4096;
	assert_int_equal(image_join(other, img, &err), -EINVAL);
	img->info.block_size = 512;
	assert_int_equal(image_join(child, img, &err), 0);
	image_free(other);
}

static void what_open_found_is_checked(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(image_new(&img, &hold_driver, ""), 0);
	img->info = (struct image_info){ .size = 4096, .block_size = 1024 };
	assert_int_equal(image_check(img, &err), -EINVAL);
	img->info.block_size = 512;
	assert_int_equal(image_check(img, &err), 0);
	assert_int_equal(img->info.phys_block_size, 512);
	img->info.size = 4097;
	assert_int_equal(image_check(img, &err), -EINVAL);
	img->info.size = 0;
	assert_int_equal(image_check(img, &err), -EINVAL);
	img->info.size = UINT64_C(1) << 63;
	assert_int_equal(image_check(img, &err), -EINVAL);
	image_free(img);
	img = NULL;
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define parent_test(name)                                                      \
	cmocka_unit_test_setup_teardown(name, setup_parent, teardown_parent)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_leaves_the_disk_is_refused),
		test(what_is_no_whole_block_is_refused),
		test(a_readonly_image_is_not_changed),
		test(only_the_file_of_a_format_grows),
		test(fua_is_a_flush_after_the_write),
		test(a_flush_that_fails_fails_the_fua_write),
		test(zeroes_are_written_a_piece_at_a_time),
		test(zeroes_are_written_through_where_that_can_be),
		test(what_cannot_be_is_refused),
		test(what_must_wait_for_a_stand_in_is_served_later),
		test(a_poisoned_image_answers_errors_only),
		test(what_open_found_is_checked),
		parent_test(a_parent_reads_as_zeroes_past_its_end),
		parent_test(a_parent_is_a_hole_past_its_end),
		parent_test(what_a_parent_serves_counts_at_the_parent),
		parent_test(a_parent_must_be_the_one_that_is_meant),
	};

	return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
