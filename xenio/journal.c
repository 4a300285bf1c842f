/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * journal.c - one ring's part of a disk's journal.
 *
 * The memory outlives us, and whoever reads it next is another process: each
 * store that the order of journal.h depends on is an atomic one, so that the
 * compiler keeps them in a row.  The processor need not be told: a process
 * that died has made all of its stores.
 */
#include "xenio/journal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

#define MAGIC  UINT64_C(0x6c6e726a6b6c6276) /* "vblkjrnl" */
#define LAYOUT 1u
#define HEAD   4096u

enum {
	FREE,
	BUSY,
	DONE
};

struct slot {
	uint32_t state;
	uint32_t answer_index;
	int32_t status;
	uint32_t nr_segs;
	uint64_t place;
	uint64_t id;
	uint64_t sector;
	uint64_t sectors;
	uint8_t op;
	uint8_t answer_op;
	uint8_t indirect;
	uint8_t pad[5];
	struct ring_seg segs[RING_SEGS_DIRECT]; /* or an indirect's grefs */
	uint8_t spare[48];
};

struct part {
	uint64_t magic;
	uint32_t version;
	uint32_t begun;
	uint64_t req_cons; /* its low 32 bits are the ring's */
	uint8_t spare[HEAD - 24];
	struct slot slots[JOURNAL_SLOTS];
};

_Static_assert(sizeof(struct slot) == 192, "another version");
_Static_assert(sizeof(struct part) % 4096 == 0, "parts are pages");
_Static_assert(sizeof(((struct slot *)0)->segs) >=
		       sizeof(((struct ring_req *)0)->indirect_grefs),
	       "an indirect's grefs have room");

struct journal {
	struct part *part;
	unsigned left;                /* slots that journal_left() has seen */
	uint16_t free[JOURNAL_SLOTS]; /* the last is used next */
	unsigned nr_free;
};

size_t journal_size(unsigned rings)
{
	return rings * sizeof(struct part);
}

int journal_new(struct journal **out, void *mem, size_t size, unsigned ring,
		struct err *err)
{
	struct part *part = (struct part *)mem + ring;
	struct journal *j;
	unsigned i;

	if (size / sizeof(struct part) <= ring)
		return err_set(err, -EINVAL, "journal has no ring %u", ring);
	if (!part->magic && !part->begun) {
		part->version = LAYOUT;
		__atomic_store_n(&part->magic, MAGIC, __ATOMIC_RELEASE);
	}
	if (part->magic != MAGIC || part->version != LAYOUT)
		return err_set(err, -EPROTO, "journal is not one of ours");
	j = calloc(1, sizeof(*j));
	if (!j)
		return err_set(err, -ENOMEM, "journal: no memory");
	j->part = part;
	for (i = JOURNAL_SLOTS; i > 0 && !part->begun; i--)
		j->free[j->nr_free++] = (uint16_t)(i - 1);
	*out = j;
	return 0;
}

void journal_free(struct journal *j)
{
	free(j);
}

bool journal_begin(struct journal *j, uint32_t req_cons)
{
	struct part *part = j->part;

	if (part->begun)
		return false;
	__atomic_store_n(&part->req_cons, req_cons, __ATOMIC_RELEASE);
	__atomic_store_n(&part->begun, 1, __ATOMIC_RELEASE);
	j->left = JOURNAL_SLOTS;
	return true;
}

uint32_t journal_req_cons(const struct journal *j)
{
	return (uint32_t)j->part->req_cons;
}

static void set_state(struct slot *s, uint32_t state)
{
	__atomic_store_n(&s->state, state, __ATOMIC_RELEASE);
}

/* --- after a crash ------------------------------------------------------ */

/* Whether its kind can have so many segments. */
static bool slot_counts(const struct slot *s)
{
	bool data = s->op == RING_READ || s->op == RING_WRITE;

	if (s->op > RING_DISCARD || s->indirect > 1)
		return false;
	if (s->indirect)
		return data && s->nr_segs && s->nr_segs <= RING_SEGS_INDIRECT;
	if (s->op == RING_DISCARD)
		return !s->nr_segs;
	return s->nr_segs <= RING_SEGS_DIRECT && (s->nr_segs || !data);
}

