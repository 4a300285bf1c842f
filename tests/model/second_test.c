/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * second_test.c - a disk with a second image, whose leaf runs out of space in
 * the middle of random work, against an array. SEED=n for another run.
 */
#include <errno.h>
#include <stdlib.h>

#include "tapdisk/driver.h"
#include "tests/lib/disk-model.h"
#include "tests/lib/hold.h"
#include "tests/lib/layer.h"
#include "tests/lib/test.h"
#include "tests/lib/vhd-make.h"

#define SIZE  (24u << 20)
#define SEEDS 4

struct world {
	struct rig *rig;
	struct dm *dm;
	bool standby;
};

static void must(struct rig *rig, int err)
{
	if (err)
		fail_msg("%s", rig->err.msg);
}

static void begin(struct world *w, const char *leaf, bool standby)
{
	struct vbd_open args = { .spec = leaf,
				 .second = "vhd:second.vhd",
				 .standby = standby };
	const char *seed = getenv("SEED");
	static unsigned n;

	vhd_make_folder();
	w->rig = rig_new(NULL);
	w->standby = standby;
	vhd_make("base.vhd", SIZE);
	vhd_make_child("leaf.vhd", "base.vhd");
	vhd_make_child("second.vhd", "base.vhd");
	must(w->rig, rig_open_with(w->rig, &args));
	w->dm = dm_new(w->rig, SIZE, seed ? strtoull(seed, NULL, 0) : ++n);
	w->dm->largest = DM_MOST;
}

static void work(struct world *w, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		dm_step(w->dm);
}

static void pause_and_go_on(struct world *w)
{
	dm_drain(w->dm);
	must(w->rig, rig_pause(w->rig));
	must(w->rig, rig_resume(w->rig, NULL));
}

static void end(struct world *w)
{
	rig_free(w->rig);
	dm_free(w->dm);
	vhd_make_gone();
}

/* So full that after some blocks there is no more. */
static void run_full(bool standby)
{
	struct world w;

	begin(&w, "vhd:full:7000000:raw:leaf.vhd", standby);
	for (unsigned i = 0; i < 12; i++) {
		work(&w, 50);
		if (i % 4 == 3)
			pause_and_go_on(&w);
	}
	dm_verify(w.dm);
	assert_true(vbd_moved(w.rig->vbd));
	assert_int_equal(vbd_redirected(w.rig->vbd) > 0, standby);
	assert_false(vbd_mirror_failed(w.rig->vbd));
	if (!standby) {
		/* The second image has it all, by itself. */
		must(w.rig, rig_close(w.rig, false));
		w.rig->client.ch = NULL;
		must(w.rig, rig_open(w.rig, "vhd:second.vhd"));
		dm_verify(w.dm);
	}
	must(w.rig, rig_close(w.rig, false));
	vhd_make_check("second.vhd");
	end(&w);
}

static void a_copy_takes_over_when_the_leaf_is_full(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SEEDS; i++)
		run_full(false);
}

static void a_standby_takes_over_when_the_leaf_is_full(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SEEDS; i++)
		run_full(true);
}

static void a_copy_is_one_at_any_time(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "vhd:leaf.vhd", false);
	work(&w, 200);
	pause_and_go_on(&w);
	work(&w, 200);
	dm_verify(w.dm);
	assert_false(vbd_moved(w.rig->vbd));
	must(w.rig, rig_close(w.rig, false));
	w.rig->client.ch = NULL;
	must(w.rig, rig_open(w.rig, "vhd:second.vhd"));
	dm_verify(w.dm);
	end(&w);
}

/* It was a copy before, of a leaf that is new. */
static void what_a_copy_has_already_shows(void **state)
{
	struct vbd_open args = { .spec = "vhd:new.vhd",
				 .second = "vhd:second.vhd" };
	struct world w;

	(void)state;
	begin(&w, "vhd:leaf.vhd", false);
	work(&w, 200);
	dm_drain(w.dm);
	must(w.rig, rig_close(w.rig, false));
	vhd_make_child("new.vhd", "base.vhd");
	w.rig->client.ch = NULL;
	must(w.rig, rig_open_with(w.rig, &args));
	dm_verify(w.dm);
	work(&w, 100);
	dm_verify(w.dm);
	end(&w);
}

