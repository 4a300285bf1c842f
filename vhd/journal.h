/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal.h - what an image was before its metadata began to move.
 *
 * A header of one sector, then entries: 32 bytes and a copy of what lay at an
 * offset of the image.  The journal is complete and synced before the image's
 * footers are poisoned, and what is added later is synced before what it is a
 * copy of is written over; so replaying it always leads back.
 */
#ifndef VHD_JOURNAL_H
#define VHD_JOURNAL_H

#include <stdint.h>

#include "vhd/vhd.h"

enum vhd_journal_type {
	VHD_JOURNAL_FOOTER = 1,
	VHD_JOURNAL_COPY,
	VHD_JOURNAL_HEADER,
	VHD_JOURNAL_LOCATOR,
	VHD_JOURNAL_BAT,
	VHD_JOURNAL_BATMAP_HEADER,
	VHD_JOURNAL_BATMAP,
	VHD_JOURNAL_DATA,
};

struct vhd_journal {
	struct vhd_io *io;
	uint8_t id[16];
	uint64_t footer_off;
	uint64_t eof; /* of the image */
	uint32_t metadata;
	uint32_t data;
	uint64_t data_off;
	uint64_t end; /* where the next entry goes */
};

/* Copy all metadata of an image into an empty journal; synced. */
int vhd_journal_start(struct vhd_journal *j, struct vhd *vhd, struct vhd_io *io,
		      struct err *err);

/* Also what lies here; synced. */
int vhd_journal_data(struct vhd_journal *j, struct vhd *vhd, uint64_t off,
		     uint64_t len, struct err *err);

#endif /* VHD_JOURNAL_H */