/* The request in a slot, held to what the ring promises of one. */
static int slot_req(const struct slot *s, struct ring_req *out)
{
	uint64_t end, sum = 0;
	unsigned i;

	if (!slot_counts(s))
		return -EPROTO;
	out->id = s->id;
	out->op = (enum ring_op)s->op;
	out->answer_op = s->answer_op;
	out->indirect = s->indirect;
	out->sector = s->sector;
	out->sectors = s->sectors;
	out->nr_segs = s->nr_segs;
	if (s->indirect)
		memcpy(out->indirect_grefs, s->segs,
		       sizeof(out->indirect_grefs));
	else
		memcpy(out->segs, s->segs, s->nr_segs * sizeof(*s->segs));
	for (i = 0; i < s->nr_segs && !s->indirect; i++) {
		if (s->segs[i].last > 7 || s->segs[i].first > s->segs[i].last)
			return -EPROTO;
		sum += s->segs[i].last - s->segs[i].first + 1u;
	}
	if (__builtin_add_overflow(s->sector, s->sectors, &end) ||
	    (s->op != RING_DISCARD && s->sectors != sum))
		return -EPROTO;
	return 0;
}

/* 1 or 2 as journal_left(), 0 if there is nothing to do for it. */
static int slot_left(const struct part *part, const struct slot *s,
		     uint32_t rsp_prod)
{
	uint32_t ahead = s->answer_index - rsp_prod;

	switch (s->state) {
	case FREE:
		return 0;
	case BUSY:
		return s->place < part->req_cons;
	case DONE:
		/* Its answer is at most a ring ahead of what was shown. */
		return ahead < JOURNAL_SLOTS ? 2 : 0;
	default:
		return -EPROTO;
	}
}

int journal_left(struct journal *j, uint32_t rsp_prod, unsigned *slot,
		 struct ring_req *out, int16_t *status)
{
	struct slot *s;
	int what, rc;

	while (j->left < JOURNAL_SLOTS) {
		s = &j->part->slots[j->left];
		what = slot_left(j->part, s, rsp_prod);
		rc = what > 0 ? slot_req(s, out) : what;
		if (rc)
			return rc;
		j->left++;
		if (what) {
			*slot = (unsigned)(s - j->part->slots);
			*status = (int16_t)s->status;
			return what;
		}
		if (s->state != FREE)
			set_state(s, FREE);
		j->free[j->nr_free++] = (uint16_t)(s - j->part->slots);
	}
	return 0;
}

/* --- while serving ------------------------------------------------------ */

unsigned journal_take(struct journal *j, uint32_t index,
		      const struct ring_req *req)
{
	struct part *part = j->part;
	unsigned n;
	struct slot *s;

	assert(j->left == JOURNAL_SLOTS && j->nr_free > 0);
	assert((uint32_t)part->req_cons == index);
	n = j->free[--j->nr_free];
	s = &part->slots[n];
	s->place = part->req_cons;
	s->id = req->id;
	s->op = (uint8_t)req->op;
	s->answer_op = req->answer_op;
	s->indirect = req->indirect;
	s->sector = req->sector;
	s->sectors = req->sectors;
	s->nr_segs = req->nr_segs;
	if (req->indirect)
		memcpy(s->segs, req->indirect_grefs,
		       sizeof(req->indirect_grefs));
	else
		memcpy(s->segs, req->segs, req->nr_segs * sizeof(*req->segs));
	set_state(s, BUSY);
	__atomic_store_n(&part->req_cons, part->req_cons + 1, __ATOMIC_RELEASE);
	return n;
}

void journal_done(struct journal *j, unsigned slot, uint32_t answer_index,
		  int16_t status)
{
	struct slot *s = &j->part->slots[slot];

	__atomic_store_n(&s->answer_index, answer_index, __ATOMIC_RELEASE);
	__atomic_store_n(&s->status, status, __ATOMIC_RELEASE);
	set_state(s, DONE);
}

void journal_pushed(struct journal *j, unsigned slot)
{
	set_state(&j->part->slots[slot], FREE);
	j->free[j->nr_free++] = (uint16_t)slot;
}
