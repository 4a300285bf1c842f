/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * names.h - paths as text: joined, made relative, and those of volumes.
 *
 * All results are malloc'd, and NULL when there is no memory (or no such
 * form, where said).
 */
#ifndef VHD_NAMES_H
#define VHD_NAMES_H

#include <stdbool.h>

/* The part behind the last slash; points into name. */
const char *vhd_name_base(const char *name);

/* dir/name, or name if it is absolute. */
char *vhd_name_join(const char *dir, const char *name);

/* name, if relative, from the folder that file is in. */
char *vhd_name_beside(const char *file, const char *name);

/* From the folder of one canonical path to another: "./b", "./../c/d". */
char *vhd_name_relative(const char *from, const char *to);

/* "/dev/mapper/A--B-C" as "/dev/A-B/C"; NULL for any other name. */
char *vhd_name_volume(const char *name);

/* "/dev/VG/LV", or a name below "/dev/drbd/by-res/". */
bool vhd_name_is_volume(const char *name);

#endif /* VHD_NAMES_H */
