/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* locator.h - the names by which an image remembers its parent. */
#ifndef VHD_LOCATOR_H
#define VHD_LOCATOR_H

#include <stdint.h>

#include "vhd/vhd.h"

#define VHD_LOCATOR_FILES 3 /* how many we write: MacX, W2ku, W2ru */

/*
 * The path in locator i, slashes forward, malloc'd. -ENOENT: the locator is
 * empty or of a kind that names no file of ours.
 */
int vhd_locator_path(struct vhd *vhd, unsigned i, char **out, struct err *err);

/* The bytes of a locator of this kind for a path; malloc'd. */
int vhd_locator_encode(uint8_t **out, uint32_t *len, uint32_t code,
		       const char *path);

#endif /* VHD_LOCATOR_H */
