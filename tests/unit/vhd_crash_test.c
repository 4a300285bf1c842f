/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhd_crash_test.c - power cuts and full disks under what makes, moves and
 * mends images; what changes their words is in vhd_crash_words_test.c.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "tests/lib/vhd-campaign.h"
#include "vhd/chain.h"
#include "vhd/copy.h"
#include "vhd/data.h"
#include "vhd/format.h"
#include "vhd/image.h"
#include "vhd/merge.h"
#include "vhd/stream.h"

#define BLOCK   4096u
#define BLOCKS  40u
#define SECTORS VHD_CAMPAIGN_SECTORS
#define BYTES   (SECTORS * 512)

static uint8_t resized_from[BYTES];

/* --- making images ------------------------------------------------------- */

static int make(struct vhd_mem *m, const char *name)
{
	return vhd_kit(m, name, BLOCKS * BLOCK, BLOCKS * BLOCK * 8, BLOCK);
}

static int make_child(struct vhd_mem *m, const char *name, const char *parent)
{
	return vhd_kit_child(m, name, parent, false, BLOCK);
}

static void one_image(struct vhd_mem *m)
{
	assert_int_equal(make(m, "a"), 0);
	vhd_kit_scribble(m, "a", 3);
}

static void chain_of_two(struct vhd_mem *m)
{
	one_image(m);
	assert_int_equal(make_child(m, "b", "a"), 0);
	vhd_kit_scribble(m, "b", 2);
}

/* --- changes ------------------------------------------------------------- */

static int run_create(struct vhd_mem *m)
{
	return make(m, "n");
}

static int run_snapshot(struct vhd_mem *m)
{
	return make_child(m, "n", "a");
}

static int mend(struct vhd *vhd)
{
	return vhd_repair(vhd, NULL, NULL);
}

static int run_repair(struct vhd_mem *m)
{
	return vhd_campaign_change(m, "a", mend);
}

static int resize(struct vhd_mem *m, const char *name, uint64_t size,
		  bool journalled)
{
	struct vhd_resize r = { .size = size };
	struct vhd_io *io;
	struct vhd *vhd = vhd_kit_open(m, name, &io);
	int rc;

	if (journalled)
		r.journal = vhd_mem_open(m, "j");
	rc = vhd ? vhd_resize(vhd, &r, NULL) : -EINVAL;
	vhd_kit_close(vhd, io);
	if (r.journal)
		r.journal->close(r.journal);
	return rc;
}

static int run_resize_fast(struct vhd_mem *m)
{
	return resize(m, "a", BLOCKS * BLOCK * 7, false);
}

static int run_resize(struct vhd_mem *m)
{
	return resize(m, "a", BLOCKS * BLOCK * 64, true);
}

static int run_resize_child(struct vhd_mem *m)
{
	return resize(m, "b", BLOCKS * BLOCK * 64, true);
}

static uint64_t size_of(struct vhd_mem *m, const char *name)
{
	struct vhd_io *io;
	struct vhd *vhd = vhd_kit_open(m, name, &io);
	uint64_t size = vhd ? vhd_size(vhd) : 0;

	vhd_kit_close(vhd, io);
	return size;
}

static const char *is_larger(struct vhd_mem *m, const uint8_t *before)
{
	(void)before;
	return size_of(m, "a") == BLOCKS * BLOCK * 64 ||
			       size_of(m, "b") == BLOCKS * BLOCK * 64
		       ? NULL
		       : "the disk is not larger";
}

static int run_revert(struct vhd_mem *m)
{
	struct vhd_io *io = vhd_mem_open(m, "a"), *j = vhd_mem_open(m, "j");
	int rc = vhd_revert(io, j, NULL);

	j->close(j);
	io->close(io);
	return rc;
}

static int stop_there(void *arg, const char *point)
{
	return !strcmp(point, arg);
}