static void a_standby_is_not_touched_before_it_is_needed(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "vhd:leaf.vhd", true);
	work(&w, 200);
	pause_and_go_on(&w);
	dm_verify(w.dm);
	assert_int_equal(vbd_redirected(w.rig->vbd), 0);
	must(w.rig, rig_close(w.rig, false));
	w.rig->client.ch = NULL;
	must(w.rig, rig_open(w.rig, "vhd:leaf.vhd"));
	dm_verify(w.dm);
	end(&w);
}

/* A copy that has missed a write must not be what is read. */
static void a_copy_that_failed_takes_nothing_over(void **state)
{
	struct vbd_open args = { .spec = "vhd:full:7000000:raw:leaf.vhd",
				 .second = "vhd:fault:n=40,op=write:"
					   "raw:second.vhd" };
	char buf[4096] = "x";
	struct rig *rig = rig_new(NULL);
	int err = 0;

	(void)state;
	vhd_make_folder();
	vhd_make("base.vhd", SIZE);
	vhd_make_child("leaf.vhd", "base.vhd");
	vhd_make_child("second.vhd", "base.vhd");
	must(rig, rig_open_with(rig, &args));
	for (unsigned i = 0; i < 400 && !err; i++)
		err = rig_write(rig, i % 100 * 4096, buf, sizeof(buf));
	assert_int_equal(err, 0);
	assert_true(vbd_mirror_failed(rig->vbd));
	for (unsigned i = 0; i < SIZE >> 21 && !err; i++)
		err = rig_write(rig, (uint64_t)i << 21, buf, sizeof(buf));
	assert_int_equal(err, -ENOSPC);
	assert_false(vbd_moved(rig->vbd));
	assert_int_equal(rig_pause(rig), 0);
	must(rig, rig_resume(rig, NULL));
	assert_true(vbd_mirror_failed(rig->vbd));
	rig_free(rig);
	vhd_make_gone();
}

/* It may hold what was answered before the disk moved. */
static void a_flush_is_the_leafs_as_well(void **state)
{
	struct vbd_open args = { .spec = "vhd:full:7000000:"
					 "fault:n=30,op=flush,count=0:"
					 "raw:leaf.vhd",
				 .second = "vhd:second.vhd",
				 .standby = true };
	char buf[4096] = "x";
	struct rig *rig = rig_new(NULL);
	int err = 0;

	(void)state;
	vhd_make_folder();
	vhd_make("base.vhd", SIZE);
	vhd_make_child("leaf.vhd", "base.vhd");
	vhd_make_child("second.vhd", "base.vhd");
	must(rig, rig_open_with(rig, &args));
	for (unsigned i = 0; i < SIZE >> 21 && !err; i++)
		err = rig_write(rig, (uint64_t)i << 21, buf, sizeof(buf));
	assert_int_equal(err, 0);
	assert_true(vbd_moved(rig->vbd));
	for (unsigned i = 0; i < 40 && !err; i++)
		err = rig_flush(rig);
	assert_int_equal(err, -EIO);
	rig_free(rig);
	vhd_make_gone();
}

/* The copy of what the leaf still has may fail when nobody heeds it. */
static void what_the_leaf_is_busy_with_is_written_again(void **state)
{
	static const char *const parents[] = { "ram:2097152", "ram:2097152" };
	struct vbd_open args = { .spec = "layer:hold:",
				 .second = "layer:ram:1048576" };
	char buf[512] = "x", back[512];
	struct mem_op slow = { REQ_WRITE, .off = 512, .len = 512, .buf = buf };
	struct mem_op full = { REQ_WRITE, .off = 0, .len = 512, .buf = buf };
	struct rig *rig = rig_new(NULL);

	(void)state;
	hold_reset();
	layer_world = (struct layer_world){ .parents = parents, .count = 2 };
	hold.pass = true;
	must(rig, rig_open_with(rig, &args));
	hold.pass = false;
	mem_ask(&rig->client, &full);
	mem_ask(&rig->client, &slow);
	rig_settle(rig);
	assert_true(hold_answer(-ENOSPC));
	rig_wait(rig, &full.done);
	assert_int_equal(full.err, 0);
	assert_true(vbd_moved(rig->vbd));
	assert_true(hold_answer(0));
	rig_wait(rig, &slow.done);
	assert_int_equal(slow.err, 0);
	assert_int_equal(vbd_image(rig->vbd)->counters.hits[1], 4);
	assert_int_equal(rig_read(rig, 512, back, sizeof(back)), 0);
	assert_string_equal(back, "x");
	hold.pass = true;
	rig_free(rig);
}

