/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image.h - an open VHD from the inside.
 *
 * Where the two footers disagree the primary (at the end) counts, unless it
 * is damaged, or its id is not that of the copy at 0: after a crash the last
 * sector of the file may be a guest's, and a guest can write what looks like
 * a footer.  A change of the footer writes the copy first, so that at each
 * instant both are old, or the primary is and wins, or both are new.
 */
#ifndef VHD_IMAGE_H
#define VHD_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "vhd/format.h"
#include "vhd/vhd.h"

struct vhd_batmap {
	bool there;   /* the header was read and may be written */
	bool trusted; /* the bits on disk were what their checksum said */
	bool dirty;   /* header or bits differ from the disk's */
	uint64_t at;  /* of the header */
	size_t len;   /* bytes of map, whole sectors */
	uint8_t *map;
	struct vhd_batmap_header hdr;
};

struct vhd {
	struct vhd_io *io;
	unsigned flags; /* VHD_OPEN_x */
	bool primary;   /* the footer at the end was good when last seen */
	bool differ;    /* the copy at 0 is not what the primary is */
	bool killed;    /* by our vhd_write_begin() */
	bool poisoned;
	uint64_t file_size;
	uint64_t footer_off; /* of the primary */
	struct vhd_footer footer;
	struct vhd_header header;
	uint32_t blocks;
	uint32_t *bat; /* header.max_bat entries, host order */
	uint64_t next; /* first sector behind all that is placed */
	struct vhd_batmap batmap;
	char note[320];
};

/* Sectors of a block's bitmap, and of its data. */
uint32_t vhd_bitmap_sectors(const struct vhd *vhd);
uint32_t vhd_block_sectors(const struct vhd *vhd);

/* Bytes of the table on disk, of whole sectors. */
uint64_t vhd_table_bytes(uint32_t max_bat);
uint64_t vhd_batmap_bytes(uint32_t max_bat);

/* The end of all metadata in front of the blocks. */
uint64_t vhd_meta_end(const struct vhd *vhd);

int vhd_bat_load(struct vhd *vhd, struct err *err);
/* Compute next from the table. */
void vhd_bat_scan(struct vhd *vhd);
/* Write the whole table. */
int vhd_bat_write(struct vhd *vhd, struct err *err);

int vhd_batmap_load(struct vhd *vhd, struct err *err);
int vhd_batmap_write(struct vhd *vhd, struct err *err);
bool vhd_batmap_get(const struct vhd_batmap *bm, uint32_t block);

int vhd_header_write(struct vhd *vhd, struct err *err);

/* The copy, then the primary where it is now; synced in between and after. */
int vhd_footer_write(struct vhd *vhd, struct err *err);

/* The same for a new image, whose other parts are made durable before. */
int vhd_footer_new(struct vhd *vhd, struct err *err);

/*
 * Make room up to end by putting the primary footer behind it; never makes
 * the file shorter. On a device the footer stays at its end: -ENOSPC.
 */
int vhd_footer_move(struct vhd *vhd, uint64_t end, struct err *err);

/* Put the footer right behind the data, and cut off what lies behind it. */
int vhd_footer_settle(struct vhd *vhd, struct err *err);

/* Reads that may run past the end of the file, where all is zero. */
int vhd_pread_zero(struct vhd *vhd, void *buf, size_t len, uint64_t off);

/* Refuse an image that is not open for writing, or has a journal. */
int vhd_may_write(struct vhd *vhd, struct err *err);

#endif /* VHD_IMAGE_H */
