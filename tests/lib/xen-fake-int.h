/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen-fake-int.h - what the two files of the fake Xen share.
 */
#ifndef TESTS_LIB_XEN_FAKE_INT_H
#define TESTS_LIB_XEN_FAKE_INT_H

#include "tests/lib/xen-fake.h"

struct fake_ports;
struct fake_store;

#define FAKE_DOMAINS 8
#define FAKE_GRANTS  4096

struct fake_grant {
	uint32_t page; /* + 1; 0: none */
	uint32_t writable;
};

struct fake_domain {
	bool alive;
	int memfd;
	unsigned pages;
	void *memory;
	struct fake_grant *grants; /* shared with a fork */
};

struct xen_fake {
	struct xen xen;
	struct fake_domain domains[FAKE_DOMAINS];
	struct fake_ports *ports; /* shared with a fork */
	int pipe[2];              /* ports that have become pending */
	uint32_t told[64];
	unsigned told_have;
	unsigned told_next;
	unsigned mapped;
	unsigned bound;
	unsigned counts[XEN_FAKE_CALLS];
	enum xen_fake_call fail_call;
	unsigned fail_n;
	int fail_err;
	bool syscalls;
	struct fake_store *store;
};

struct xen_fake *fake_of(struct xen *xen);

/* Count a call; 0, or what it shall fail with. */
int fake_call(struct xen_fake *fake, enum xen_fake_call call);

/* xen-fake-store.c: adds its calls to fake->xen. */
void fake_store_new(struct xen_fake *fake);
void fake_store_free(struct xen_fake *fake);
/* Tell who watches for the end of domains. */
void fake_store_release(struct xen_fake *fake);

#endif /* TESTS_LIB_XEN_FAKE_INT_H */
