/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhd_crash_words_test.c - power cuts and full disks under changes of what an
 * image says of itself: its parent, its type, its flags, its key, its end.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>

#include "lib/err.h"
#include "tests/lib/vhd-campaign.h"
#include "vhd/data.h"
#include "vhd/format.h"
#include "vhd/image.h"

#define BLOCK  4096u
#define BLOCKS 40u
#define LARGE  (BLOCKS * BLOCK * 2)

static void one_image(struct vhd_mem *m)
{
	assert_int_equal(vhd_kit(m, "a", BLOCKS * BLOCK, 0, BLOCK), 0);
	vhd_kit_scribble(m, "a", 3);
}

static void child_of(struct vhd_mem *m, const char *parent, bool raw)
{
	assert_int_equal(vhd_kit_child(m, "b", parent, raw, BLOCK), 0);
	vhd_kit_scribble(m, "b", 5);
}

static void chain_of_two(struct vhd_mem *m)
{
	one_image(m);
	child_of(m, "a", false);
}

/* Another parent for it, with another name's length. */
static void two_parents(struct vhd_mem *m)
{
	one_image(m);
	assert_int_equal(vhd_kit(m, "longer", BLOCKS * BLOCK, 0, BLOCK), 0);
	vhd_kit_scribble(m, "longer", 2);
	child_of(m, "a", false);
}

static void plain_disk(struct vhd_mem *m)
{
	uint8_t data[BLOCKS * BLOCK];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i / 512 * 7 + 1);
	memcpy(data, "raw", 3);
	vhd_mem_put(m, "plain", data, sizeof(data));
}

static void disk_and_image(struct vhd_mem *m)
{
	plain_disk(m);
	chain_of_two(m);
}

static void child_of_disk(struct vhd_mem *m)
{
	plain_disk(m);
	one_image(m);
	child_of(m, "plain", true);
}

static void fixed_image(struct vhd_mem *m)
{
	struct vhd_new p = { .type = VHD_FIXED,
			     .size = LARGE,
			     .time = VHD_EPOCH + 1000,
			     .id = { 9 } };
	struct vhd_io *io = vhd_mem_open(m, "a");
	uint8_t data[BLOCKS * BLOCK];

	memset(data, 0x5a, sizeof(data));
	assert_int_equal(vhd_create(io, &p, NULL), 0);
	assert_int_equal(io->pwrite(io, data, sizeof(data), 0), 0);
	io->close(io);
}

/* --- changes ------------------------------------------------------------- */

static int reparent(struct vhd_mem *m, const char *parent, bool raw)
{
	struct vhd_reparent p = {
		.name = "b", .files = &m->files, .parent = parent, .raw = raw
	};
	struct vhd_io *io;
	struct vhd *vhd = vhd_kit_open(m, "b", &io);
	int rc = vhd ? vhd_set_parent(vhd, &p, NULL) : -EINVAL;

	vhd_kit_close(vhd, io);
	return rc;
}

static int to_longer(struct vhd_mem *m)
{
	return reparent(m, "longer", false);
}

static int to_disk(struct vhd_mem *m)
{
	return reparent(m, "plain", true);
}

static int to_image(struct vhd_mem *m)
{
	return reparent(m, "a", false);
}

static int is_dynamic(struct vhd *vhd)
{
	return vhd_set_type(vhd, VHD_DYNAMIC, NULL);
}

static int is_differencing(struct vhd *vhd)
{
	return vhd_set_type(vhd, VHD_DIFFERENCING, NULL);
}

static void without_parent(struct vhd_mem *m)
{
	chain_of_two(m);
	assert_int_equal(vhd_campaign_change(m, "b", is_dynamic), 0);
}

/* The batmap says of complete blocks that they are. */
static int tell_complete(struct vhd *vhd)
{
	uint8_t map[512];

	for (uint32_t b = 0; b < vhd_blocks(vhd); b++) {
		if (!vhd_bitmap_off(vhd, b) ||
		    vhd_bitmap_read(vhd, b, map, NULL) ||
		    vhd_bit_next(map, 0, BLOCK / 512, false) != BLOCK / 512)
			continue;
		vhd_block_set_full(vhd, b);
	}
	assert_true(vhd->batmap.dirty);
	return vhd_batmap_write(vhd, NULL);
}

static void with_batmap(struct vhd_mem *m)
{
	chain_of_two(m);
	assert_int_equal(vhd_campaign_change(m, "b", tell_complete), 0);
}

static int forget(struct vhd *vhd)
{
	return vhd_kill_data(vhd, NULL);
}

static int hide(struct vhd *vhd)
{
	return vhd_set_hidden(vhd, 1, NULL);
}

static int mark(struct vhd *vhd)
{
	return vhd_marker_set(vhd, 5, NULL);
}

static int set_key(struct vhd *vhd)
{
	struct vhd_keyhash kh = { .set = true, .hash = { 4 } };

	return vhd_keyhash_set(vhd, &kh, NULL);
}

static int longer(struct vhd *vhd)
{
	return vhd_set_physical(vhd, vhd_file_size(vhd) + 8192, NULL);
}

static int shorter(struct vhd *vhd)
{
	return vhd_set_physical(vhd, vhd_end(vhd) + 512, NULL);
}

static void with_room(struct vhd_mem *m)
{
	one_image(m);
	assert_int_equal(vhd_campaign_change(m, "a", longer), 0);
}

static int touch(struct vhd *vhd)
{
	int rc = vhd_write_begin(vhd, NULL);

	return rc ? rc : vhd_write_end(vhd, NULL);
}

static int larger(struct vhd *vhd)
{
	struct vhd_resize r = { .size = LARGE * 2 };

	return vhd_resize(vhd, &r, NULL);
}

