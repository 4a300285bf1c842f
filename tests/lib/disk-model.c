/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk-model.c - random requests to a disk, against an array. */
#include "tests/lib/disk-model.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "tests/lib/store.h"
#include "tests/lib/test.h"

#define SECTOR 512u

struct dm *dm_new(struct rig *rig, uint64_t size, uint64_t seed)
{
	struct dm *dm = test_calloc(1, sizeof(*dm));

	dm->rig = rig;
	dm->sectors = size / SECTOR;
	dm->seed = (seed + 1) * 0x9e3779b97f4a7c15u;
	dm->largest = 64;
	dm->s = test_calloc(dm->sectors, sizeof(*dm->s));
	for (unsigned i = 0; i < DM_SLOTS; i++)
		dm->slot[i].buf = aligned_alloc(4096, DM_MOST * SECTOR);
	return dm;
}

void dm_free(struct dm *dm)
{
	for (unsigned i = 0; i < DM_SLOTS; i++)
		free(dm->slot[i].buf);
	test_free(dm->s);
	test_free(dm);
}

uint64_t dm_random(struct dm *dm, uint64_t below)
{
	return (store_random(&dm->seed) >> 11) % below;
}

static bool is_one_of(const struct dm_sector *s, uint32_t tag)
{
	if (s->any || tag == s->sure)
		return true;
	for (unsigned i = 0; i < s->maybes; i++)
		if (s->maybe[i] == tag)
			return true;
	return false;
}

static void judge(struct dm *dm, const struct dm_slot *slot)
{
	for (unsigned i = 0; i < slot->count; i++) {
		const uint8_t *data = slot->buf + (size_t)i * SECTOR;
		const struct dm_sector *s = &dm->s[slot->first + i];
		uint32_t tag = bytes_le32(data);

		if (s->any)
			continue;
		if (memcmp(data, data + 4, SECTOR - 4) != 0 ||
		    !is_one_of(s, tag))
			fail_msg(
				"sector %u holds %u, not %u, after %u requests",
				slot->first + i, tag, s->sure, dm->done);
	}
}

/* What is told to be zero must be. */
static void judge_extents(struct dm *dm, const struct dm_slot *slot)
{
	unsigned at = slot->first;

	assert_in_range(slot->extents.count, 1, slot->extents.max);
	for (unsigned i = 0; i < slot->extents.count; i++) {
		unsigned end = at + slot->ext[i].len / SECTOR;

		assert_true(end > at && end <= slot->first + slot->count);
		for (; at < end; at++)
			if (slot->ext[i].flags & EXTENT_ZERO &&
			    !is_one_of(&dm->s[at], 0))
				fail_msg("sector %u told to be zero", at);
	}
}

static void changed(struct dm_sector *s, const struct dm_slot *slot)
{
	if (slot->op.op == REQ_DISCARD) {
		s->any = true;
		return;
	}
	if (!slot->op.err) {
		*s = (struct dm_sector){ .sure = slot->tag };
		return;
	}
	if (s->maybes < DM_MAYBE)
		s->maybe[s->maybes++] = slot->tag;
	else
		s->any = true;
}

static void finish(struct dm *dm, struct dm_slot *slot)
{
	enum req_op op = slot->op.op;
	int err = slot->op.err;

	slot->busy = false;
	dm->done++;
	if (err && (!dm->errors || err != -EIO))
		fail_msg("request %d at sector %u: %d", op, slot->first, err);
	dm->failed += err != 0;
	if (op == REQ_READ && !err)
		judge(dm, slot);
	else if (op == REQ_EXTENTS && !err)
		judge_extents(dm, slot);
	else if (op == REQ_WRITE || op == REQ_ZERO || op == REQ_DISCARD)
		for (unsigned i = 0; i < slot->count; i++)
			changed(&dm->s[slot->first + i], slot);
}

static bool reap(struct dm *dm)
{
	bool busy = false;

	for (unsigned i = 0; i < DM_SLOTS; i++) {
		if (dm->slot[i].busy && dm->slot[i].op.done)
			finish(dm, &dm->slot[i]);
		busy |= dm->slot[i].busy;
	}
	return busy;
}

static void turn(struct dm *dm)
{
	if (!loop_turn(dm->rig->loop))
		sched_yield();
	(void)reap(dm);
}

void dm_drain(struct dm *dm)
{
	while (reap(dm))
		turn(dm);
}

static bool overlaps(const struct dm *dm, unsigned first, unsigned count)
{
	for (unsigned i = 0; i < DM_SLOTS; i++) {
		const struct dm_slot *x = &dm->slot[i];

		if (x->busy && first < x->first + x->count &&
		    x->first < first + count)
			return true;
	}
	return false;
}

static struct dm_slot *free_slot(struct dm *dm)
{
	for (;;) {
		for (unsigned i = 0; i < DM_SLOTS; i++)
			if (!dm->slot[i].busy)
				return &dm->slot[i];
		turn(dm);
	}
}

void dm_start_at(struct dm *dm, enum req_op op, unsigned first, unsigned count)
{
	struct dm_slot *slot;

	while (overlaps(dm, first, count))
		turn(dm);
	slot = free_slot(dm);
	slot->busy = true;
	slot->first = first;
	slot->count = count;
	slot->tag = op == REQ_WRITE ? ++dm->tag : 0;
	slot->extents = (struct extents){ .max = 1 + dm_random(dm, 8),
					  .ext = slot->ext };
	slot->op = (struct mem_op){ .op = op,
				    .off = (uint64_t)first * SECTOR,
				    .len = (uint64_t)count * SECTOR,
				    .buf = slot->buf,
				    .extents = &slot->extents };
	for (size_t i = 0; op == REQ_WRITE && i < count * SECTOR; i += 4)
		bytes_put_le32(slot->buf + i, slot->tag);
	mem_ask(&dm->rig->client, &slot->op);
}

void dm_start(struct dm *dm, enum req_op op)
{
	unsigned most = dm_random(dm, 8) ? 16 : dm->largest;
	unsigned count = 1 + dm_random(dm, most);
	unsigned first;

	/* One in two near a place that was used before: the disk's start. */
	first = dm_random(dm, 2) ? dm_random(dm, 256)
				 : dm_random(dm, dm->sectors);
	if (first > dm->sectors - count)
		first = dm->sectors - count;
	if (op == REQ_FLUSH)
		first = count = 0;
	dm_start_at(dm, op, first, count);
}

void dm_step(struct dm *dm)
{
	static const enum req_op ops[] = {
		REQ_READ,  REQ_READ,  REQ_READ,    REQ_WRITE,
		REQ_WRITE, REQ_WRITE, REQ_WRITE,   REQ_WRITE,
		REQ_ZERO,  REQ_FLUSH, REQ_EXTENTS,
	};

	dm_start(dm, dm_random(dm, 50) ? ops[dm_random(dm, ARRAY_SIZE(ops))]
				       : REQ_DISCARD);
	if (dm_random(dm, 3) == 0)
		turn(dm);
}

void dm_verify(struct dm *dm)
{
	unsigned step = DM_MOST;

	dm_drain(dm);
	for (unsigned at = 0; at < dm->sectors; at += step) {
		unsigned left = dm->sectors - at;

		dm_start_at(dm, REQ_READ, at, left < step ? left : step);
	}
	dm_drain(dm);
}
