/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen-fake.h - a Xen in memory, with both ends in the test's hands.
 *
 * xen_fake_xen() is what the code under test is given.  The other calls are
 * the guest, the toolstack and the hypervisor:
 *
 *  - a guest has pages and grants some of them by number; its memory is a
 *    memfd, so that a fork of the test can be the guest as well;
 *  - it allocates ports for the backend to bind, kicks them, and waits for
 *    what the backend notifies;
 *  - it reads and writes xenstore with a domain's rights, while the code
 *    under test has those of domain 0;
 *  - any call can be made to fail: the Nth of all, or the Nth of a kind.
 *
 * Ports and grants may be used from two threads or processes, one at each
 * end; the store belongs to one thread.
 */
#ifndef TESTS_LIB_XEN_FAKE_H
#define TESTS_LIB_XEN_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/xen.h"

struct xen_fake;

#define XEN_FAKE_PAGE 4096u

struct xen_fake *xen_fake_new(void);
void xen_fake_free(struct xen_fake *fake);

/* Its free() does nothing: it lives as long as the fake. */
struct xen *xen_fake_xen(struct xen_fake *fake);

/* --- any call can fail -------------------------------------------------- */

enum xen_fake_call {
	XEN_FAKE_ANY,
	XEN_FAKE_BIND,
	XEN_FAKE_NEXT,
	XEN_FAKE_UNMASK,
	XEN_FAKE_NOTIFY,
	XEN_FAKE_UNBIND,
	XEN_FAKE_MAP,
	XEN_FAKE_UNMAP,
	XEN_FAKE_COPY,
	XEN_FAKE_BEGIN,
	XEN_FAKE_END,
	XEN_FAKE_READ,
	XEN_FAKE_LIST,
	XEN_FAKE_WRITE,
	XEN_FAKE_REMOVE,
	XEN_FAKE_WATCH,
	XEN_FAKE_UNWATCH,
	XEN_FAKE_NEXT_WATCH,
	XEN_FAKE_ALIVE,
	XEN_FAKE_CALLS
};

/* The nth call of this kind from now on, 1 being the next, fails once. */
void xen_fake_fail(struct xen_fake *fake, enum xen_fake_call call, unsigned n,
		   int err);
/* Whether that has happened; none is left over. */
bool xen_fake_failed(struct xen_fake *fake);

/* Calls made so far. */
unsigned xen_fake_count(const struct xen_fake *fake, enum xen_fake_call call);

/*
 * From now on copy() and unmask() make one trivial system call each, as the
 * real ones do, so that a count of system calls is right.
 */
void xen_fake_syscalls(struct xen_fake *fake, bool on);

/* What the code under test holds: mapped pages, bound ports. */
unsigned xen_fake_mapped(const struct xen_fake *fake);
unsigned xen_fake_bound(const struct xen_fake *fake);

/* --- domains, their pages, grants and ports ----------------------------- */

/* A domain with so many pages; domid below 8. */
void xen_fake_domain(struct xen_fake *fake, uint32_t domid, unsigned pages);
/* It is gone: its grants and ports fail, alive() says so. */
void xen_fake_destroy(struct xen_fake *fake, uint32_t domid);

/* All pages of a domain, one after the other. */
void *xen_fake_memory(struct xen_fake *fake, uint32_t domid);

/* Let the backend use a page as grant number gref, or no more. */
void xen_fake_grant(struct xen_fake *fake, uint32_t domid, uint32_t gref,
		    unsigned page, bool writable);
void xen_fake_revoke(struct xen_fake *fake, uint32_t domid, uint32_t gref);

/* A port of the guest's that the backend can bind; the number it is told. */
uint32_t xen_fake_port(struct xen_fake *fake, uint32_t domid);
/* The guest notifies the backend. */
void xen_fake_kick(struct xen_fake *fake, uint32_t port);
/* How often the backend has notified since this was last asked. */
unsigned xen_fake_notified(struct xen_fake *fake, uint32_t port);
/* Wait until the backend notifies; false after so long. */
bool xen_fake_wait(struct xen_fake *fake, uint32_t port, int timeout_ms);

/* --- xenstore ----------------------------------------------------------- */

/*
 * As domid, who is the owner of what it makes; 0 may do all. -EACCES if it
 * may not. The value of a read is malloc'd, NULL if there is none.
 */
int xen_fake_write(struct xen_fake *fake, uint32_t domid, const char *path,
		   const char *value);
int xen_fake_remove(struct xen_fake *fake, uint32_t domid, const char *path);
char *xen_fake_read(struct xen_fake *fake, uint32_t domid, const char *path);

/* Bytes that no string has: a value with NULs in it. */
int xen_fake_write_raw(struct xen_fake *fake, uint32_t domid, const char *path,
		       const void *value, size_t len);

/*
 * Owner of a node and of what will be made below it, and one more domain
 * that may read it; -1: none.
 */
void xen_fake_perms(struct xen_fake *fake, const char *path, uint32_t owner,
		    int reader);

/* Let the next n commits fail with -EAGAIN, as if others had been faster. */
void xen_fake_conflicts(struct xen_fake *fake, unsigned n);

/* Nodes at and below path; 0 if there is none. */
unsigned xen_fake_nodes(struct xen_fake *fake, const char *path);
unsigned xen_fake_watches(const struct xen_fake *fake);
unsigned xen_fake_transactions(const struct xen_fake *fake);

#endif /* TESTS_LIB_XEN_FAKE_H */