static int smaller(struct vhd *vhd)
{
	struct vhd_resize r = { .size = LARGE - BLOCK };

	return vhd_resize(vhd, &r, NULL);
}

static int restore_key(struct vhd *vhd)
{
	struct vhd_keyhash kh = { .set = true, .hash = { 8 } };

	return vhd_repair(vhd, &kh, NULL);
}

/* A footer at the end that is none, and a batmap that lies. */
static void two_wounds(struct vhd_mem *m)
{
	struct vhd_mem_file *f;

	one_image(m);
	f = vhd_mem_file(m, "a");
	memset(f->data + f->size - 512, 0xc7, 512);
	f->data[2560] ^= 0x80;
}

/* --- judging ------------------------------------------------------------- */

/* Whoever puts a block there later would take all of it for written. */
static const char *batmap_is_of_blocks(struct vhd_mem *m)
{
	struct vhd_io *io;
	struct vhd *vhd = vhd_kit_open(m, "b", &io);
	const char *why = vhd ? NULL : "it does not open";

	for (uint32_t b = 0; vhd && b < vhd_blocks(vhd); b++) {
		if (vhd->bat[b] == VHD_NO_BLOCK &&
		    vhd_batmap_get(&vhd->batmap, b))
			why = "the batmap has a block that is not there";
	}
	vhd_kit_close(vhd, io);
	return why;
}

static const char *has_changed(struct vhd_mem *m, const uint8_t *before)
{
	uint8_t now[VHD_CAMPAIGN_SECTORS * 512];

	if (!vhd_kit_read(m, "b", now, VHD_CAMPAIGN_SECTORS) ||
	    !memcmp(now, before, sizeof(now)))
		return "it reads as before";
	return NULL;
}

/* --- the tests ----------------------------------------------------------- */

static void campaigns(const struct vhd_campaign *all, size_t n,
		      const char *leaf)
{
	for (size_t i = 0; i < n; i++) {
		struct vhd_campaign s = all[i];

		s.leaf = leaf;
		if (!s.on)
			s.on = leaf;
		if (!s.prepare)
			s.prepare = one_image;
		vhd_campaign(&s);
	}
}

static void a_cut_set_leaves_old_or_new(void **state)
{
	static const struct vhd_campaign all[] = {
		{ .name = "set hidden", .fn = hide },
		{ .name = "set hidden, fixed",
		  .fn = hide,
		  .prepare = fixed_image },
		{ .name = "set marker", .fn = mark },
		{ .name = "key -s", .fn = set_key },
		{ .name = "modify -s, longer", .fn = longer },
		{ .name = "modify -s, shorter",
		  .fn = shorter,
		  .prepare = with_room },
		{ .name = "open and close", .fn = touch },
		{ .name = "repair --keyhash",
		  .fn = restore_key,
		  .prepare = two_wounds },
		{ .name = "resize, fixed",
		  .fn = larger,
		  .prepare = fixed_image },
		{ .name = "resize, fixed, shorter",
		  .fn = smaller,
		  .prepare = fixed_image },
	};

	(void)state;
	campaigns(all, sizeof(all) / sizeof(*all), "a");
}

static void a_cut_change_of_parent_leaves_one_of_the_two(void **state)
{
	static const struct vhd_campaign all[] = {
		{ .name = "modify -p",
		  .prepare = two_parents,
		  .run = to_longer,
		  .judge = has_changed,
		  .strict = true },
		{ .name = "modify -p -m",
		  .prepare = disk_and_image,
		  .run = to_disk,
		  .judge = has_changed,
		  .strict = true },
		{ .name = "modify -p, from a plain disk",
		  .prepare = child_of_disk,
		  .run = to_image,
		  .judge = has_changed,
		  .strict = true },
		{ .name = "modify -t dynamic",
		  .prepare = chain_of_two,
		  .fn = is_dynamic,
		  .judge = has_changed,
		  .loose = true },
		{ .name = "modify -t differencing",
		  .prepare = without_parent,
		  .fn = is_differencing,
		  .judge = has_changed,
		  .loose = true },
	};

	(void)state;
	campaigns(all, sizeof(all) / sizeof(*all), "b");
}

static void cut_data_is_all_there_or_none(void **state)
{
	(void)state;
	vhd_campaign(&(struct vhd_campaign){ .name = "modify -z",
					     .prepare = with_batmap,
					     .fn = forget,
					     .on = "b",
					     .judge = has_changed,
					     .always = batmap_is_of_blocks,
					     .leaf = "b" });
}

/* One torn write in the primary, with the copy not yet there, were the end. */
static void the_copy_is_on_the_disk_before_the_footer_changes(void **state)
{
	struct vhd_mem mem;
	struct vhd_io *io;
	struct vhd *vhd;
	bool copied = false, synced = false;

	(void)state;
	vhd_mem_init(&mem);
	one_image(&mem);
	vhd = vhd_kit_open(&mem, "a", &io);
	assert_non_null(vhd);
	mem.record = true;
	assert_int_equal(vhd_set_hidden(vhd, 1, NULL), 0);
	for (unsigned i = 0; i < mem.n; i++) {
		const struct vhd_mem_op *op = &mem.op[i];

		if (op->what == MEM_SYNC) {
			synced = copied;
			continue;
		}
		assert_int_equal(op->what, MEM_WRITE);
		assert_true(op->off == 0 || synced);
		copied = true;
	}
	assert_true(synced);
	vhd_kit_close(vhd, io);
	vhd_mem_free(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_set_leaves_old_or_new),
		cmocka_unit_test(a_cut_change_of_parent_leaves_one_of_the_two),
		cmocka_unit_test(cut_data_is_all_there_or_none),
		cmocka_unit_test(
			the_copy_is_on_the_disk_before_the_footer_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
