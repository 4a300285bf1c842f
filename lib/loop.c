/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loop.c - the event loop, on epoll; an eventfd wakes it from other threads.
 *
 * Whatever is about to be called (ready descriptors, due timers, hooks) is
 * in a list or array that the calls that take it back also look at, so that
 * any callback may remove and free any other's object, or its own.
 */
#include "lib/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"

#define BATCH       64
#define WAIT_MAX_NS (60 * INT64_C(1000000000))

struct loop {
	int epoll;
	int wake;
	_Atomic pthread_t owner; /* others ask whether they are it */
	struct list timers;      /* by due_ns */
	struct list due;         /* those that fire in this turn */
	struct list deferred;
	struct list hooks;
	bool hooked; /* a hook was added while hooks ran */
	uint64_t now_ns;
	bool clock_stands;
	atomic_bool stop;

	/* Descriptors found ready; those before next were told. */
	struct epoll_event events[BATCH];
	int ready;
	int next;

	pthread_mutex_t lock; /* of posted alone */
	struct list posted;
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int loop_new(struct loop **out, struct err *err)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	struct loop *loop = calloc(1, sizeof(*loop));
	int code;

	if (!loop)
		return err_set(err, -ENOMEM, "loop: no memory");
	list_init(&loop->timers);
	list_init(&loop->due);
	list_init(&loop->deferred);
	list_init(&loop->hooks);
	list_init(&loop->posted);
	(void)pthread_mutex_init(&loop->lock, NULL); /* cannot fail */
	loop->owner = pthread_self();
	loop->now_ns = clock_ns();
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ev.data.ptr = loop;
	if (loop->epoll < 0 || loop->wake < 0 ||
	    epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &ev)) {
		code = err_sys(err, "loop");
		loop_free(loop);
		return code;
	}
	*out = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->wake >= 0)
		(void)close(loop->wake); /* an eventfd */
	if (loop->epoll >= 0)
		(void)close(loop->epoll);         /* an epoll */
	(void)pthread_mutex_destroy(&loop->lock); /* nobody else has it */
	free(loop);
}

static void wake(struct loop *loop)
{
	uint64_t one = 1;
	ssize_t n;

	/* Edge-triggered and never read: each write wakes; it cannot fill. */
	do {
		n = write(loop->wake, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
}

void loop_post(struct loop *loop, struct deferred *d)
{
	bool first;

	(void)pthread_mutex_lock(&loop->lock); /* only fails if misused */
	first = list_empty(&loop->posted);
	list_add_tail(&loop->posted, &d->link);
	(void)pthread_mutex_unlock(&loop->lock); /* only fails if misused */
	if (first)
		wake(loop);
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stop, true);
	wake(loop);
}

static void move_all(struct list *to, struct list *from)
{
	struct list *link;

	while ((link = list_pop(from)))
		list_add_tail(to, link);
}

static void take_posted(struct loop *loop)
{
	(void)pthread_mutex_lock(&loop->lock); /* only fails if misused */
	move_all(&loop->deferred, &loop->posted);
	(void)pthread_mutex_unlock(&loop->lock); /* only fails if misused */
}

int loop_watch(struct loop *loop, struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (!epoll_ctl(loop->epoll, EPOLL_CTL_ADD, w->fd, &ev))
		return 0;
	if (errno == EEXIST &&
	    !epoll_ctl(loop->epoll, EPOLL_CTL_MOD, w->fd, &ev))
		return 0;
	return -errno;
}

void loop_unwatch(struct loop *loop, struct watch *w)
{
	int i;

	/* Fails if it was not watched, or was closed before: as well. */
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	for (i = loop->next; i < loop->ready; i++) {
		if (loop->events[i].data.ptr == w)
			loop->events[i].data.ptr = NULL;
	}
}

void loop_timer(struct loop *loop, struct timer *t, uint64_t delay_ns)
{
	struct list *pos = loop->timers.prev;

	list_del(&t->link);
	if (__builtin_add_overflow(loop->now_ns, delay_ns, &t->due_ns))
		t->due_ns = UINT64_MAX;
	/* Mostly the latest of all: look from the end. */
	for (pos = loop->timers.prev; pos != &loop->timers; pos = pos->prev) {
		if (container_of(pos, struct timer, link)->due_ns <= t->due_ns)
			break;
	}
	list_add_head(pos, &t->link);
}

void loop_untimer(struct timer *t)
{
	list_del(&t->link);
}

void loop_defer(struct loop *loop, struct deferred *d)
{
	list_add_tail(&loop->deferred, &d->link);
}

void loop_hook(struct loop *loop, struct hook *h)
{
	list_add_tail(&loop->hooks, &h->link);
	loop->hooked = true;
}

void loop_unhook(struct hook *h)
{
	list_del(&h->link);
}

uint64_t loop_now_ns(const struct loop *loop)
{
	return loop->now_ns;
}

void loop_set_now_ns(struct loop *loop, uint64_t now_ns)
{
	loop->clock_stands = true;
	loop->now_ns = now_ns;
}

bool loop_owned(const struct loop *loop)
{
	return pthread_equal(loop->owner, pthread_self());
}

static struct timer *first_timer(const struct loop *loop)
{
	if (list_empty(&loop->timers))
		return NULL;
	return container_of(loop->timers.next, struct timer, link);
}

/* Until the first timer is due; negative: for ever. */
static int64_t wait_ns(const struct loop *loop)
{
	struct timer *t = first_timer(loop);
	uint64_t ns;

	if (!list_empty(&loop->deferred) || loop->hooked)
		return 0;
	if (!t)
		return -1;
	if (t->due_ns <= loop->now_ns)
		return 0;
	if (loop->clock_stands)
		return -1;
	ns = t->due_ns - loop->now_ns;
	return ns < WAIT_MAX_NS ? (int64_t)ns : WAIT_MAX_NS;
}

/*
 * A tenth of a millisecond matters to a ring. Kernels before 5.11 have no
 * call for it: there it is rounded up, so that what is waited for is due.
 */
static int wait_ready(struct loop *loop, int64_t ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };
	int n;

	if (ns <= 0)
		return epoll_wait(loop->epoll, loop->events, BATCH,
				  ns < 0 ? -1 : 0);
	n = epoll_pwait2(loop->epoll, loop->events, BATCH, &ts, NULL);
	if (n < 0 && errno == ENOSYS)
		n = epoll_wait(loop->epoll, loop->events, BATCH,
			       (int)((ns + 999999) / 1000000));
	return n;
}