/* A resize that stopped when all was moved. */
static void half_resized(struct vhd_mem *m)
{
	struct vhd_resize r = { .size = BLOCKS * BLOCK * 64,
				.fault = stop_there,
				.arg = (void *)"RESIZE_METADATA_MOVED" };
	struct vhd_io *io;
	struct vhd *vhd;

	one_image(m);
	vhd = vhd_kit_open(m, "a", &io);
	r.journal = vhd_mem_open(m, "j");
	assert_true(vhd_kit_read(m, "a", resized_from, SECTORS));
	assert_int_equal(vhd_resize(vhd, &r, NULL), -EINVAL);
	r.journal->close(r.journal);
	vhd_kit_close(vhd, io);
}

static const char *old_again(struct vhd_mem *m, const uint8_t *before)
{
	uint8_t now[BYTES];

	(void)before; /* it did not open */
	if (size_of(m, "a") != BLOCKS * BLOCK ||
	    !vhd_kit_read(m, "a", now, SECTORS) ||
	    memcmp(now, resized_from, BYTES))
		return "the disk is not what it was";
	return NULL;
}

static int run_fill(struct vhd_mem *m)
{
	struct vhd_chain *c;
	int rc = vhd_chain_open(&c, &m->files, "b", VHD_OPEN_WRITE, NULL);

	if (rc)
		return rc;
	rc = vhd_fill(c, 0, UINT64_MAX, true, NULL, NULL);
	vhd_chain_close(c);
	return rc;
}

static int run_coalesce(struct vhd_mem *m)
{
	struct vhd_io *child_io, *io;
	struct vhd *child = vhd_kit_open(m, "b", &child_io);
	struct vhd *parent = vhd_kit_open(m, "a", &io);
	uint64_t n;
	int rc = -EINVAL;

	if (child && parent)
		rc = vhd_coalesce(child, parent, NULL, NULL, &n, NULL);
	vhd_kit_close(child, child_io);
	vhd_kit_close(parent, io);
	return rc;
}

static int run_fill_map(struct vhd_mem *m)
{
	struct vhd_chain *c;
	int rc = vhd_chain_open(&c, &m->files, "b", VHD_OPEN_WRITE, NULL);

	if (rc)
		return rc;
	rc = vhd_fill(c, 0, UINT64_MAX, false, NULL, NULL);
	vhd_chain_close(c);
	return rc;
}

static int make_fixed(struct vhd_mem *m, const char *name)
{
	struct vhd_new p = { .type = VHD_FIXED,
			     .size = BLOCKS * BLOCK,
			     .time = VHD_EPOCH + 1000,
			     .id = { 9 } };
	struct vhd_io *io = vhd_mem_open(m, name);
	int rc = vhd_create(io, &p, NULL);

	io->close(io);
	return rc;
}

static int run_create_fixed(struct vhd_mem *m)
{
	return make_fixed(m, "n");
}

static void plain_disk(struct vhd_mem *m)
{
	static uint8_t zero[BLOCKS * BLOCK];

	one_image(m);
	vhd_mem_put(m, "plain", zero, sizeof(zero));
}

static int run_snapshot_plain(struct vhd_mem *m)
{
	return vhd_kit_child(m, "n", "plain", true, BLOCK);
}

static void child_of_plain(struct vhd_mem *m)
{
	plain_disk(m);
	assert_int_equal(vhd_kit_child(m, "b", "plain", true, BLOCK), 0);
	vhd_kit_scribble(m, "b", 2);
}

static int run_coalesce_plain(struct vhd_mem *m)
{
	struct vhd_io *io, *plain = vhd_mem_open(m, "plain");
	struct vhd *child = vhd_kit_open(m, "b", &io);
	uint64_t n;
	int rc = child ? vhd_coalesce(child, NULL, plain, NULL, &n, NULL)
		       : -EINVAL;

	vhd_kit_close(child, io);
	plain->close(plain);
	return rc;
}

static const char *plain_has_all(struct vhd_mem *m, const uint8_t *before)
{
	return memcmp(vhd_mem_file(m, "plain")->data, before, BYTES)
		       ? "the disk is not what the chain was"
		       : NULL;
}

static void child_of_fixed(struct vhd_mem *m)
{
	assert_int_equal(make_fixed(m, "a"), 0);
	assert_int_equal(make_child(m, "b", "a"), 0);
	vhd_kit_scribble(m, "b", 2);
}

