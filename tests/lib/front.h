/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * front.h - a guest's end of a ring, in every layout, honest or not.
 *
 * The offsets are written down from the protocol, not taken from the headers
 * that xenio/ring.c checks itself against.
 */
#ifndef TESTS_LIB_FRONT_H
#define TESTS_LIB_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xenio/ring.h"

struct front_layout {
	enum ring_proto proto;
	unsigned stride, id, sector, segs, nr_sectors, grefs;
	unsigned answer;                               /* size */
	unsigned read, write, barrier, flush, discard; /* numbers */
	unsigned indirect;
};

/* Native, x86-64, x86-32 and, last, the blktap2 page. */
#define FRONT_LAYOUTS 4
#define FRONT_GUESTS  3
extern const struct front_layout front_layouts[FRONT_LAYOUTS];

/* Offsets in the header. */
#define FRONT_REQ_PROD  0
#define FRONT_REQ_EVENT 4
#define FRONT_RSP_PROD  8
#define FRONT_RSP_EVENT 12

struct front {
	const struct front_layout *l;
	uint8_t *pages;
	uint32_t entries;
	uint32_t prod;     /* shown by front_push() */
	uint32_t rsp_cons; /* answers taken */
};

/* A fresh ring in size bytes, as a guest makes it. */
void front_init(struct front *f, const struct front_layout *l, void *pages,
		size_t size);

uint32_t front_get(const struct front *f, unsigned at);
void front_put(const struct front *f, unsigned at, uint32_t v);
uint8_t *front_slot(const struct front *f, uint32_t index);

/*
 * The next request: segments are whole pages, of grefs gref, gref + 1, ...
 * Returns its slot, to be made worse; front_push() shows it.
 */
uint8_t *front_req(struct front *f, unsigned op, uint64_t id, uint64_t sector,
		   unsigned segs, uint32_t gref);
uint8_t *front_discard(struct front *f, uint64_t id, uint64_t sector,
		       uint64_t sectors);
/* The pages with the segments are gref, gref + 1, ... */
uint8_t *front_indirect(struct front *f, unsigned inner, uint64_t id,
			uint64_t sector, unsigned segs, uint32_t gref);
/* Sectors of one segment of a request in its slot. */
void front_seg(const struct front *f, uint8_t *slot, unsigned i, uint8_t first,
	       uint8_t last);
/* A segment of an indirect page. */
void front_indirect_seg(void *page, unsigned i, uint32_t gref, uint8_t first,
			uint8_t last);

/* Show what was made; whether the other side wants to be notified. */
bool front_push(struct front *f);

/* Take the next answer, if there is one. */
bool front_answer(struct front *f, uint64_t *id, uint8_t *op, int16_t *status);
/* Ask to be notified of the next; whether there is one already. */
bool front_arm(struct front *f);

#endif /* TESTS_LIB_FRONT_H */
