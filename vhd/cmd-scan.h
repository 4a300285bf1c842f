/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-scan.h - what the parts of vhd-util scan share. */
#ifndef VHD_CMD_SCAN_H
#define VHD_CMD_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of the options f, c, p, a, v, M. */
#define VHD_SCAN_FAST      (1u << 0)
#define VHD_SCAN_CONTINUE  (1u << 1)
#define VHD_SCAN_TREE      (1u << 2)
#define VHD_SCAN_ANCESTORS (1u << 3)
#define VHD_SCAN_FULL      (1u << 4)
#define VHD_SCAN_MARKS     (1u << 5)

struct vhd_scan {
	char *path;
	char *real; /* canonical; with VHD_SCAN_ANCESTORS */
	uint64_t capacity;
	uint64_t size;
	char *parent; /* NULL: none */
	char keyhash[65];
	uint8_t hidden;
	uint8_t marker;
	bool printed;
	int error; /* -errno, with text */
	char text[32];
	char why[256];
	const struct vhd_scan *found; /* the parent's entry */
};

struct vhd_scans {
	unsigned flags;
	size_t n, room;
	struct vhd_scan *scan;
};

void vhd_cmd_scan_one(struct vhd_scan *s, unsigned flags);

/* All of them, several at a time. */
void vhd_cmd_scan_many(struct vhd_scans *all);

/* Hand the volumes of a group whose names match to add(). */
int vhd_cmd_scan_volumes(struct vhd_scans *all, const char *group,
			 const char *filter,
			 int (*add)(struct vhd_scans *all, const char *path));

#endif /* VHD_CMD_SCAN_H */
