/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhd_test.c - cuts a recorded workload of a VHD at every point.
 *
 * A leaf lies on a medium that answers in any order and logs (tests/lib/
 * store.h).  For every entry of the log the file is made again as it may be
 * if all ends there, checked, opened for writing, read, closed, and checked:
 *
 *  - the process is killed: what was answered is in the file; what was only
 *    asked for is not, or is. A write that the disk answered is there; one
 *    that it did not is there or not, sector by sector;
 *  - the power is cut: what a flush made durable is there; of the rest any
 *    part. What the disk flushed is there; what it only answered is there
 *    or not.
 *
 * One thing is weaker in a power cut. A bit may be kept whose data is lost,
 * if nobody flushed in between: then a sector of a differencing image, or in
 * space that was used before, is neither old nor new. Such sectors are torn;
 * they must be among those with a write that was not flushed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "tests/lib/rig.h"
#include "tests/lib/store.h"
#include "tests/lib/test.h"
#include "tests/lib/vhd-make.h"
#include "vhd/vhd.h"

#define BLOCK   (2u << 20)
#define SIZE    (5 * BLOCK)
#define AREA    64 /* sectors at the start of each block that are used */
#define BLOCKS  4
#define SECTORS (BLOCKS * AREA)
#define WRITES  28
#define SUBSETS 5
#define USED    7    /* places that hold old bytes */
#define PARENTS 1000 /* what the parent has in all of block 1 and 2 */

enum note {
	NOTE_ASK,
	NOTE_ACK,
	NOTE_FLUSH,
	NOTE_FLUSHED,
};

struct write {
	struct mem_op op;
	unsigned first; /* of SECTORS */
	unsigned count;
	bool acked;
	uint8_t data[16 * 512];
};

struct scene {
	const char *name;
	bool child; /* over a parent with data */
	bool used;  /* in space that holds old bytes */
	bool torn;  /* may be, in a power cut */
};

static struct {
	const struct scene *scene;
	struct write w[WRITES];
	unsigned writes;
	uint8_t *start; /* of the file */
	uint64_t start_size;
	uint64_t seed;
	unsigned cuts, images, torn;
} run;

static uint64_t sector_off(unsigned s)
{
	return (uint64_t)(s / AREA) * BLOCK + (uint64_t)(s % AREA) * 512;
}

static void fill(uint8_t *sector, unsigned tag)
{
	for (unsigned i = 0; i < 512; i += 4)
		bytes_put_le32(sector + i, tag);
}

/* --- the workload --------------------------------------------------------- */

static bool overlaps(const struct write *a, const struct write *b)
{
	return a->first < b->first + b->count && b->first < a->first + a->count;
}

static void note_answers(void)
{
	for (unsigned i = 0; i < run.writes; i++) {
		struct write *w = &run.w[i];

		if (w->op.done && !w->acked) {
			w->acked = true;
			assert_int_equal(w->op.err, 0);
			store_note(NOTE_ACK, i);
		}
	}
}

static void turn_once(struct rig *rig)
{
	if (!loop_turn(rig->loop))
		usleep(0);
	note_answers();
}

static void start_write(struct rig *rig)
{
	struct write *w = &run.w[run.writes];

	w->count = 1 + store_random(&run.seed) % 16;
	w->first = store_random(&run.seed) % BLOCKS * AREA +
		   store_random(&run.seed) % (AREA - 16);
	for (unsigned i = 0; i < w->count; i++)
		fill(w->data + (size_t)i * 512, run.writes + 1);
	/* Two at once at one place have no order. */
	for (unsigned i = 0; i < run.writes; i++)
		while (!run.w[i].acked && overlaps(w, &run.w[i]))
			turn_once(rig);
	w->op = (struct mem_op){ .op = REQ_WRITE,
				 .off = sector_off(w->first),
				 .len = (uint64_t)w->count * 512,
				 .buf = w->data };
	store_note(NOTE_ASK, run.writes++);
	mem_ask(&rig->client, &w->op);
}

static void flush(struct rig *rig, unsigned n)
{
	struct mem_op op = { .op = REQ_FLUSH };

	store_note(NOTE_FLUSH, n);
	mem_ask(&rig->client, &op);
	while (!op.done)
		turn_once(rig);
	assert_int_equal(op.err, 0);
	store_note(NOTE_FLUSHED, n);
}

static void record(void)
{
	struct rig *rig = rig_new(NULL);
	unsigned flushes = 0;

	if (rig_open(rig, "vhd:store:leaf.vhd"))
		fail_msg("%s", rig->err.msg);
	while (run.writes < WRITES) {
		start_write(rig);
		while (store_random(&run.seed) % 3)
			turn_once(rig);
		if (store_random(&run.seed) % 7 == 0)
			flush(rig, flushes++);
	}
	rig_free(rig);
	note_answers();
}

