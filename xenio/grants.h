/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * grants.h - those of a guest's pages that stay mapped.
 *
 * With persistent grants a guest uses the same pages again and again, and
 * copies its data to and from them itself. The first request of a page is
 * copied by the hypervisor as always; before its answer is shown the page is
 * mapped, and stays so until the ring goes, which is how the guest learns that
 * it is to be kept. From then on the page is copied from and to here.
 *
 * What the guest does to a page that is mapped changes its own data at most.
 * A guest whose grants cannot be mapped is copied for as before.
 */
#ifndef XENIO_GRANTS_H
#define XENIO_GRANTS_H

#include <stdint.h>

struct grants;
struct xen;

#define GRANTS_MAX 1056 /* pages of a ring, as the kernel's backend has it */

/* xen stays the caller's; NULL: no memory. */
struct grants *grants_new(struct xen *xen, uint32_t domid);

/* Unmaps all; g may be NULL. */
void grants_free(struct grants *g);

/* The page, or NULL: then grants_map() will try to map it. */
void *grants_find(struct grants *g, uint32_t gref);

/* Map what was looked for; call it before an answer is shown. */
void grants_map(struct grants *g);

#endif /* XENIO_GRANTS_H */
