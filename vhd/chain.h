/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chain.h - an image with all that lies behind it, open for reading. */
#ifndef VHD_CHAIN_H
#define VHD_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "vhd/vhd.h"

#define VHD_CHAIN_MAX 256 /* layers; more is a circle */

struct vhd_layer {
	char *name;
	struct vhd_io *io;
	struct vhd *vhd; /* NULL: raw */
	uint64_t size;
};

struct vhd_chain {
	unsigned n; /* layer[0] is the leaf */
	struct vhd_layer layer[VHD_CHAIN_MAX];
};

/*
 * Open name and its parents; flags are VHD_OPEN_x of the leaf. Parents must
 * have the ids that their children remember.
 */
int vhd_chain_open(struct vhd_chain **out, struct vhd_files *files,
		   const char *name, unsigned flags, struct err *err);
void vhd_chain_close(struct vhd_chain *chain);

/* As a guest would see it, ciphertext left as it is. */
int vhd_chain_read(struct vhd_chain *chain, void *buf, uint64_t sector,
		   uint32_t count, struct err *err);

/*
 * -ENOKEY if any layer is encrypted. What is read is ciphertext then, and so
 * would be, of what no layer has, zeroes.
 */
int vhd_chain_is_clear(const struct vhd_chain *chain, struct err *err);

/* How many layers there are; ids are not looked at. */
int vhd_chain_depth(struct vhd_files *files, const char *name, unsigned *out,
		    struct err *err);

/* Whether other is name, or behind it as far as the chain can be followed. */
bool vhd_chain_holds(struct vhd_files *files, const char *name,
		     const char *other);

/* Sectors of the leaf. */
struct vhd_stats {
	uint64_t allocated; /* in blocks that are there */
	uint64_t written;   /* of those, with their bit set */
	uint64_t not_in_parent;
	uint64_t not_in_ancestors;
};

int vhd_stats(struct vhd_chain *chain, struct vhd_stats *stats,
	      struct err *err);

/*
 * Allocate the leaf's blocks that hold these sectors, and with data give it
 * what the chain reads there. The leaf is open for writing.
 */
int vhd_fill(struct vhd_chain *chain, uint64_t first, uint64_t count, bool data,
	     const struct vhd_progress *progress, struct err *err);

#endif /* VHD_CHAIN_H */
