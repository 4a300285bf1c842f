/* SPDX-License-Identifier: GPL-2.0-or-later */
/* meta.h - struct vhd_io over an image, for open() and close(). */
#ifndef DRIVERS_VHD_META_H
#define DRIVERS_VHD_META_H

#include "drivers/vhd/layer.h"

int meta_open(struct meta *m, struct image *file, const struct image *bottom);
void meta_close(struct meta *m);

#endif /* DRIVERS_VHD_META_H */
