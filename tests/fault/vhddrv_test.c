/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhddrv_test.c - the Nth request of a VHD to its file fails, for every N.
 *
 * Each request to the disk is answered, with success or -EIO; what was
 * answered with success is there, then and when the image is opened again;
 * what failed is old or new; the image is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"
#include "tests/lib/disk-model.h"
#include "tests/lib/test.h"
#include "tests/lib/vhd-make.h"
#include "vhd/vhd.h"

#define BLOCK 4096 /* sectors */
#define SIZE  (16u << 20)

struct sweep {
	const char *name;
	const char *what; /* of the fault filter */
	bool child;
	bool used; /* old bytes behind the data, as a crash leaves them */
};

static void prepare(const struct sweep *sweep)
{
	static const uint8_t old[8192] = { [0 ... 8191] = 0xee };
	int fd;

	vhd_make_folder();
	vhd_make(sweep->child ? "base.vhd" : "leaf.vhd", SIZE);
	if (sweep->child)
		vhd_make_child("leaf.vhd", "base.vhd");
	if (!sweep->used)
		return;
	fd = open("leaf.vhd", O_WRONLY | O_CLOEXEC);
	lseek(fd, -512, SEEK_END);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(write(fd, old, sizeof(old)), sizeof(old));
		lseek(fd, (2 << 20) + 4096 - (int)sizeof(old), SEEK_CUR);
	}
	assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_CUR)), 0);
	close(fd);
}

static void check(unsigned flags, unsigned n)
{
	struct err err = { 0 };

	if (vhd_check(vhd_files_local(), "leaf.vhd",
		      flags | VHD_CHECK_NO_TIME | VHD_CHECK_PARENTS, 1700000001,
		      &err) &&
	    (!flags || strcmp(err.msg, "batmap is invalid: invalid checksum")))
		fail_msg("n=%u: %s", n, err.msg);
}

/* New blocks, together and alone; the same again; pieces; reads. */
static void work(struct dm *dm)
{
	for (unsigned b = 0; b < 4; b++) {
		dm_start_at(dm, REQ_WRITE, b * BLOCK + 8, 8);
		dm_start_at(dm, REQ_WRITE, b * BLOCK + 24, 8);
	}
	dm_drain(dm);
	dm_start_at(dm, REQ_FLUSH, 0, 0);
	dm_drain(dm);
	for (unsigned b = 0; b < 4; b++)
		dm_start_at(dm, REQ_WRITE, b * BLOCK + 12, 8);
	dm_start_at(dm, REQ_WRITE, 5 * BLOCK - 64, 128);
	dm_start_at(dm, REQ_WRITE, 40, 8);
	dm_start_at(dm, REQ_WRITE, 100, 8);
	dm_drain(dm);
	dm_start_at(dm, REQ_ZERO, 20, 400);
	dm_start_at(dm, REQ_READ, 5 * BLOCK - 64, 128);
	dm_start_at(dm, REQ_EXTENTS, BLOCK, 4 * BLOCK);
	dm_drain(dm);
	dm_start_at(dm, REQ_WRITE, BLOCK + 10, 3);
	dm_start_at(dm, REQ_WRITE, 6 * BLOCK, 8);
	dm_drain(dm);
}

static void open_again(struct rig *rig, struct dm *dm, unsigned n)
{
	dm->errors = false;
	if (rig_open(rig, "vhd:leaf.vhd"))
		fail_msg("n=%u: %s", n, rig->err.msg);
	dm_verify(dm);
	dm_start_at(dm, REQ_WRITE, 7 * BLOCK, 8);
	dm_start_at(dm, REQ_WRITE, 30, 8);
	dm_verify(dm);
}

/* Whether there was an Nth request. */
static bool once(const struct sweep *sweep, unsigned n)
{
	struct rig *rig = rig_new(NULL);
	struct dm *dm = dm_new(rig, SIZE, n);
	bool reached, opened;
	char spec[80];
	int err;

	prepare(sweep);
	snprintf(spec, sizeof(spec), "vhd:fault:n=%u,%s:raw:leaf.vhd", n,
		 sweep->what);
	err = rig_open(rig, spec);
	/* A footer that cannot be read may leave one that is no footer. */
	if (err && err != -EIO && err != -EINVAL)
		fail_msg("n=%u: %d: %s", n, err, rig->err.msg);
	opened = !err;
	dm->errors = true;
	if (opened) {
		work(dm);
		dm_verify(dm);
	}
	reached = !opened || dm->failed;
	rig_free(rig);
	check(VHD_CHECK_NO_PRIMARY, n);
	rig = dm->rig = rig_new(NULL);
	open_again(rig, dm, n);
	rig_free(rig);
	check(0, n);
	dm_free(dm);
	vhd_make_gone();
	return reached;
}

/* Some fail in silence: what is done ahead, or at the close. */
#define QUIET 40

static void any_one_request_may_fail(void **state)
{
	unsigned quiet = 0, n;

	for (n = 1; quiet < QUIET; n++)
		quiet = once(*state, n) ? 0 : quiet + 1;
	print_message("# %s: %u requests\n",
		      ((const struct sweep *)*state)->name, n - QUIET - 1);
	assert_true(n > QUIET + 10);
}

static struct sweep sweeps[] = {
	{ "one, new", "op=write", false, false },
	{ "one, child", "op=write", true, false },
	{ "one, child, used space", "op=write", true, true },
	{ "three, child", "op=write,count=3", true, false },
	{ "from then on, child", "count=0,op=write", true, false },
	{ "any", "count=1", true, true },
};

#define SWEEP(n)                                                               \
	{                                                                      \
		"any_one_request_may_fail: " #n, any_one_request_may_fail,     \
			NULL, NULL, &sweeps[n]                                 \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SWEEP(0), SWEEP(1), SWEEP(2), SWEEP(3), SWEEP(4), SWEEP(5),
	};

	vhd_make_quick();
	return cmocka_run_group_tests_name("vhd fault", tests, NULL, NULL);
}