static bool run_ready(struct loop *loop, int64_t timeout_ns)
{
	struct watch *w;
	uint32_t events;

	loop->next = 0;
	loop->ready = wait_ready(loop, timeout_ns);
	if (loop->ready < 0) {
		assert(errno == EINTR);
		loop->ready = 0;
	}
	if (!loop->clock_stands)
		loop->now_ns = clock_ns();
	while (loop->next < loop->ready) {
		w = loop->events[loop->next].data.ptr;
		events = loop->events[loop->next].events;
		loop->next++;
		if (w == (void *)loop)
			take_posted(loop);
		else if (w)
			w->ready(w, events);
	}
	return loop->ready > 0;
}

static bool run_timers(struct loop *loop)
{
	struct list *link;
	struct timer *t;
	bool any = false;

	/* Apart, so that one re-armed with no delay fires in the next turn. */
	while ((t = first_timer(loop)) && t->due_ns <= loop->now_ns) {
		list_del(&t->link);
		list_add_tail(&loop->due, &t->link);
	}
	while ((link = list_pop(&loop->due))) {
		t = container_of(link, struct timer, link);
		t->fire(t);
		any = true;
	}
	return any;
}

static bool run_deferred(struct loop *loop)
{
	struct list *link;
	struct deferred *d;
	bool any = false;

	while ((link = list_pop(&loop->deferred))) {
		d = container_of(link, struct deferred, link);
		d->run(d);
		any = true;
	}
	return any;
}

static void run_hooks(struct loop *loop)
{
	struct list turn, *link;
	struct hook *h;

	list_init(&turn);
	move_all(&turn, &loop->hooks);
	loop->hooked = false;
	while (!list_empty(&turn)) {
		link = turn.prev;
		list_del(link);
		list_add_head(&loop->hooks, link);
		h = container_of(link, struct hook, link);
		h->run(h);
	}
}

static bool turn(struct loop *loop, int64_t timeout_ns)
{
	bool any = run_ready(loop, timeout_ns);

	any |= run_timers(loop);
	any |= run_deferred(loop);
	run_hooks(loop);
	return any;
}

bool loop_turn(struct loop *loop)
{
	return turn(loop, 0);
}

void loop_run(struct loop *loop)
{
	loop->owner = pthread_self();
	while (!atomic_load(&loop->stop))
		(void)turn(loop, wait_ns(loop)); /* stopped by loop_stop() */
	atomic_store(&loop->stop, false);
}
