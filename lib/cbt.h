/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cbt.h - the log of changed blocks of a disk: a header and a bit a block.
 *
 * A file of 48 bytes, little-endian, and a bitmap: a bit for each 64 KiB of
 * the disk, the first in the lowest bit.  Backup software asks a storage
 * manager for it; what wrote the disk sets the bits.  The file of a disk that
 * lies on a device may be longer than its bitmap.
 *
 * File and header do not grow at the same instant.  So the four bytes that
 * the format leaves free tell how long the bitmap is about to be: first they
 * are written, then the file grows, then the header.  In between, a file of
 * that length is as good as one of the old length.
 */
#ifndef LIB_CBT_H
#define LIB_CBT_H

#include <stdbool.h>
#include <stdint.h>

struct err;

#define CBT_HEADER    48u
#define CBT_BLOCK     65536u
#define CBT_TEXT      37u /* of an id, with its end */
#define CBT_MAX_BYTES (UINT64_C(1) << 56)

struct cbt_header {
	uint8_t parent[16]; /* id of the log of what the disk was before */
	uint8_t child[16];
	bool consistent;  /* no bit was lost */
	uint64_t size;    /* of the disk, bytes */
	uint32_t growing; /* to this bitmap's bytes, their low 32 bits; or 0 */
};

/* Bytes of the bitmap of a disk of so many bytes. */
uint64_t cbt_bitmap_bytes(uint64_t size);

/*
 * Checks against the bytes that the file has; exact: it is no device. On
 * failure out is untouched.
 */
int cbt_decode(struct cbt_header *out, const uint8_t buf[CBT_HEADER],
	       uint64_t file_size, bool exact, struct err *err);
void cbt_encode(uint8_t buf[CBT_HEADER], const struct cbt_header *h);

/* Ids as text, lower case; -EINVAL if it is none. */
void cbt_id_text(char out[CBT_TEXT], const uint8_t id[16]);
int cbt_id_parse(uint8_t id[16], const char *text);

#endif /* LIB_CBT_H */
