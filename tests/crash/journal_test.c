/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * journal_test.c - die before any store to the ring or the journal, start
 * again, and the guest gets one answer to each request, neither none nor two.
 *
 * The two files are compiled in here with their atomic stores counted; death
 * is a jump out of one that does not happen any more.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned stores_left; /* until death; 0: lives for ever */
static jmp_buf death;

static void tick(void)
{
	if (stores_left && !--stores_left)
		longjmp(death, 1);
}

/* NOLINTBEGIN(bugprone-reserved-identifier,bugprone-suspicious-include): as
 * the head of this file says. */
#define __atomic_store_n(p, v, order)                                          \
	(tick(), __atomic_store((p), &(__typeof__(*(p))){ (v) }, (order)))
#include "xenio/journal.c"
#undef PAGE
#undef HEADER
#undef SLOT
#define slot  ring_slot
#define store ring_store
#define load  ring_load
#include "xenio/ring.c"
#undef slot
#undef store
#undef load
#undef __atomic_store_n
/* NOLINTEND(bugprone-reserved-identifier,bugprone-suspicious-include) */

#include "tests/lib/front.h"

#define IDS 600

/* What one process knows; gone when it dies. */
struct server {
	struct ring *ring;
	struct journal *journal;
	unsigned nr_busy;
	unsigned nr_unseen;
	struct {
		unsigned slot;
		struct ring_req req;
	} busy[32];
	unsigned unseen[32]; /* slots whose answers are not pushed */
};

struct world {
	struct front front;
	uint8_t *pages;
	uint8_t *memory; /* the journal's */
	struct server server;
	unsigned seed;
	uint64_t asked; /* requests so far */
	unsigned seen[IDS];
	unsigned served[IDS];
	unsigned deaths;
};

static unsigned chance(struct world *w, unsigned of)
{
	w->seed = w->seed * 1664525 + 1013904223;
	return (w->seed >> 16) % of;
}

static void world_new(struct world *w, unsigned seed)
{
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->pages = aligned_alloc(4096, 4096);
	w->memory = calloc(1, journal_size(2));
	front_init(&w->front, &front_layouts[2], w->pages, 4096);
}

static void world_free(struct world *w)
{
	ring_free(w->server.ring);
	journal_free(w->server.journal);
	free(w->pages);
	free(w->memory);
}

/* --- the server ----------------------------------------------------------- */

static void server_answer(struct world *w, unsigned n)
{
	struct server *s = &w->server;
	const struct ring_req *r = &s->busy[n].req;
	uint32_t index;

	assert_true(r->id < IDS);
	assert_int_equal(r->sector, r->id * 8);
	w->served[r->id]++;
	index = ring_answer(s->ring, r->id, r->answer_op,
			    (int16_t) - (r->id % 2));
	journal_done(s->journal, s->busy[n].slot, index,
		     (int16_t) - (r->id % 2));
	s->unseen[s->nr_unseen++] = s->busy[n].slot;
	s->busy[n] = s->busy[--s->nr_busy];
}

static void server_push(struct world *w)
{
	struct server *s = &w->server;

	(void)ring_push(s->ring); /* the guest looks anyway */
	while (s->nr_unseen)
		journal_pushed(s->journal, s->unseen[--s->nr_unseen]);
}

static void server_take(struct world *w)
{
	struct server *s = &w->server;
	struct ring_req *r;

	if (s->nr_busy == 32)
		return;
	r = &s->busy[s->nr_busy].req;
	if (ring_peek(s->ring, r) != 1)
		return;
	s->busy[s->nr_busy].slot =
		journal_take(s->journal, ring_take(s->ring), r);
	s->nr_busy++;
}

static void server_step(struct world *w)
{
	switch (chance(w, 4)) {
	case 0:
	case 1:
		server_take(w);
		break;
	case 2:
		if (w->server.nr_busy)
			server_answer(w, chance(w, w->server.nr_busy));
		break;
	default:
		server_push(w);
		break;
	}
}

/* A new process in place of the last. */
static void server_start(struct world *w)
{
	struct server *s = &w->server;
	struct ring_req req;
	int16_t status;
	unsigned n;
	int what;

	ring_free(s->ring);
	journal_free(s->journal);
	memset(s, 0, sizeof(*s));
	assert_int_equal(ring_new(&s->ring, w->pages, 4096, RING_X86_32), 0);
	assert_int_equal(
		journal_new(&s->journal, w->memory, journal_size(2), 1, NULL),
		0);
	if (journal_begin(s->journal, front_get(&w->front, FRONT_RSP_PROD)))
		return;
	assert_int_equal(ring_seek(s->ring, journal_req_cons(s->journal)), 0);
	while ((what = journal_left(s->journal,
				    front_get(&w->front, FRONT_RSP_PROD), &n,
				    &req, &status)) > 0) {
		if (what == 1) {
			s->busy[s->nr_busy].slot = n;
			s->busy[s->nr_busy++].req = req;
			continue;
		}
		assert_int_equal(status, -(int)(req.id % 2));
		journal_done(
			s->journal, n,
			ring_answer(s->ring, req.id, req.answer_op, status),
			status);
		s->unseen[s->nr_unseen++] = n;
	}
	assert_int_equal(what, 0);
	server_push(w);
}

