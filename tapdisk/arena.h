/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arena.h - the bytes a disk may have in flight, and who waits for some.
 *
 * One piece of memory, handed out in whole pages, each buffer contiguous and
 * 4096-aligned.  Nothing is touched before it is used, the lowest pages are
 * used first, and what was used is given back to the system once the disk
 * has been idle for a while: an idle disk costs next to nothing.
 *
 * Who is refused stands in line.  While there is a line, only its first is
 * served, so that one who asks for much is not overtaken for ever by others
 * who ask for little.
 */
#ifndef TAPDISK_ARENA_H
#define TAPDISK_ARENA_H

#include <stdint.h>

#include "lib/list.h"

struct arena;
struct loop;

/* list_init() link before first use. */
struct arena_user {
	/* Called at the end of a turn: try again, or lose the place in line. */
	void (*room)(struct arena_user *user);
	struct list link;
};

#define ARENA_PAGE 4096

/* bytes is a multiple of 64 pages. */
int arena_new(struct arena **out, struct loop *loop, uint64_t bytes);

/* All buffers are back, and nobody is in line. */
void arena_free(struct arena *arena);

/*
 * NULL: there is no room for this one now; room() will be called. For more
 * than the arena has it is NULL for ever, and room() is not called.
 */
void *arena_get(struct arena *arena, struct arena_user *user, uint64_t len);

/* len as it was asked for. */
void arena_put(struct arena *arena, void *buf, uint64_t len);

/* Out of the line; may be called when not in it. */
void arena_leave(struct arena *arena, struct arena_user *user);

uint64_t arena_size(const struct arena *arena);
uint64_t arena_used(const struct arena *arena);

#endif /* TAPDISK_ARENA_H */
