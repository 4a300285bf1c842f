/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bat.h - where new blocks go, and how they get into the table. */
#ifndef DRIVERS_VHD_BAT_H
#define DRIVERS_VHD_BAT_H

#include "drivers/vhd/layer.h"

int bat_open(struct layer *l);
void bat_close(struct layer *l);

/* A place for a block that has none; NULL: the op waits, or has failed. */
struct bitmap *bat_place(struct op *op, uint32_t block);

/*
 * The block's bitmap and data are written: write its table entry. In the
 * end is_new or entering is false again, and the bitmap is touched.
 */
void bat_enter(struct bitmap *b);

#endif /* DRIVERS_VHD_BAT_H */