static void what_has_no_parent_is_refused(void **state)
{
	struct vbd_open args = { .spec = "vhd:base.vhd",
				 .second = "vhd:leaf.vhd" };
	struct rig *rig = rig_new(NULL);

	(void)state;
	vhd_make_folder();
	vhd_make("base.vhd", SIZE);
	vhd_make("other.vhd", SIZE);
	vhd_make("less.vhd", SIZE / 2);
	vhd_make_child("leaf.vhd", "base.vhd");
	vhd_make_child("short.vhd", "less.vhd");
	assert_int_equal(rig_open_with(rig, &args), -EINVAL);
	args = (struct vbd_open){ .spec = "vhd:leaf.vhd",
				  .second = "vhd:other.vhd" };
	for (int i = 0; i < 2; i++) {
		args.standby = i;
		args.second = "vhd:other.vhd";
		assert_int_equal(rig_open_with(rig, &args), -EINVAL);
		args.second = "vhd:short.vhd";
		assert_int_equal(rig_open_with(rig, &args), -EINVAL);
		args.second = "vhd:leaf.vhd";
		assert_int_equal(rig_open_with(rig, &args), -ELOOP);
		args.second = "vhd:nothing.vhd";
		assert_int_equal(rig_open_with(rig, &args), -ENOENT);
	}
	assert_int_equal(rig_open(rig, "vhd:leaf.vhd"), 0);
	rig_free(rig);
	vhd_make_gone();
}

static void another_parent_is_read_instead(void **state)
{
	struct vbd_open args = { .spec = "vhd:leaf.vhd",
				 .parent = "vhd:other.vhd" };
	struct rig *rig = rig_new(NULL);
	char buf[512] = "other", back[512];

	(void)state;
	vhd_make_folder();
	vhd_make("base.vhd", SIZE);
	vhd_make("other.vhd", SIZE);
	vhd_make_child("leaf.vhd", "base.vhd");
	must(rig, rig_open(rig, "vhd:other.vhd"));
	assert_int_equal(rig_write(rig, 512, buf, sizeof(buf)), 0);
	must(rig, rig_close(rig, false));
	rig->client.ch = NULL;
	must(rig, rig_open_with(rig, &args));
	assert_int_equal(rig_read(rig, 512, back, sizeof(back)), 0);
	assert_string_equal(back, "other");
	assert_int_equal(rig_write(rig, 512, buf, sizeof(buf)), 0);
	assert_int_equal(rig_pause(rig), 0);
	assert_int_equal(vbd_set_parent(rig->vbd, "vhd:nothing.vhd"), 0);
	assert_int_equal(vbd_set_parent(rig->vbd, "vhd:base.vhd"), 0);
	must(rig, rig_resume(rig, NULL));
	assert_int_equal(rig_read(rig, 512, back, sizeof(back)), 0);
	assert_string_equal(back, "other");
	assert_int_equal(rig_read(rig, 1024, back, sizeof(back)), 0);
	assert_string_equal(back, "");
	rig_free(rig);
	vhd_make_gone();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_takes_over_when_the_leaf_is_full),
		cmocka_unit_test(a_standby_takes_over_when_the_leaf_is_full),
		cmocka_unit_test(a_copy_is_one_at_any_time),
		cmocka_unit_test(what_a_copy_has_already_shows),
		cmocka_unit_test(a_standby_is_not_touched_before_it_is_needed),
		cmocka_unit_test(a_copy_that_failed_takes_nothing_over),
		cmocka_unit_test(a_flush_is_the_leafs_as_well),
		cmocka_unit_test(what_the_leaf_is_busy_with_is_written_again),
		cmocka_unit_test(what_has_no_parent_is_refused),
		cmocka_unit_test(another_parent_is_read_instead),
	};

	vhd_make_quick();
	return cmocka_run_group_tests_name("second", tests, NULL, NULL);
}
