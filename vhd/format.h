/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * format.h - what the library knows of the bytes, beyond vhd.h.
 *
 * The batmap is an addition to the published format: one bit a block, set
 * when all of the block's sectors are present, behind a header of exactly one
 * sector which also holds the marker and the key hash.  It is a hint.
 */
#ifndef VHD_FORMAT_H
#define VHD_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "vhd/vhd.h"

#define VHD_FOOTER_BYTES 512u
#define VHD_HEADER_BYTES 1024u
#define VHD_ALL_ONES     UINT64_MAX

#define VHD_CREATOR_0_1 0x00000001u
#define VHD_CREATOR_1_1 0x00010001u
#define VHD_CREATOR_1_2 0x00010002u
#define VHD_CREATOR_1_3 0x00010003u

#define VHD_BATMAP_1_2 0x00010002u

/* Seconds between the epochs of Unix and of VHD, 2000-01-01. */
#define VHD_EPOCH 946684800

/* Locator codes. */
#define VHD_CODE_MACX 0x4d616358u
#define VHD_CODE_W2KU 0x57326b75u
#define VHD_CODE_W2RU 0x57327275u

struct vhd_batmap_header {
	uint64_t off;
	uint32_t secs;
	uint32_t version;
	uint32_t checksum; /* of the batmap */
	uint8_t marker;
	struct vhd_keyhash keyhash;
};

/* One's complement of the sum of the bytes, those of the sum itself out. */
uint32_t vhd_checksum(const uint8_t *buf, size_t len, size_t at);

/* What a reader compares have with: some added up signed characters. */
uint32_t vhd_checksum_like(uint32_t have, const uint8_t *buf, size_t len,
			   size_t at);

/* Where the sum lies in a footer and in a header. */
#define VHD_FOOTER_SUM_AT 64u
#define VHD_HEADER_SUM_AT 36u
#define VHD_NO_SUM        SIZE_MAX

/*
 * As vhd_footer_decode(), and what only a check complains about; now is
 * the time for "in future", or 0 not to look at it. Changes nothing.
 */
int vhd_footer_check(const uint8_t buf[512], int64_t now, struct err *err);
int vhd_header_check(const uint8_t buf[1024], struct err *err);
int vhd_header_check_parent(const uint8_t buf[1024],
			    const struct vhd_footer *footer, int64_t now,
			    struct err *err);

/* A footer with the cookie of a journalled operation that did not end. */
bool vhd_footer_poisoned(const uint8_t buf[512]);

/* Give a poisoned footer its usual cookie and checksum. */
void vhd_footer_unpoison(uint8_t buf[512]);
void vhd_footer_poison(uint8_t buf[512]);

int vhd_batmap_decode(struct vhd_batmap_header *out, const uint8_t buf[512],
		      struct err *err);
void vhd_batmap_encode(uint8_t buf[512], const struct vhd_batmap_header *hdr);

/* Whether an image with this footer has a batmap; 1.1 only perhaps. */
bool vhd_footer_has_batmap(const struct vhd_footer *footer);

/* The room of a locator in bytes, also where it was written in sectors. */
uint64_t vhd_locator_room(const struct vhd_locator *loc);

/* Cylinders, heads and sectors as the published format computes them. */
void vhd_footer_geometry(struct vhd_footer *footer);

#endif /* VHD_FORMAT_H */
