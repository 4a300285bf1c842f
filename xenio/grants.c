/* SPDX-License-Identifier: GPL-2.0-or-later */
/* grants.c - those of a guest's pages that stay mapped. */
#include "xenio/grants.h"

#include <stdbool.h>
#include <stdlib.h>

#include "lib/xen.h"

#define PAGE     4096
#define SLOTS    4096 /* a power of two, well above GRANTS_MAX */
#define WANT     256
#define FAIL_MAX 8 /* maps that failed until no more is tried */

struct slot {
	void *page; /* NULL: nothing here */
	uint32_t gref;
};

/* What was mapped by one call is unmapped by one. */
struct area {
	void *pages;
	unsigned count;
};

struct grants {
	struct xen *xen;
	uint32_t domid;
	unsigned count;
	unsigned failures;
	unsigned nr_want;
	unsigned nr_areas;
	uint32_t want[WANT];
	struct area areas[GRANTS_MAX];
	struct slot slots[SLOTS];
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

void grants_free(struct grants *g)
{
	if (!g)
		return;
	for (unsigned i = 0; i < g->nr_areas; i++)
		(void)g->xen->unmap(g->xen, g->areas[i].pages,
				    g->areas[i].count); /* they are gone */
	free(g);
}

/* Its slot, or the free one where it would be. */
static struct slot *slot_of(struct grants *g, uint32_t gref)
{
	unsigned i = (gref * UINT32_C(2654435761)) >> 20;

	while (g->slots[i % SLOTS].page && g->slots[i % SLOTS].gref != gref)
		i++;
	return &g->slots[i % SLOTS];
}

static bool is_wanted(const struct grants *g, uint32_t gref)
{
	for (unsigned i = 0; i < g->nr_want; i++) {
		if (g->want[i] == gref)
			return true;
	}
	return false;
}

void *grants_find(struct grants *g, uint32_t gref)
{
	void *page = slot_of(g, gref)->page;

	if (page || g->failures >= FAIL_MAX ||
	    g->count + g->nr_want >= GRANTS_MAX)
		return page;
	if (g->nr_want < WANT && !is_wanted(g, gref))
		g->want[g->nr_want++] = gref;
	return NULL;
}

void grants_map(struct grants *g)
{
	unsigned n = g->nr_want;
	struct slot *slot;
	char *pages;

	if (!n)
		return;
	g->nr_want = 0;
	pages = g->xen->map(g->xen, g->domid, g->want, n, true);
	if (!pages) {
		g->failures++;
		return;
	}
	g->areas[g->nr_areas++] = (struct area){ pages, n };
	g->count += n;
	for (unsigned i = 0; i < n; i++) {
		slot = slot_of(g, g->want[i]);
		slot->gref = g->want[i];
		slot->page = pages + (size_t)i * PAGE;
	}
}
