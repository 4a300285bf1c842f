/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring_test.c - a guest's ring over a whole stack, when Xen or the guest is
 * against us.
 *
 * A guest writes stamped blocks, flushes, and reads them back, over a disk
 * that is paused in between. Whatever fails: each request is answered, what
 * was answered well is on the disk, a read that was answered well brought
 * what is there, and nothing is left mapped or bound.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/guest.h"
#include "tests/lib/hold.h"
#include "tests/lib/rig.h"
#include "tests/lib/test.h"

#define DISK   "hold:"
#define BLOCKS 16u

struct story {
	struct rig *rig;
	struct guest *g;
	unsigned asked;
	unsigned answered;
	enum req_op op[GUEST_DEPTH];
	uint8_t stamp[GUEST_DEPTH]; /* that a request has, or must bring */
	uint8_t on_disk[BLOCKS];    /* what was answered well; 0: not known */
};

static uint8_t *page(struct story *s, unsigned tag)
{
	return s->g->data + (size_t)tag * XEN_FAKE_PAGE;
}

static void collect(struct story *s)
{
	unsigned tag, block;
	int16_t status;

	while (guest_answer(s->g, &tag, &status)) {
		s->answered++;
		block = tag % BLOCKS;
		if (s->op[tag] == REQ_WRITE)
			s->on_disk[block] = status ? 0 : s->stamp[tag];
		if (s->op[tag] == REQ_READ && !status && s->on_disk[block])
			assert_int_equal(page(s, tag)[4095], s->on_disk[block]);
	}
}

/* Until all is answered; time goes on, as retries need it. */
static void finish(struct story *s)
{
	unsigned left = 100;

	rig_settle(s->rig);
	collect(s);
	while (s->answered < s->asked && left--) {
		rig_pass(s->rig, 50000000);
		collect(s);
	}
	assert_int_equal(s->answered, s->asked);
}

static void ask(struct story *s, enum req_op op, unsigned tag, uint8_t stamp)
{
	s->op[tag] = op;
	s->stamp[tag] = stamp;
	memset(page(s, tag), op == REQ_WRITE ? stamp : 0, XEN_FAKE_PAGE);
	guest_ask(s->g, tag, op, (uint64_t)(tag % BLOCKS) * XEN_FAKE_PAGE);
	s->asked++;
}

static void tell(struct story *s, uint8_t stamp)
{
	unsigned i;

	for (i = 0; i < BLOCKS; i++)
		ask(s, REQ_WRITE, i, (uint8_t)(stamp + i));
	finish(s);
	ask(s, REQ_FLUSH, 0, 0);
	assert_int_equal(rig_pause(s->rig), 0);
	ask(s, REQ_WRITE, 1, (uint8_t)(stamp + 100));
	assert_int_equal(rig_resume(s->rig, NULL), 0);
	finish(s);
	for (i = 0; i < BLOCKS; i++)
		ask(s, REQ_READ, BLOCKS + i, 0);
	finish(s);
}

static void sweep(bool persistent)
{
	struct story s;
	struct xen_fake *fake;
	bool failed = true;
	unsigned n;

	for (n = 1; failed; n++) {
		assert_true(n < 300);
		memset(&s, 0, sizeof(s));
		hold_reset();
		hold.pass = true;
		s.rig = rig_new(NULL);
		assert_int_equal(rig_open(s.rig, DISK), 0);
		fake = guest_xen();
		xen_fake_fail(fake, XEN_FAKE_ANY, n, -EIO);
		s.g = guest_new(s.rig, fake, persistent);
		if (s.g) {
			rig_settle(s.rig);
			tell(&s, 1);
			tell(&s, 101);
		}
		failed = xen_fake_failed(fake);
		assert_true(s.g || failed);
		rig_free(s.rig);
		if (s.g)
			guest_free(s.g);
		assert_int_equal(xen_fake_mapped(fake), 0);
		assert_int_equal(xen_fake_bound(fake), 0);
		xen_fake_free(fake);
	}
	assert_true(n > 20);
}

static void any_call_of_xen_fails_once(void **state)
{
	(void)state;
	sweep(false);
}

static void any_call_of_xen_fails_once_with_pages_that_stay(void **state)
{
	(void)state;
	sweep(true);
}

/* --- a guest that writes anything anywhere -------------------------------- */

struct vandal {
	struct guest *g;
	atomic_bool stop;
};

static void *vandal_run(void *arg)
{
	struct vandal *v = arg;
	uint32_t *ring = (uint32_t *)(void *)v->g->front.pages;
	uint32_t x = 4711, at;

	while (!atomic_load(&v->stop)) {
		x = x * 1664525 + 1013904223;
		at = 16 + (x >> 8) % (1024 - 16);
		__atomic_store_n(ring + at, x & (x >> 3) & 0x0707073f,
				 __ATOMIC_RELAXED);
		if (x >> 29)
			continue;
		/* A producer that is believable. */
		__atomic_store_n(ring,
				 __atomic_load_n(ring + 2, __ATOMIC_RELAXED) +
					 (x >> 20 & 31),
				 __ATOMIC_RELAXED);
		xen_fake_kick(v->g->fake, v->g->port);
	}
	return NULL;
}

static void a_vandal_leaves_the_disk_to_others(void **state)
{
	char buf[512] = "theirs", back[512];
	unsigned i, round;

	(void)state;
	for (round = 0; round < 10; round++) {
		struct rig *rig = rig_new(NULL);
		struct xen_fake *fake = guest_xen();
		struct vandal v = { 0 };
		pthread_t thread;

		hold_reset();
		hold.pass = true;
		assert_int_equal(rig_open(rig, DISK), 0);
		v.g = guest_new(rig, fake, round % 2);
		assert_non_null(v.g);
		assert_int_equal(pthread_create(&thread, NULL, vandal_run, &v),
				 0);
		for (i = 0; i < 200 && v.g->ch; i++) {
			(void)loop_turn(rig->loop); /* some are idle */
			rig->now_ns += 100000;
			loop_set_now_ns(rig->loop, rig->now_ns);
		}
		atomic_store(&v.stop, true);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(rig_write(rig, 65536 * 8, buf, 512), 0);
		assert_int_equal(rig_read(rig, 65536 * 8, back, 512), 0);
		assert_memory_equal(back, buf, 512);
		rig_free(rig);
		guest_free(v.g);
		assert_int_equal(xen_fake_mapped(fake), 0);
		assert_int_equal(xen_fake_bound(fake), 0);
		xen_fake_free(fake);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_call_of_xen_fails_once),
		cmocka_unit_test(
			any_call_of_xen_fails_once_with_pages_that_stay),
		cmocka_unit_test(a_vandal_leaves_the_disk_to_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
