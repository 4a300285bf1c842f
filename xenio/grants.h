/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * grants.h - those of a guest's pages that stay mapped.
 *
 * With persistent grants a guest uses the same pages again and again, and
 * copies its data to and from them itself. The first request of a page is
 * copied by the hypervisor as always; before its answer is shown the page is
 * mapped, and stays so, which is how the guest learns that it is to be kept.
 * From then on its bytes are read and written where they are: by us, or by
 * the kernel on its way to the disk, for which the page is held.
 *
 * A page that is not mapped when an answer is shown the guest takes back, so
 * any may be unmapped at any time but one that is held: when there are too
 * many, when they were not used for a while, while the disk is paused.
 *
 * What the guest does to a page that is mapped changes its own data at most.
 * A guest whose grants cannot be mapped is copied for as before.
 */
#ifndef XENIO_GRANTS_H
#define XENIO_GRANTS_H

#include <stdbool.h>
#include <stdint.h>

struct grants;
struct xen;

#define GRANTS_MAX 1056 /* pages of a ring, as the kernel's backend has it */

/* xen stays the caller's; NULL: no memory. */
struct grants *grants_new(struct xen *xen, uint32_t domid);

/* Unmaps all, and none may be held; g may be NULL. */
void grants_free(struct grants *g);

/* The page, or NULL: then grants_map() will try to map it. */
void *grants_find(struct grants *g, uint32_t gref);

/*
 * The same, and it stays mapped until it is let go of as often as it was
 * held.
 */
void *grants_hold(struct grants *g, uint32_t gref);
void grants_let_go(struct grants *g, uint32_t gref);

/* Map what was looked for; call it before an answer is shown. True: some. */
bool grants_map(struct grants *g);

/*
 * Whether a page was looked for that there was no room for; then
 * grants_make_room() unmaps some that were not used since it was last called,
 * or notes that all were.
 */
bool grants_full(const struct grants *g);
void grants_make_room(struct grants *g);

/*
 * Unmap what was not used since this was last called, or all; but nothing
 * that is held. Returns how many pages are left.
 */
unsigned grants_tidy(struct grants *g);
unsigned grants_drop(struct grants *g);

#endif /* XENIO_GRANTS_H */
