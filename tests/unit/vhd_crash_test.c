/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhd_crash_test.c - power cuts and full disks under every change of images.
 *
 * A change is run once and recorded.  Then, after each of its writes, the
 * disk is taken as a power cut would leave it: with all writes so far, and
 * with each one missing that no sync had confirmed.  What is left must open,
 * check (after a repair, if its server died) and hold what the chain held.
 * Then the change is run with the nth write failing for want of room.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "tests/lib/vhd-kit.h"
#include "tests/lib/vhd-mem.h"
#include "vhd/chain.h"
#include "vhd/data.h"
#include "vhd/format.h"
#include "vhd/image.h"

#define BLOCK   4096u
#define BLOCKS  40u
#define SECTORS (BLOCKS * BLOCK / 512)
#define NONE    UINT32_MAX
#define NOW     (VHD_EPOCH + 100000)

struct scenario {
	const char *name;
	void (*prepare)(struct vhd_mem *m);
	int (*run)(struct vhd_mem *m);
	int (*fn)(struct vhd *vhd); /* instead of run: a change of "a" */
	/* Anything that may be: asserts, or returns why not. */
	const char *(*judge)(struct vhd_mem *m);
	const char *leaf; /* whose content must stay; or NULL */
	const char *made; /* may not open, but if it does, is whole */
	bool strict;      /* no repair is needed, ever */
};

static uint8_t content[SECTORS * 512];
static uint8_t old_content[SECTORS * 512]; /* of what was made over */

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

