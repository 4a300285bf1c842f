/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.h - a guest with a ring of one page, as a client of a rig's disk.
 *
 * Request number tag uses page tag of its data; one of a tag at a time.
 */
#ifndef TESTS_GUEST_H
#define TESTS_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/front.h"
#include "tests/lib/rig.h"
#include "tests/lib/xen-fake.h"

#define GUEST       1
#define GUEST_DEPTH 32u

struct blkif;

struct guest {
	struct rig *rig;
	struct xen_fake *fake;
	struct blkif *blkif; /* NULL once the channel is gone */
	struct channel *ch;
	struct front front;
	uint32_t port;
	uint8_t *data; /* a page for each tag */
};

/*
 * Connect to the rig's disk, with persistent grants or without; NULL, and
 * rig->err, if that fails.
 */
struct guest *guest_new(struct rig *rig, struct xen_fake *fake,
			bool persistent);
/* The channel is gone. */
void guest_free(struct guest *g);

/* A fake Xen with what a guest needs. */
struct xen_fake *guest_xen(void);

/* Of one page; a write's data is in the tag's page. */
void guest_ask(struct guest *g, unsigned tag, enum req_op op, uint64_t off);
bool guest_answer(struct guest *g, unsigned *tag, int16_t *status);

#endif /* TESTS_GUEST_H */