/* --- the guest ------------------------------------------------------------ */

static void guest_step(struct world *w)
{
	int16_t status;
	uint64_t id;
	uint8_t op;

	while (front_answer(&w->front, &id, &op, &status)) {
		assert_true(id < w->asked);
		assert_int_equal(op, id % 3 == 0);
		assert_int_equal(status, -(int)(id % 2));
		assert_int_equal(++w->seen[id], 1);
	}
	while (w->asked < IDS && w->front.prod - w->front.rsp_cons < 32 &&
	       chance(w, 3)) {
		id = w->asked++;
		(void)front_req(&w->front, id % 3 == 0, id, id * 8, 3, 7);
	}
	(void)front_push(&w->front); /* the server looks anyway */
}

/* Until all is answered, dying when stores_left says so. */
static void live(struct world *w, unsigned dies_again)
{
	volatile unsigned left = 100000;

	if (setjmp(death)) {
		w->deaths++;
		if (dies_again)
			stores_left = 1 + chance(w, dies_again);
	}
	server_start(w);
	while (left-- && w->front.rsp_cons < IDS) {
		guest_step(w);
		server_step(w);
	}
	stores_left = 0;
	assert_true(left > 0);
	guest_step(w);
	for (unsigned id = 0; id < IDS; id++) {
		assert_int_equal(w->seen[id], 1);
		assert_true(w->served[id] >= 1);
	}
}

static void one_death_before_any_store_is_not_noticed(void **state)
{
	struct world w;
	unsigned n = 0;

	(void)state;
	do {
		world_new(&w, 42);
		stores_left = ++n;
		live(&w, 0);
		world_free(&w);
	} while (w.deaths && n < 1500);
	assert_true(n > 1000);
}

static void many_deaths_are_not_noticed(void **state)
{
	struct world w;
	unsigned seed, deaths = 0;

	(void)state;
	for (seed = 1; seed < 60; seed++) {
		world_new(&w, seed);
		stores_left = 5;
		live(&w, 200 + seed * 5);
		deaths += w.deaths;
		world_free(&w);
	}
	assert_true(deaths > 500);
}

/* --- what cannot be ------------------------------------------------------- */

static void what_is_no_journal_is_refused(void **state)
{
	struct journal *j;
	struct world w;

	(void)state;
	world_new(&w, 1);
	assert_int_equal(journal_new(&j, w.memory, journal_size(2), 2, NULL),
			 -EINVAL);
	assert_int_equal(journal_new(&j, w.memory, journal_size(2), 1, NULL),
			 0);
	journal_free(j);
	w.memory[journal_size(1)] ^= 1;
	assert_int_equal(journal_new(&j, w.memory, journal_size(2), 1, NULL),
			 -EPROTO);
	assert_int_equal(journal_new(&j, w.memory, journal_size(2), 0, NULL),
			 0);
	journal_free(j);
	world_free(&w);
}

static void an_indirect_request_comes_back_with_its_pages(void **state)
{
	struct ring_req r = { .id = 5, .op = RING_WRITE, .answer_op = 1 };
	struct journal *j;
	struct world w;
	int16_t status;
	unsigned n, i;

	(void)state;
	world_new(&w, 1);
	r.indirect = true;
	r.nr_segs = 200;
	r.sector = 77;
	for (i = 0; i < RING_GREFS_INDIRECT; i++)
		r.indirect_grefs[i] = 900 + i;
	assert_int_equal(journal_new(&j, w.memory, journal_size(1), 0, NULL),
			 0);
	assert_true(journal_begin(j, 0xfffffffe));
	n = journal_take(j, 0xfffffffe, &r);
	journal_free(j);
	memset(&r, 0xee, sizeof(r));
	assert_int_equal(journal_new(&j, w.memory, journal_size(1), 0, NULL),
			 0);
	assert_false(journal_begin(j, 0));
	assert_int_equal(journal_req_cons(j), 0xffffffff);
	assert_int_equal(journal_left(j, 0xfffffffe, &i, &r, &status), 1);
	assert_int_equal(i, n);
	assert_true(r.indirect);
	assert_int_equal(r.nr_segs, 200);
	assert_int_equal(r.sector, 77);
	assert_int_equal(r.indirect_grefs[7], 907);
	assert_int_equal(journal_left(j, 0xfffffffe, &i, &r, &status), 0);
	journal_free(j);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test(f)
		T(one_death_before_any_store_is_not_noticed),
		T(many_deaths_are_not_noticed),
		T(what_is_no_journal_is_refused),
		T(an_indirect_request_comes_back_with_its_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