static void setup_files(void)
{
	uint8_t *data = malloc(2 * BLOCK);
	struct rig *rig = rig_new(NULL);

	vhd_make("base.vhd", SIZE);
	assert_int_equal(rig_open(rig, "vhd:base.vhd"), 0);
	for (unsigned i = 0; i < 2 * BLOCK / 512; i++)
		fill(data + (size_t)i * 512, PARENTS);
	if (run.scene->child)
		assert_int_equal(rig_write(rig, BLOCK, data, 2 * BLOCK), 0);
	rig_free(rig);
	free(data);
	if (run.scene->child)
		vhd_make_child("leaf.vhd", "base.vhd");
	else
		assert_int_equal(rename("base.vhd", "leaf.vhd"), 0);
}

static void setup_store(uint64_t seed)
{
	store_new("leaf.vhd", seed);
	if (run.scene->used) {
		/* A crash has left bytes of all kinds, and no footer. */
		uint64_t at = store.size - 512;

		for (unsigned i = 0; i < USED; i++, at += BLOCK + 4096)
			memset(store.data + at, 0xee, AREA * 512 + 8192);
		store.size = at;
	}
	run.start_size = store.size;
	run.start = malloc(store.size);
	memcpy(run.start, store.data, store.size);
}

/* --- what there is after a cut -------------------------------------------- */

/* Whether what was asked at entry e is durable at the cut. */
static bool durable(unsigned e, unsigned cut)
{
	unsigned answered = 0;

	for (unsigned i = e + 1; i < cut; i++) {
		const struct store_entry *x = &store.log[i];

		if (x->what != STORE_ANSWERED)
			continue;
		if (x->entry == e)
			answered = i;
		else if (answered && x->op == REQ_FLUSH && x->entry > answered)
			return true;
	}
	return false;
}

static bool answered(unsigned e, unsigned cut)
{
	for (unsigned i = e + 1; i < cut; i++)
		if (store.log[i].what == STORE_ANSWERED &&
		    store.log[i].entry == e)
			return true;
	return false;
}

static void apply(int fd, const struct store_entry *e, uint64_t len)
{
	off_t end = lseek(fd, 0, SEEK_END);
	uint8_t zero[512] = { 0 };

	if (e->op == REQ_WRITE) {
		assert_int_equal(pwrite(fd, e->data, len, e->off), len);
	} else if (e->op == REQ_RESIZE) {
		assert_int_equal(ftruncate(fd, e->off), 0);
	} else if (e->op == REQ_ZERO) {
		for (uint64_t at = e->off; (off_t)at < end; at += 512)
			assert_int_equal(pwrite(fd, zero, 512, at), 512);
		if ((off_t)(e->off + e->len) > end)
			assert_int_equal(ftruncate(fd, e->off + e->len), 0);
	}
}

enum pick {
	PICK_NONE,
	PICK_ALL,
	PICK_SOME,
};

/* A page a time, those that are not zero. */
static void apply_start(int fd)
{
	static const uint8_t zero[4096];

	assert_int_equal(ftruncate(fd, run.start_size), 0);
	for (uint64_t at = 0; at < run.start_size; at += 4096) {
		uint64_t left = run.start_size - at;
		size_t len = left < 4096 ? left : 4096;

		if (memcmp(run.start + at, zero, len) != 0)
			assert_int_equal(pwrite(fd, run.start + at, len, at),
					 len);
	}
}

