/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check.h - what the parts of a check share. */
#ifndef VHD_CHECK_H
#define VHD_CHECK_H

#include <stdint.h>

#include "vhd/vhd.h"

struct vhd_checking {
	struct vhd *vhd; /* open loosely: its table was not looked at */
	unsigned flags;
	uint64_t end; /* of what blocks may occupy */
	struct err *err;
};

/* The table, linear in its length but for the sorting of it. */
int vhd_check_blocks(struct vhd_checking *c);
int vhd_check_batmap(struct vhd_checking *c);
/* Every bitmap, and what lies where it is clear. */
int vhd_check_bitmaps(struct vhd_checking *c);

#endif /* VHD_CHECK_H */
