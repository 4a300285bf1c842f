/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loop.h - one thread's event loop: descriptors, timers, deferred calls.
 *
 * Everything here belongs to the thread that runs the loop and takes no
 * lock.  Two calls may come from another thread: loop_post() and
 * loop_stop().
 *
 * One turn of the loop is: wait; run ready descriptors and timers; run
 * deferred calls until none is left; run the end-of-turn hooks, once each.
 * Batching (submitting I/O, pushing ring responses) belongs in the hooks.
 * Hooks run latest first: what was set up early (the I/O engine) comes after
 * those who use it, so what they ask of it is gathered in the same turn.  A
 * hook added while hooks run is for the next turn, which then does not wait.
 */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"

struct err;
struct loop;

/* A call to make later in this turn, from the loop, at depth one. */
struct deferred {
	void (*run)(struct deferred *d);
	struct list link;
};

/* A call to make at the end of every turn; list_init() link before use. */
struct hook {
	void (*run)(struct hook *h);
	struct list link;
};

/* Interest in a descriptor; events are EPOLLIN and EPOLLOUT. */
struct watch {
	int fd;
	void (*ready)(struct watch *w, uint32_t events);
};

/* One shot; re-arm it from its own fire() for a period. */
struct timer {
	void (*fire)(struct timer *t);
	uint64_t due_ns;
	struct list link; /* list_init() before first use */
};

int loop_new(struct loop **out, struct err *err);
void loop_free(struct loop *loop);

/* Returns when loop_stop() was called. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* One turn that does not wait; for tests. Returns whether it did anything. */
bool loop_turn(struct loop *loop);

int loop_watch(struct loop *loop, struct watch *w, uint32_t events);
void loop_unwatch(struct loop *loop, struct watch *w);

void loop_timer(struct loop *loop, struct timer *t, uint64_t delay_ns);
void loop_untimer(struct timer *t);

void loop_defer(struct loop *loop, struct deferred *d);
void loop_hook(struct loop *loop, struct hook *h);
void loop_unhook(struct hook *h);

/* As loop_defer(), from any thread. */
void loop_post(struct loop *loop, struct deferred *d);

/* Monotonic time, read once a turn. */
uint64_t loop_now_ns(const struct loop *loop);

/*
 * For tests: from now on time stands still and moves only by this call;
 * timers that fall due fire in the next turn.
 */
void loop_set_now_ns(struct loop *loop, uint64_t now_ns);

/* Whether the caller is the loop's thread (the one that runs or made it). */
bool loop_owned(const struct loop *loop);

#endif /* LIB_LOOP_H */