static bool read_all(struct vhd_mem *m, const char *name, uint8_t *out)
{
	return vhd_kit_read(m, name, out, SECTORS);
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

static int change(struct vhd_mem *m, const char *name,
		  int (*fn)(struct vhd *vhd))
{
	struct vhd_io *io;
	struct vhd *vhd = vhd_kit_open(m, name, &io);
	int rc = vhd ? fn(vhd) : -EINVAL;

	vhd_kit_close(vhd, io);
	return rc;
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

static int mend(struct vhd *vhd)
{
	return vhd_repair(vhd, NULL, NULL);
}

static int run_repair(struct vhd_mem *m)
{
	return change(m, "a", mend);
}

static int touch(struct vhd *vhd)
{
	int rc = vhd_write_begin(vhd, NULL);

	return rc ? rc : vhd_write_end(vhd, NULL);
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

static const char *is_larger(struct vhd_mem *m)
{
	return size_of(m, "a") == BLOCKS * BLOCK * 64 ||
			       size_of(m, "b") == BLOCKS * BLOCK * 64
		       ? NULL
		       : "the disk is not larger";
}

/* What a storage manager does when it finds a journal. */
static void go_back(struct vhd_mem *m)
{
	static const char *const names[] = { "a", "b" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		struct vhd_io *io = vhd_mem_open(m, names[i]), *j;
		struct vhd *vhd = NULL;

		if (vhd_mem_file(m, names[i])->size &&
		    vhd_open(&vhd, io, false, NULL)) {
			j = vhd_mem_open(m, "j");
			assert_int_equal(vhd_revert(io, j, NULL), 0);
			j->close(j);
		}
		vhd_kit_close(vhd, io);
	}
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
	assert_true(read_all(m, "a", content));
	assert_int_equal(vhd_resize(vhd, &r, NULL), -EINVAL);
	r.journal->close(r.journal);
	vhd_kit_close(vhd, io);
}

static const char *old_again(struct vhd_mem *m)
{
	uint8_t now[sizeof(content)];

	if (size_of(m, "a") != BLOCKS * BLOCK || !read_all(m, "a", now) ||
	    memcmp(now, content, sizeof(now)))
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

static const char *parent_has_all(struct vhd_mem *m)
{
	uint8_t now[sizeof(content)];

	if (!read_all(m, "a", now) || memcmp(now, content, sizeof(now)))
		return "the parent is not what the chain was";
	return NULL;
}

/* --- judging ------------------------------------------------------------- */

static const char *whole(struct vhd_mem *m, const char *name, bool strict)
{
	static struct err err;
	unsigned flags = VHD_CHECK_BITMAPS;

	if (!vhd_check(&m->files, name, flags, NOW, &err))
		return NULL;
	if (strict)
		return err.msg;
	(void)run_repair(m); /* of the parent, if there is one */
	(void)change(m, name, mend);
	return vhd_check(&m->files, name, flags, NOW, &err) ? err.msg : NULL;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return !*p && !memcmp(p, p + 1, len - 1);
}

/* What was being made: nothing, the old image as it was, or the new one. */
static const char *judge_made(const struct scenario *s, struct vhd_mem *m)
{
	uint8_t now[sizeof(content)];
	struct vhd_io *io;
	struct vhd *vhd = vhd_kit_open(m, s->made, &io);

	vhd_kit_close(vhd, io);
	if (!vhd)
		return NULL;
	if (!read_all(m, s->made, now))
		return "what was made has no parent";
	if (!is_zero(now, sizeof(now)) &&
	    memcmp(now, old_content, sizeof(now)) &&
	    memcmp(now, content, sizeof(now)))
		return "neither the old image nor the new";
	return whole(m, s->made, false);
}

static const char *judge(const struct scenario *s, struct vhd_mem *m,
			 bool strict)
{
	static const char *const names[] = { "a", "b" };
	uint8_t now[sizeof(content)];
	const char *why;

	go_back(m);
	if (s->leaf && !read_all(m, s->leaf, now))
		return "the chain does not open";
	if (s->leaf && memcmp(now, content, sizeof(now)))
		return "the content changed";
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (!vhd_mem_file(m, names[i])->size)
			continue;
		why = whole(m, names[i], strict);
		if (why)
			return why;
	}
	why = s->made ? judge_made(s, m) : NULL;
	if (why)
		return why;
	if (s->leaf &&
	    (!read_all(m, s->leaf, now) || memcmp(now, content, sizeof(now))))
		return "the repair changed the content";
	return NULL;
}

static void fail_at(const struct scenario *s, const char *what, unsigned n,
		    unsigned skip, const char *why)
{
	print_message("%s: %s %u (without %d): %s\n", s->name, what, n,
		      (int)skip, why);
	fail();
}

static int run(const struct scenario *s, struct vhd_mem *m)
{
	return s->run ? s->run(m) : change(m, "a", s->fn);
}

static unsigned cut(const struct scenario *s, const struct vhd_mem *before,
		    const struct vhd_mem *log, unsigned n, unsigned skip)
{
	struct vhd_mem m;
	const char *why;

	vhd_mem_replay(&m, before, log, n, skip);
	why = judge(s, &m, s->strict && skip == NONE);
	vhd_mem_free(&m);
	if (why)
		fail_at(s, "cut after", n, skip, why);
	return 1;
}

static unsigned all_cuts(const struct scenario *s, const struct vhd_mem *before,
			 const struct vhd_mem *log)
{
	unsigned tried = 0, synced = 0;

	for (unsigned n = 0; n <= log->n; n++) {
		tried += cut(s, before, log, n, NONE);
		for (unsigned i = synced; i + 1 < n; i++) {
			if (log->op[i].what != MEM_SYNC)
				tried += cut(s, before, log, n, i);
		}
		if (n < log->n && log->op[n].what == MEM_SYNC)
			synced = n + 1;
	}
	return tried;
}

static unsigned all_fulls(const struct scenario *s,
			  const struct vhd_mem *before, bool on)
{
	unsigned tried = 0;
	const char *why;
	struct vhd_mem m;
	int rc;

	do {
		vhd_mem_copy(&m, before);
		vhd_mem_fail(&m, ++tried, -ENOSPC, on);
		rc = run(s, &m);
		vhd_mem_fail(&m, 0, 0, false);
		why = judge(s, &m, s->strict && !on);
		vhd_mem_free(&m);
		if (why)
			fail_at(s, on ? "full from" : "no room for", tried, 0,
				why);
	} while (rc);
	return tried;
}

static void campaign(const struct scenario *s)
{
	struct vhd_mem before, log;
	unsigned cuts, fulls;
	const char *why;

	vhd_mem_init(&before);
	s->prepare(&before);
	if (s->leaf && s->run != run_revert)
		assert_true(read_all(&before, s->leaf, content));
	if (!s->made || !read_all(&before, s->made, old_content))
		memset(old_content, 0, sizeof(old_content));
	vhd_mem_copy(&log, &before);
	log.record = true;
	assert_int_equal(run(s, &log), 0);
	log.record = false;
	why = s->judge ? s->judge(&log) : NULL;
	if (why)
		fail_at(s, "when done", log.n, 0, why);
	cuts = all_cuts(s, &before, &log);
	fulls = all_fulls(s, &before, false) + all_fulls(s, &before, true);
	print_message("# %s: %u cut points, %u full disks\n", s->name, cuts,
		      fulls);
	vhd_mem_free(&log);
	vhd_mem_free(&before);
}

/* --- the tests ----------------------------------------------------------- */

static void a_cut_create_leaves_nothing_or_all(void **state)
{
	(void)state;
	campaign(&(struct scenario){ .name = "create",
				     .prepare = one_image,
				     .run = run_create,
				     .leaf = "a",
				     .made = "n" });
}

static void creating_over_an_old_image_leaves_no_mixture(void **state)
{
	(void)state;
	campaign(&(struct scenario){ .name = "create over",
				     .prepare = over_an_old_one,
				     .run = run_create,
				     .leaf = "b",
				     .made = "n" });
}

static void a_cut_snapshot_leaves_nothing_or_all(void **state)
{
	(void)state;
	campaign(&(struct scenario){ .name = "snapshot",
				     .prepare = one_image,
				     .run = run_snapshot,
				     .leaf = "a",
				     .made = "n" });
}

static void a_cut_set_leaves_old_or_new(void **state)
{
	static const struct scenario all[] = {
		{ .name = "set hidden", .fn = hide },
		{ .name = "set marker", .fn = mark },
		{ .name = "key -s", .fn = set_key },
		{ .name = "modify -s", .fn = longer },
		{ .name = "open and close", .fn = touch },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct scenario s = all[i];

		s.prepare = one_image;
		s.leaf = "a";
		campaign(&s);
	}
}

static void a_cut_repair_can_be_repaired(void **state)
{
	(void)state;
	campaign(&(struct scenario){ .name = "repair",
				     .prepare = dead_image,
				     .run = run_repair,
				     .leaf = "a" });
}

static void a_cut_coalesce_changes_nothing_a_child_sees(void **state)
{
	(void)state;
	campaign(&(struct scenario){ .name = "coalesce",
				     .prepare = chain_of_two,
				     .run = run_coalesce,
				     .judge = parent_has_all,
				     .strict = true,
				     .leaf = "b" });
}

static void a_cut_fill_changes_nothing_a_guest_sees(void **state)
{
	(void)state;
	campaign(&(struct scenario){ .name = "fill",
				     .prepare = chain_of_two,
				     .run = run_fill,
				     .strict = true,
				     .leaf = "b" });
}

static void a_cut_resize_can_be_reverted(void **state)
{
	(void)state;
	campaign(&(struct scenario){ .name = "resize -f",
				     .prepare = one_image,
				     .run = run_resize_fast,
				     .leaf = "a" });
	campaign(&(struct scenario){ .name = "resize -j",
				     .prepare = one_image,
				     .run = run_resize,
				     .judge = is_larger,
				     .leaf = "a" });
	campaign(&(struct scenario){ .name = "resize -j of a child",
				     .prepare = chain_of_two,
				     .run = run_resize_child,
				     .judge = is_larger,
				     .leaf = "b" });
}

static void a_cut_revert_can_be_reverted(void **state)
{
	(void)state;
	campaign(&(struct scenario){ .name = "revert",
				     .prepare = half_resized,
				     .run = run_revert,
				     .judge = old_again,
				     .leaf = "a" });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_create_leaves_nothing_or_all),
		cmocka_unit_test(creating_over_an_old_image_leaves_no_mixture),
		cmocka_unit_test(a_cut_snapshot_leaves_nothing_or_all),
		cmocka_unit_test(a_cut_set_leaves_old_or_new),
		cmocka_unit_test(a_cut_repair_can_be_repaired),
		cmocka_unit_test(a_cut_coalesce_changes_nothing_a_child_sees),
		cmocka_unit_test(a_cut_resize_can_be_reverted),
		cmocka_unit_test(a_cut_revert_can_be_reverted),
		cmocka_unit_test(a_cut_fill_changes_nothing_a_guest_sees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