static int copy_into(struct vhd_chain *c, struct vhd_io *io)
{
	struct vhd_copy p = { .chain = c, .size = BLOCKS * BLOCK };
	int rc = vhd_open(&p.to, io, true, NULL);

	if (!rc)
		rc = vhd_copy(&p, NULL);
	vhd_close(p.to);
	return rc ? rc : io->sync(io);
}

static int run_copy(struct vhd_mem *m)
{
	struct vhd_chain *c;
	struct vhd_io *io;
	int rc = make(m, "n");

	if (rc)
		return rc;
	rc = vhd_chain_open(&c, &m->files, "b", 0, NULL);
	if (rc)
		return rc;
	io = vhd_mem_open(m, "n");
	rc = copy_into(c, io);
	io->close(io);
	vhd_chain_close(c);
	return rc;
}

static int run_clone(struct vhd_mem *m)
{
	struct vhd_io *io, *to = vhd_mem_open(m, "n");
	struct vhd *like = vhd_kit_open(m, "a", &io);
	int rc = like ? vhd_clone(to, like, NULL, true, NULL) : -EINVAL;

	vhd_kit_close(like, io);
	to->close(to);
	return rc;
}

struct to_file {
	struct vhd_io *io;
	uint64_t pos;
};

static int append(void *arg, const void *buf, size_t len)
{
	struct to_file *f = arg;
	int rc = f->io->pwrite(f->io, buf, len, f->pos);

	f->pos += len;
	return rc;
}

/* As dm-decrypt writes a file. */
static int run_forward(struct vhd_mem *m)
{
	struct to_file to = { .io = vhd_mem_open(m, "n") };
	struct vhd_io *io;
	struct vhd *like = vhd_kit_open(m, "a", &io);
	struct vhd_layer_source from;
	struct vhd_forward f = {
		.like = like, .from = &from.source, .out = append, .arg = &to
	};
	int rc;

	vhd_layer_source(&from, like, NULL);
	rc = like ? vhd_forward(&f, NULL) : -EINVAL;
	vhd_kit_close(like, io);
	to.io->close(to.io);
	return rc;
}

static void chain_that_clones(struct vhd_mem *m)
{
	m->copies = true;
	chain_of_two(m);
}

static void over_an_old_one(struct vhd_mem *m)
{
	chain_of_two(m);
	assert_int_equal(make_child(m, "n", "a"), 0);
	vhd_kit_scribble(m, "n", 4);
}

static void dead_image(struct vhd_mem *m)
{
	struct vhd_mem_file *f;

	one_image(m);
	f = vhd_mem_file(m, "a");
	memset(f->data + f->size - 512, 0xc7, 512);
	f->data[3072] ^= 0x80; /* and a batmap that is wrong */
}

static const char *parent_has_all(struct vhd_mem *m, const uint8_t *before)
{
	uint8_t now[BYTES];

	if (!vhd_kit_read(m, "a", now, SECTORS) || memcmp(now, before, BYTES))
		return "the parent is not what the chain was";
	return NULL;
}

/* --- the tests ----------------------------------------------------------- */

static void a_cut_create_leaves_nothing_or_all(void **state)
{
	(void)state;
	vhd_campaign(&(struct vhd_campaign){ .name = "create",
					     .prepare = one_image,
					     .run = run_create,
					     .leaf = "a",
					     .made = "n" });
}

static void creating_over_an_old_image_leaves_no_mixture(void **state)
{
	(void)state;
	vhd_campaign(&(struct vhd_campaign){ .name = "create over",
					     .prepare = over_an_old_one,
					     .run = run_create,
					     .leaf = "b",
					     .made = "n" });
}

static void a_cut_snapshot_leaves_nothing_or_all(void **state)
{
	(void)state;
	vhd_campaign(&(struct vhd_campaign){ .name = "snapshot",
					     .prepare = one_image,
					     .run = run_snapshot,
					     .leaf = "a",
					     .made = "n" });
}

static void a_cut_repair_can_be_repaired(void **state)
{
	(void)state;
	vhd_campaign(&(struct vhd_campaign){ .name = "repair",
					     .prepare = dead_image,
					     .run = run_repair,
					     .leaf = "a" });
}

