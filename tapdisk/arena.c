/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arena.c - the bytes a disk may have in flight: a bit for each page.
 */
#include "tapdisk/arena.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/bytes.h"
#include "lib/loop.h"

/* An arena that was not asked for anything for so long is given back. */
#define IDLE_NS (3 * UINT64_C(1000000000))

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

struct arena {
	struct loop *loop;
	struct list line;
	struct hook hook;  /* there may be room for the first in line */
	struct timer idle; /* runs while there is memory to give back */
	bool asked;        /* since idle was set */
	bool full;         /* the last arena_get() found no room */
	char *mem;
	size_t pages;
	size_t used;
	size_t words;
	uint64_t taken[]; /* a bit for each page */
};

static void give_back(struct timer *t);
static void make_room(struct hook *h);

int arena_new(struct arena **out, struct loop *loop, uint64_t bytes)
{
	size_t pages = bytes / ARENA_PAGE, words = pages / 64;
	struct arena *a = calloc(1, sizeof(*a) + words * sizeof(a->taken[0]));

	assert(words > 0 && words * 64 * ARENA_PAGE == bytes);
	if (!a)
		return -ENOMEM;
	a->loop = loop;
	a->pages = pages;
	a->words = words;
	list_init(&a->line);
	list_init(&a->hook.link);
	list_init(&a->idle.link);
	a->hook.run = make_room;
	a->idle.fire = give_back;
	a->mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->mem == MAP_FAILED) {
		free(a);
		return -ENOMEM;
	}
	*out = a;
	return 0;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	assert(!a->used && list_empty(&a->line));
	loop_unhook(&a->hook);
	loop_untimer(&a->idle);
	(void)munmap(a->mem, a->pages * ARENA_PAGE); /* it is what we mapped */
	free(a);
}

static void give_back(struct timer *t)
{
	struct arena *a = container_of(t, struct arena, idle);
	size_t len = a->pages * ARENA_PAGE;

	if (a->used || a->asked) {
		a->asked = false;
		loop_timer(a->loop, &a->idle, IDLE_NS);
		return;
	}
	/* The first is for locked memory. If neither can be, it stays. */
	if (madvise(a->mem, len, MADV_DONTNEED_LOCKED))
		(void)madvise(a->mem, len, MADV_DONTNEED); /* it may stay */
}

/* The first page at or after page that is taken, or is not; else the end. */
static size_t next_page(const struct arena *a, size_t page, bool taken)
{
	size_t word = page / 64;
	uint64_t bits;

	if (page >= a->pages)
		return a->pages;
	bits = taken ? a->taken[word] : ~a->taken[word];
	bits &= UINT64_MAX << page % 64;
	while (!bits) {
		if (++word == a->words)
			return a->pages;
		bits = taken ? a->taken[word] : ~a->taken[word];
	}
	return word * 64 + (size_t)__builtin_ctzll(bits);
}

static void mark(struct arena *a, size_t page, size_t count, bool taken)
{
	size_t n;
	uint64_t bits;

	for (; count > 0; count -= n, page += n) {
		n = 64 - page % 64 < count ? 64 - page % 64 : count;
		bits = (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1)
		       << page % 64;
		if (taken)
			a->taken[page / 64] |= bits;
		else
			a->taken[page / 64] &= ~bits;
	}
}

static void *take(struct arena *a, size_t count)
{
	size_t page = 0, end;

	if (count > a->pages - a->used)
		return NULL;
	while ((page = next_page(a, page, false)) + count <= a->pages) {
		end = next_page(a, page, true);
		if (end - page >= count) {
			mark(a, page, count, true);
			a->used += count;
			return a->mem + page * ARENA_PAGE;
		}
		page = end;
	}
	return NULL;
}

static size_t pages_of(uint64_t len)
{
	return bytes_round_up(len, ARENA_PAGE) / ARENA_PAGE;
}

void *arena_get(struct arena *a, struct arena_user *user, uint64_t len)
{
	void *buf = NULL;

	assert(len > 0);
	if (len > arena_size(a))
		return NULL;
	a->asked = true;
	if (list_empty(&a->line) || a->line.next == &user->link) {
		buf = take(a, pages_of(len));
		a->full = !buf;
	}
	if (buf) {
		list_del(&user->link);
		if (!list_linked(&a->idle.link))
			loop_timer(a->loop, &a->idle, IDLE_NS);
	} else if (!list_linked(&user->link)) {
		list_add_tail(&a->line, &user->link);
	}
	return buf;
}

static void wake_line(struct arena *a)
{
	if (!list_empty(&a->line) && !list_linked(&a->hook.link))
		loop_hook(a->loop, &a->hook);
}

void arena_put(struct arena *a, void *buf, uint64_t len)
{
	size_t page = (size_t)((char *)buf - a->mem) / ARENA_PAGE;
	size_t count = pages_of(len);

	assert(page + count <= a->pages && count <= a->used);
	mark(a, page, count, false);
	a->used -= count;
	wake_line(a);
}

/*
 * Each pass takes somebody out of the line, or uses memory up, or finds that
 * there is none: it ends.
 */
static void make_room(struct hook *h)
{
	struct arena *a = container_of(h, struct arena, hook);
	struct arena_user *user;

	loop_unhook(h);
	while (!list_empty(&a->line)) {
		user = container_of(a->line.next, struct arena_user, link);
		a->full = false;
		/* At its end, user may be freed: look at the line alone. */
		user->room(user);
		if (a->full)
			break;
		if (a->line.next == &user->link)
			list_del(&user->link); /* it did not ask again */
	}
}

void arena_leave(struct arena *a, struct arena_user *user)
{
	list_del(&user->link);
	wake_line(a); /* the next one may be content with less */
}

uint64_t arena_size(const struct arena *a)
{
	return (uint64_t)a->pages * ARENA_PAGE;
}

uint64_t arena_used(const struct arena *a)
{
	return (uint64_t)a->used * ARENA_PAGE;
}
