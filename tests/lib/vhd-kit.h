/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhd-kit.h - images to try things on, in memory. */
#ifndef TESTS_VHD_KIT_H
#define TESTS_VHD_KIT_H

#include "tests/lib/vhd-mem.h"

/* An empty image; block 0: 2 MiB. The id follows from the name. */
int vhd_kit(struct vhd_mem *m, const char *name, uint64_t size,
	    uint64_t max_size, uint32_t block);
int vhd_kit_child(struct vhd_mem *m, const char *name, const char *parent,
		  bool raw, uint32_t block);

/* NULL if it does not open; io is to be closed in any case. */
struct vhd *vhd_kit_open(struct vhd_mem *m, const char *name,
			 struct vhd_io **io);
void vhd_kit_close(struct vhd *vhd, struct vhd_io *io);

/*
 * In every step-th block of 4 KiB some sectors, in every other of these all,
 * written the way a disk server does.
 */
void vhd_kit_scribble(struct vhd_mem *m, const char *name, uint32_t step);

/* What a guest would read, from sector 0 on; whether that worked. */
bool vhd_kit_read(struct vhd_mem *m, const char *name, uint8_t *out,
		  uint32_t sectors);

#endif /* TESTS_VHD_KIT_H */