static void a_cut_coalesce_changes_nothing_a_child_sees(void **state)
{
	(void)state;
	vhd_campaign(&(struct vhd_campaign){ .name = "coalesce",
					     .prepare = chain_of_two,
					     .run = run_coalesce,
					     .judge = parent_has_all,
					     .strict = true,
					     .leaf = "b" });
	vhd_campaign(&(struct vhd_campaign){ .name = "coalesce, cloned",
					     .prepare = chain_that_clones,
					     .run = run_coalesce,
					     .judge = parent_has_all,
					     .strict = true,
					     .leaf = "b" });
}

static void a_cut_fill_changes_nothing_a_guest_sees(void **state)
{
	(void)state;
	vhd_campaign(&(struct vhd_campaign){ .name = "fill",
					     .prepare = chain_of_two,
					     .run = run_fill,
					     .strict = true,
					     .leaf = "b" });
	vhd_campaign(&(struct vhd_campaign){ .name = "fill -b",
					     .prepare = chain_of_two,
					     .run = run_fill_map,
					     .strict = true,
					     .leaf = "b" });
}

static void a_cut_resize_can_be_reverted(void **state)
{
	(void)state;
	vhd_campaign(&(struct vhd_campaign){ .name = "resize -f",
					     .prepare = one_image,
					     .run = run_resize_fast,
					     .leaf = "a" });
	vhd_campaign(&(struct vhd_campaign){ .name = "resize -j",
					     .prepare = one_image,
					     .run = run_resize,
					     .judge = is_larger,
					     .leaf = "a" });
	vhd_campaign(&(struct vhd_campaign){ .name = "resize -j of a child",
					     .prepare = chain_of_two,
					     .run = run_resize_child,
					     .judge = is_larger,
					     .leaf = "b" });
}

static void a_cut_revert_can_be_reverted(void **state)
{
	(void)state;
	vhd_campaign(&(struct vhd_campaign){ .name = "revert",
					     .prepare = half_resized,
					     .run = run_revert,
					     .judge = old_again,
					     .leaf = "a" });
}

static void all_that_makes_images_makes_whole_ones(void **state)
{
	static const struct vhd_campaign all[] = {
		{ .name = "create -r", .run = run_create_fixed },
		{ .name = "snapshot -m",
		  .prepare = plain_disk,
		  .run = run_snapshot_plain },
		{ .name = "clone-metadata", .run = run_clone },
		{ .name = "dm-decrypt", .run = run_forward, .partial = true },
		{ .name = "copy",
		  .prepare = chain_of_two,
		  .run = run_copy,
		  .leaf = "b",
		  .partial = true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct vhd_campaign s = all[i];

		s.made = "n";
		if (!s.prepare)
			s.prepare = one_image;
		if (!s.leaf)
			s.leaf = "a";
		vhd_campaign(&s);
	}
}

static void a_parent_without_tables_is_never_wrong(void **state)
{
	(void)state;
	vhd_campaign(&(struct vhd_campaign){ .name = "coalesce, plain parent",
					     .prepare = child_of_plain,
					     .run = run_coalesce_plain,
					     .judge = plain_has_all,
					     .strict = true,
					     .leaf = "b" });
	vhd_campaign(&(struct vhd_campaign){ .name = "coalesce, fixed parent",
					     .prepare = child_of_fixed,
					     .run = run_coalesce,
					     .judge = parent_has_all,
					     .strict = true,
					     .leaf = "b" });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_create_leaves_nothing_or_all),
		cmocka_unit_test(creating_over_an_old_image_leaves_no_mixture),
		cmocka_unit_test(a_cut_snapshot_leaves_nothing_or_all),
		cmocka_unit_test(a_cut_repair_can_be_repaired),
		cmocka_unit_test(a_cut_coalesce_changes_nothing_a_child_sees),
		cmocka_unit_test(a_cut_resize_can_be_reverted),
		cmocka_unit_test(a_cut_revert_can_be_reverted),
		cmocka_unit_test(a_cut_fill_changes_nothing_a_guest_sees),
		cmocka_unit_test(all_that_makes_images_makes_whole_ones),
		cmocka_unit_test(a_parent_without_tables_is_never_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
