/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * grants.c - those of a guest's pages that stay mapped.
 *
 * gntdev unmaps only what it has mapped in one call, as a whole: an area. So
 * areas are small, and it is areas that are held, used and given up.
 */
#include "xenio/grants.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/xen.h"

#define PAGE     4096
#define SLOTS    4096 /* a power of two, well above GRANTS_MAX */
#define WANT     256
#define AREA     32                /* pages in one call */
#define SHARE    (GRANTS_MAX / 20) /* pages that make room, as the kernel's */
#define FAIL_MAX 8                 /* maps that failed until no more is tried */

/* Where a page is. */
struct slot {
	uint32_t gref;
	uint16_t area; /* + 1; 0: nothing here */
	uint16_t page; /* of it */
};

struct area {
	char *pages;
	unsigned count;
	unsigned held; /* by requests in flight */
	bool used;     /* since it was last asked */
	uint32_t grefs[AREA];
};

struct grants {
	struct xen *xen;
	uint32_t domid;
	unsigned count; /* pages */
	unsigned failures;
	unsigned nr_want;
	unsigned nr_areas;
	bool full;
	uint32_t want[WANT];
	struct slot slots[SLOTS];
	struct area areas[GRANTS_MAX];
};

struct grants *grants_new(struct xen *xen, uint32_t domid)
{
	struct grants *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->xen = xen;
	g->domid = domid;
	return g;
}

/* Its slot, or the free one where it would be. */
static struct slot *slot_of(struct grants *g, uint32_t gref)
{
	unsigned i = (gref * UINT32_C(2654435761)) >> 20;

	while (g->slots[i % SLOTS].area && g->slots[i % SLOTS].gref != gref)
		i++;
	return &g->slots[i % SLOTS];
}

/* Fill in the slots of an area's pages. */
static void enter(struct grants *g, unsigned area)
{
	const struct area *a = &g->areas[area];

	for (unsigned i = 0; i < a->count; i++)
		*slot_of(g, a->grefs[i]) =
			(struct slot){ a->grefs[i], (uint16_t)(area + 1),
				       (uint16_t)i };
}

static void unmap(struct grants *g, unsigned area)
{
	struct area *a = &g->areas[area];

	assert(!a->held);
	(void)g->xen->unmap(g->xen, a->pages, a->count); /* it is gone */
	g->count -= a->count;
	*a = g->areas[--g->nr_areas];
}

/*
 * Unmap the areas that were not used, or all, until so many pages are gone.
 * Those that stay count as not used from now on.
 */
static unsigned sweep(struct grants *g, bool all, unsigned pages)
{
	unsigned before = g->count, i = 0;

	while (i < g->nr_areas) {
		struct area *a = &g->areas[i];

		if (!a->held && (all || !a->used) && before - g->count < pages)
			unmap(g, i);
		else
			i++;
	}
	for (i = 0; i < g->nr_areas; i++)
		g->areas[i].used = false;
	if (g->count == before)
		return g->count;
	memset(g->slots, 0, sizeof(g->slots));
	for (i = 0; i < g->nr_areas; i++)
		enter(g, i);
	return g->count;
}

unsigned grants_tidy(struct grants *g)
{
	return sweep(g, false, GRANTS_MAX);
}

unsigned grants_drop(struct grants *g)
{
	g->nr_want = 0;
	return sweep(g, true, GRANTS_MAX);
}

bool grants_full(const struct grants *g)
{
	return g->full;
}

void grants_make_room(struct grants *g)
{
	g->full = false;
	(void)sweep(g, false, SHARE); /* there may be none to give up */
}

void grants_free(struct grants *g)
{
	if (!g)
		return;
	while (g->nr_areas)
		unmap(g, g->nr_areas - 1);
	free(g);
}

static bool is_wanted(const struct grants *g, uint32_t gref)
{
	for (unsigned i = 0; i < g->nr_want; i++) {
		if (g->want[i] == gref)
			return true;
	}
	return false;
}

static void want(struct grants *g, uint32_t gref)
{
	if (g->failures >= FAIL_MAX || is_wanted(g, gref))
		return;
	if (g->count + g->nr_want >= GRANTS_MAX)
		g->full = true;
	else if (g->nr_want < WANT)
		g->want[g->nr_want++] = gref;
}

/* The area that has the page, which is left in *page; NULL: none has. */
static struct area *look(struct grants *g, uint32_t gref, char **page)
{
	const struct slot *slot = slot_of(g, gref);
	struct area *a;

	if (!slot->area) {
		want(g, gref);
		return NULL;
	}
	a = &g->areas[slot->area - 1];
	a->used = true;
	*page = a->pages + (size_t)slot->page * PAGE;
	return a;
}

void *grants_find(struct grants *g, uint32_t gref)
{
	char *page = NULL;

	(void)look(g, gref, &page); /* it says whose */
	return page;
}

void *grants_hold(struct grants *g, uint32_t gref)
{
	char *page = NULL;
	struct area *a = look(g, gref, &page);

	if (a)
		a->held++;
	return page;
}

void grants_let_go(struct grants *g, uint32_t gref)
{
	const struct slot *slot = slot_of(g, gref);

	assert(slot->area && g->areas[slot->area - 1].held);
	g->areas[slot->area - 1].held--;
}

static bool map_area(struct grants *g, const uint32_t *grefs, unsigned n)
{
	struct area *a = &g->areas[g->nr_areas];

	a->pages = g->xen->map(g->xen, g->domid, grefs, n, true);
	if (!a->pages) {
		g->failures++;
		return false;
	}
	a->count = n;
	a->held = 0;
	a->used = true;
	memcpy(a->grefs, grefs, n * sizeof(*grefs));
	g->count += n;
	enter(g, g->nr_areas++);
	return true;
}

bool grants_map(struct grants *g)
{
	bool any = false;

	for (unsigned at = 0, n; at < g->nr_want; at += n) {
		n = g->nr_want - at < AREA ? g->nr_want - at : AREA;
		any |= map_area(g, g->want + at, n);
	}
	g->nr_want = 0;
	return any;
}
