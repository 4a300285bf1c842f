/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request_test.c - the Nth request of a kind to a file fails, for each N.
 *
 * A child over a base, both VHDs, is opened, written, read, flushed, paused,
 * resumed and closed. Whatever failed: each request was answered, and when
 * the image is opened again without a fault, each sector holds what was last
 * answered, or, where a write was refused, the old or the new; and the image
 * checks.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/rig.h"
#include "tests/lib/test.h"
#include "tests/lib/vhd-make.h"

#define DISK    (UINT64_C(8) << 20)
#define SECTORS (DISK / 512)
#define MOST    (256u << 10)

/* What each sector may hold: a byte, 512 times. */
static uint8_t now[SECTORS];
static uint8_t maybe[SECTORS]; /* as well */
static uint8_t buf[MOST];
static unsigned failures; /* in this run */

static const struct {
	uint64_t off;
	uint64_t len;
	enum req_op op;
} steps[] = {
	{ 0, 4096, REQ_WRITE },                /* a new block */
	{ 8192, 65536, REQ_WRITE },            /* the same */
	{ 4096, 8192, REQ_WRITE },             /* over both */
	{ (2 << 20) - 4096, 8192, REQ_WRITE }, /* into the next */
	{ 0, 65536, REQ_READ },
	{ 0, 0, REQ_FLUSH },
	{ (6 << 20), 131072, REQ_WRITE }, /* the last block */
	{ 4096, 4096, REQ_ZERO },
	{ (5 << 20), 262144, REQ_READ }, /* of the base, and of nobody */
	{ (6 << 20) + 512, 512, REQ_WRITE },
	{ 0, 0, REQ_FLUSH },
};

static void wrote(uint64_t off, uint64_t len, uint8_t byte, int err)
{
	uint64_t i;

	for (i = off / 512; i < (off + len) / 512; i++) {
		if (err) {
			maybe[i] = byte;
			continue;
		}
		now[i] = maybe[i] = byte;
	}
}

static void compare(uint64_t off, uint64_t len)
{
	uint64_t i;

	for (i = 0; i < len; i++) {
		uint64_t sector = (off + i) / 512;

		if (buf[i] != now[sector] && buf[i] != maybe[sector])
			fail_msg("sector %llu holds %u, not %u or %u",
				 (unsigned long long)sector, buf[i],
				 now[sector], maybe[sector]);
	}
}

static void step(struct rig *rig, unsigned i, uint8_t byte)
{
	struct mem_op op = { .op = steps[i].op,
			     .off = steps[i].off,
			     .len = steps[i].len,
			     .buf = buf };
	int err;

	memset(buf, byte, op.len);
	err = rig_op(rig, &op);
	failures += err != 0;
	if (op.op == REQ_WRITE)
		wrote(op.off, op.len, byte, err);
	else if (op.op == REQ_ZERO)
		wrote(op.off, op.len, 0, err);
	else if (op.op == REQ_READ && !err)
		compare(op.off, op.len);
}

/* Two rounds, with a pause between, in which the image is closed. */
static void run(const char *spec)
{
	struct rig *rig = rig_new(NULL);
	unsigned i, round;
	int err = rig_open(rig, spec);

	for (round = 0; round < 2 && !err; round++) {
		for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
			step(rig, i, (uint8_t)(16 + 100 * round + i));
		err = rig_pause(rig);
		/* The fault's count starts anew: it may strike again. */
		if (!err)
			err = rig_resume(rig, "vhd:child.vhd");
	}
	failures += err != 0;
	assert_int_equal(rig_close(rig, false), 0);
	assert_int_equal(vbd_outstanding(rig->vbd), 0);
	rig_free(rig);
}

static void check(void)
{
	struct rig *rig = rig_new(NULL);
	uint64_t off;

	assert_int_equal(rig_open(rig, "vhd:child.vhd"), 0);
	for (off = 0; off < DISK; off += MOST) {
		assert_int_equal(rig_read(rig, off, buf, MOST), 0);
		compare(off, MOST);
	}
	rig_free(rig);
	vhd_make_check("child.vhd");
}

static void prepare(void)
{
	struct rig *rig = rig_new(NULL);
	uint64_t off;

	vhd_make_folder();
	vhd_make("base.vhd", DISK);
	assert_int_equal(rig_open(rig, "vhd:base.vhd"), 0);
	memset(now, 0, sizeof(now));
	memset(maybe, 0, sizeof(maybe));
	memset(buf, 7, sizeof(buf));
	for (off = 0; off < 1 << 20; off += MOST) {
		assert_int_equal(rig_write(rig, off, buf, MOST), 0);
		wrote(off, MOST, 7, 0);
	}
	rig_free(rig);
	vhd_make_child("child.vhd", "base.vhd");
}

/* Until a run in which nothing was seen to fail, twice in a row. */
static void sweep(const char *op, unsigned most)
{
	unsigned n, quiet = 0, loud = 0;
	char spec[128];

	for (n = 1; quiet < 2; n++) {
		if (n > most)
			fail_msg("%s: still failing at request %u", op, n);
		failures = 0;
		prepare();
		(void)snprintf(spec, sizeof(spec),
			       "vhd:fault:n=%u,op=%s:raw:child.vhd", n,
			       op); /* it fits */
		run(spec);
		check();
		vhd_make_gone();
		loud += failures > 0;
		quiet = failures ? 0 : quiet + 1;
	}
	assert_true(loud > 0);
}

static void any_read_of_the_file_may_fail(void **state)
{
	(void)state;
	sweep("read", 200);
}

static void any_write_to_the_file_may_fail(void **state)
{
	(void)state;
	sweep("write", 200);
}

static void any_flush_of_the_file_may_fail(void **state)
{
	(void)state;
	sweep("flush", 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_read_of_the_file_may_fail),
		cmocka_unit_test(any_write_to_the_file_may_fail),
		cmocka_unit_test(any_flush_of_the_file_may_fail),
	};

	return cmocka_run_group_tests_name("failing requests", tests, NULL,
					   NULL);
}
