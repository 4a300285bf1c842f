/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.h - the core's side of an image; driver.h has the other.
 *
 * A struct image lies in a struct image_box with what drivers need not see.
 * chain.c makes, opens and links them; image.c is what happens to a request
 * on its way into one.
 */
#ifndef TAPDISK_IMAGE_H
#define TAPDISK_IMAGE_H

#include "lib/list.h"
#include "tapdisk/driver.h"

struct chain;
struct passed;

struct image_box {
	struct image img;
	char *name;
	struct image *child; /* whose parent it is, or NULL */

	/* What open() said about the parent. */
	char *parent_spec;
	bool parent_known; /* by its id */
	uint8_t parent_id[16];

	/* Requests that stand for others, and those that wait for one. */
	struct req_pool *pool;
	struct list waiting;

	struct passed *passed; /* descriptors, or NULL */
	struct list link;      /* chain.c's, while it closes */
	struct chain *chain;   /* chain.c's, of the top */
	bool attached;
};

static inline struct image_box *image_box(const struct image *img)
{
	return container_of(img, struct image_box, img);
}

/* With drv, name (copied) and state set; the rest is chain.c's to fill in. */
int image_new(struct image **out, const struct driver *drv, const char *name);
void image_free(struct image *img);

/* After drv->open(): is what it found sound? Fills in what it left out. */
int image_check(struct image *img, struct err *err);

/*
 * Make parent what shows through child's holes; -errno if it cannot be. Then
 * image_ready() on each, top down or bottom up, before the first request.
 */
int image_join(struct image *child, struct image *parent, struct err *err);
int image_ready(struct image *img, struct err *err);

/* From the top of a disk down to the files it writes. */
void image_write_through(struct image *top, bool on);

#endif /* TAPDISK_IMAGE_H */
