/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-mem.h - the memory in which one NBD client's data passes through.
 *
 * A fixed number of pages, handed out in runs, lowest first, so that what was
 * used last is used next.  The disk's own buffers are the guest's: a client
 * that leaves its data lying about does so here.
 */
#ifndef TAPDISK_NBD_MEM_H
#define TAPDISK_NBD_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBD_MEM_PAGE  4096u
#define NBD_MEM_PAGES 1024u
#define NBD_MEM_SIZE  (NBD_MEM_PAGES * NBD_MEM_PAGE)

struct nbd_mem {
	uint8_t *base;
	unsigned used; /* pages */
	uint64_t map[NBD_MEM_PAGES / 64];
};

/* -ENOMEM. */
int nbd_mem_init(struct nbd_mem *m);
void nbd_mem_free(struct nbd_mem *m); /* zeroed memory is fine */

/* At least len bytes, page-aligned; NULL if there are none now. */
void *nbd_mem_get(struct nbd_mem *m, size_t len);

/* Give back what nbd_mem_get(m, len) gave. */
void nbd_mem_put(struct nbd_mem *m, void *p, size_t len);

#endif /* TAPDISK_NBD_MEM_H */