/* The file as it may be at the cut. */
static void make_again(unsigned cut, bool power, enum pick pick)
{
	int fd = open("cut.vhd", O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	apply_start(fd);
	for (unsigned i = 0; i < cut; i++) {
		const struct store_entry *e = &store.log[i];
		uint64_t len = e->len;
		bool sure;

		if (e->what != STORE_ASKED || e->op == REQ_FLUSH)
			continue;
		sure = power ? durable(i, cut) : answered(i, cut);
		if (!sure && pick == PICK_NONE)
			continue;
		if (!sure && pick == PICK_SOME && store_random(&run.seed) % 2)
			continue;
		if (!sure && pick == PICK_SOME &&
		    store_random(&run.seed) % 4 == 0)
			len = store_random(&run.seed) % (len / 512 + 1) * 512;
		apply(fd, e, len);
	}
	close(fd);
}

/* --- what must be there --------------------------------------------------- */

struct state {
	bool asked[WRITES];
	bool sure[WRITES]; /* acked, or durable */
};

static void state_at(struct state *st, unsigned cut, bool power)
{
	bool acked[WRITES] = { false };
	bool held[WRITES] = { false };

	memset(st, 0, sizeof(*st));
	for (unsigned i = 0; i < cut; i++) {
		const struct store_entry *e = &store.log[i];

		if (e->what != STORE_NOTE)
			continue;
		if (e->note == NOTE_ASK)
			st->asked[e->arg] = true;
		else if (e->note == NOTE_ACK)
			acked[e->arg] = true;
		else if (e->note == NOTE_FLUSH)
			memcpy(held, acked, sizeof(held));
		else
			memcpy(st->sure, held, sizeof(held));
	}
	if (!power)
		memcpy(st->sure, acked, sizeof(acked));
}

static unsigned old_tag(unsigned sector)
{
	unsigned block = sector / AREA;

	return run.scene->child && (block == 1 || block == 2) ? PARENTS : 0;
}

static bool whole(const uint8_t *sector)
{
	return !memcmp(sector, sector + 4, 508);
}

/* Nothing but what was last sure, or what was asked for after it. */
static void judge(const struct state *st, unsigned cut, bool power, unsigned s,
		  const uint8_t *data)
{
	unsigned tag = bytes_le32(data), sure = old_tag(s);
	bool open = false, found = false;

	for (unsigned i = 0; i < run.writes; i++) {
		const struct write *w = &run.w[i];

		if (s < w->first || s >= w->first + w->count || !st->asked[i])
			continue;
		if (st->sure[i]) {
			sure = i + 1;
			open = found = false;
			continue;
		}
		open = true;
		found |= tag == i + 1;
	}
	if (whole(data) && (tag == sure || found))
		return;
	if (!open || !power || !run.scene->torn)
		fail_msg("%s, entry %u, %s: sector %u is %x, not %u",
			 run.scene->name, cut, power ? "power" : "kill", s, tag,
			 sure);
	run.torn++;
}

/* A batmap that is cut in two is ignored, and written anew at the close. */
static void check(unsigned flags, unsigned cut)
{
	struct err err = { 0 };

	if (!vhd_check(vhd_files_local(), "cut.vhd",
		       flags | VHD_CHECK_PARENTS | VHD_CHECK_NO_TIME,
		       1700000001, &err))
		return;
	if (flags && !strcmp(err.msg, "batmap is invalid: invalid checksum"))
		return;
	fail_msg("%s, entry %u: %s", run.scene->name, cut, err.msg);
}

static void verify(struct rig *rig, unsigned cut, bool power)
{
	static uint8_t data[AREA * 512];
	struct state st;

	run.images++;
	check(VHD_CHECK_NO_PRIMARY, cut);
	if (rig_resume(rig, "vhd:cut.vhd"))
		fail_msg("%s, entry %u: %s", run.scene->name, cut,
			 rig->err.msg);
	state_at(&st, cut, power);
	for (unsigned b = 0; b < BLOCKS; b++) {
		assert_int_equal(
			rig_read(rig, (uint64_t)b * BLOCK, data, sizeof(data)),
			0);
		for (unsigned s = 0; s < AREA; s++)
			judge(&st, cut, power, b * AREA + s,
			      data + (size_t)s * 512);
	}
	assert_int_equal(rig_write(rig, 4ull * BLOCK, data, 4096), 0);
	assert_int_equal(rig_pause(rig), 0);
	check(0, cut);
}

static void cut_everywhere(void)
{
	struct rig *rig = rig_new(NULL);

	make_again(0, false, PICK_NONE);
	assert_int_equal(rig_open(rig, "vhd:cut.vhd"), 0);
	assert_int_equal(rig_pause(rig), 0);
	for (unsigned cut = 0; cut <= store.entries; cut++) {
		run.cuts++;
		make_again(cut, false, cut % 2 ? PICK_NONE : PICK_SOME);
		verify(rig, cut, false);
		for (unsigned i = 0; i < SUBSETS; i++) {
			make_again(cut, true,
				   i < PICK_SOME ? (enum pick)i : PICK_SOME);
			verify(rig, cut, true);
		}
	}
	rig_free(rig);
}

static void every_cut_leaves_what_was_promised(void **state)
{
	uint64_t seed = 1;
	const char *text = getenv("SEED");

	if (text)
		seed = strtoull(text, NULL, 0);
	memset(&run, 0, sizeof(run));
	run.scene = *state;
	run.seed = seed * 0x9e3779b97f4a7c15u;
	vhd_make_folder();
	setup_files();
	setup_store(seed);
	record();
	cut_everywhere();
	print_message("# %s: seed %llu, %u cuts, %u images, %u sectors torn\n",
		      run.scene->name, (unsigned long long)seed, run.cuts,
		      run.images, run.torn);
	free(run.start);
	store_free();
	vhd_make_gone();
}

static struct scene scenes[] = {
	{ .name = "new space" },
	{ .name = "over a parent", .child = true, .torn = true },
	{ .name = "used space", .used = true, .torn = true },
	{ .name = "used space over a parent",
	  .child = true,
	  .used = true,
	  .torn = true },
};

#define SCENE(n)                                                               \
	{                                                                      \
		"every_cut_leaves_what_was_promised: " #n,                     \
			every_cut_leaves_what_was_promised, NULL, NULL,        \
			&scenes[n]                                             \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(0),
		SCENE(1),
		SCENE(2),
		SCENE(3),
	};

	vhd_make_quick();
	return cmocka_run_group_tests_name("vhd crash", tests, NULL, NULL);
}
