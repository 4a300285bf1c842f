/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* open.c - opening an image: which footer counts, and what it leads to. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/image.h"

/* Some old writers forgot the last byte of the footer. */
#define SHORT_FOOTER 511u

static int io_err(struct err *err, int rc, const char *what)
{
	return err_set(err, rc, "error reading %s: %s", what, strerror(-rc));
}

static int read_primary(struct vhd *vhd, uint8_t buf[512], struct err *err)
{
	int rc;

	memset(buf, 0, VHD_FOOTER_BYTES);
	if (vhd->file_size < SHORT_FOOTER)
		return err_set(err, -EINVAL, "device too small");
	vhd->footer_off = vhd->file_size - SHORT_FOOTER;
	rc = vhd->io->pread(vhd->io, buf, SHORT_FOOTER, vhd->footer_off);
	if (rc)
		return io_err(err, rc, "primary footer");
	if (!memcmp(buf, "conectix", 8) || vhd->file_size < VHD_FOOTER_BYTES)
		return 0;
	vhd->footer_off = vhd->file_size - VHD_FOOTER_BYTES;
	rc = vhd->io->pread(vhd->io, buf, VHD_FOOTER_BYTES, vhd->footer_off);
	return rc ? io_err(err, rc, "primary footer") : 0;
}

/* A footer from bytes; poisoned ones only for those who asked. */
static int take_footer(struct vhd *vhd, struct vhd_footer *out,
		       const uint8_t raw[512], bool *poisoned, struct err *err)
{
	uint8_t buf[VHD_FOOTER_BYTES];

	*poisoned = vhd_footer_poisoned(raw);
	if (!*poisoned)
		return vhd_footer_decode(out, raw, err);
	if (!(vhd->flags & VHD_OPEN_POISONED))
		return err_set(err, -EINVAL,
			       "a journalled operation has not ended");
	memcpy(buf, raw, sizeof(buf));
	vhd_footer_unpoison(buf);
	return vhd_footer_decode(out, buf, err);
}

static int read_footer(struct vhd *vhd, struct err *err)
{
	uint8_t buf[VHD_FOOTER_BYTES], copy[VHD_FOOTER_BYTES];
	struct vhd_footer second;
	struct err why = { 0 };
	bool copy_poisoned = false;
	int rc = read_primary(vhd, buf, err);
	int bad;

	if (rc)
		return rc;
	bad = take_footer(vhd, &vhd->footer, buf, &vhd->poisoned, &why);
	vhd->primary = !bad;
	if (vhd->flags & VHD_OPEN_STRICT && bad)
		return err_set(err, bad, "primary footer invalid: %s", why.msg);
	if (!bad && vhd->footer.type == VHD_FIXED)
		return 0;
	rc = vhd->file_size < VHD_FOOTER_BYTES
		     ? -ERANGE
		     : vhd->io->pread(vhd->io, copy, VHD_FOOTER_BYTES, 0);
	if (!rc)
		rc = take_footer(vhd, &second, copy, &copy_poisoned, NULL);
	if (!rc && second.type == VHD_FIXED)
		rc = -EINVAL;
	if (rc && bad)
		return err_set(err, bad, "primary footer invalid: %s", why.msg);
	if (rc) {
		vhd->differ = true;
		return 0;
	}
	vhd->differ = memcmp(buf, copy, SHORT_FOOTER) != 0;
	if (!bad && memcmp(second.id, vhd->footer.id, 16))
		bad = -EINVAL;
	if (bad || vhd->flags & VHD_OPEN_BACKUP) {
		vhd->footer = second;
		vhd->poisoned = copy_poisoned;
		vhd->primary = false;
	}
	return 0;
}

static int read_header(struct vhd *vhd, struct err *err)
{
	uint8_t buf[VHD_HEADER_BYTES];
	uint64_t off = vhd->footer.data_off;
	uint64_t need;
	int rc;

	if (off < VHD_FOOTER_BYTES ||
	    !bytes_within(off, sizeof(buf), vhd->file_size))
		return err_set(err, -EINVAL, "footer: invalid data offset");
	rc = vhd->io->pread(vhd->io, buf, sizeof(buf), off);
	if (rc)
		return io_err(err, rc, "header");
	rc = vhd_header_decode(&vhd->header, buf, err);
	if (rc)
		return err_wrap(err, "header is invalid");
	if (!bytes_within(vhd->header.table_off,
			  vhd_table_bytes(vhd->header.max_bat), vhd->file_size))
		return err_set(err, -EINVAL,
			       "header is invalid: BAT of %u entries lies "
			       "outside the file",
			       vhd->header.max_bat);
	need = vhd->footer.size / vhd->header.block_size +
	       (vhd->footer.size % vhd->header.block_size != 0);
	if (need > vhd->header.max_bat)
		return err_set(err, -EINVAL,
			       "VHD size (%llu blocks) exceeds BAT size (%u)",
			       (unsigned long long)need, vhd->header.max_bat);
	vhd->blocks = (uint32_t)need;
	return 0;
}

static int check_creator(const struct vhd *vhd, struct err *err)
{
	if (memcmp(vhd->footer.creator_app, "tap", 3))
		return 0;
	if (vhd->footer.creator_version < VHD_CREATOR_1_1 ||
	    vhd->footer.creator_version > VHD_CREATOR_1_3)
		return err_set(err, -EINVAL, "unsupported tap creator version");
	return 0;
}

static int open_image(struct vhd *vhd, struct err *err)
{
	int rc = vhd->io->size(vhd->io, &vhd->file_size);

	if (rc)
		return err_set(err, rc, "error calculating end of file: %s",
			       strerror(-rc));
	rc = read_footer(vhd, err);
	if (!rc)
		rc = check_creator(vhd, err);
	if (rc || vhd->flags & VHD_OPEN_FOOTER)
		return rc;
	if (vhd->footer.type == VHD_FIXED) {
		if (vhd->footer.size > vhd->footer_off)
			return err_set(err, -EINVAL,
				       "footer: invalid size: the file is "
				       "shorter than the disk");
		/* All in front of the footer may be the disk's. */
		vhd->next = bytes_round_up(vhd->footer_off, VHD_SECTOR) /
			    VHD_SECTOR;
		return 0;
	}
	rc = read_header(vhd, err);
	if (rc || vhd->flags & VHD_OPEN_FAST)
		return rc;
	rc = vhd_bat_load(vhd, err);
	return rc ? rc : vhd_batmap_load(vhd, err);
}

int vhd_open_flags(struct vhd **out, struct vhd_io *io, unsigned flags,
		   struct err *err)
{
	struct vhd *vhd = calloc(1, sizeof(*vhd));
	int rc;

	if (!vhd)
		return err_set(err, -ENOMEM, "allocating image");
	vhd->io = io;
	vhd->flags = flags;
	rc = open_image(vhd, err);
	if (rc) {
		vhd_close(vhd);
		return rc;
	}
	*out = vhd;
	return 0;
}

int vhd_open(struct vhd **out, struct vhd_io *io, bool writable,
	     struct err *err)
{
	return vhd_open_flags(out, io, writable ? VHD_OPEN_WRITE : 0, err);
}

void vhd_close(struct vhd *vhd)
{
	if (!vhd)
		return;
	free(vhd->bat);
	free(vhd->batmap.map);
	free(vhd);
}

const struct vhd_footer *vhd_footer(const struct vhd *vhd)
{
	return &vhd->footer;
}

const struct vhd_header *vhd_header(const struct vhd *vhd)
{
	return vhd->footer.type == VHD_FIXED ? NULL : &vhd->header;
}

uint64_t vhd_size(const struct vhd *vhd)
{
	return vhd->footer.size;
}

uint64_t vhd_file_size(const struct vhd *vhd)
{
	return vhd->file_size;
}

const char *vhd_note(const struct vhd *vhd)
{
	return vhd->note[0] ? vhd->note : NULL;
}

int vhd_may_write(struct vhd *vhd, struct err *err)
{
	if (!(vhd->flags & VHD_OPEN_WRITE))
		return err_set(err, -EPERM, "image is open for reading only");
	if (vhd->poisoned)
		return err_set(err, -EINVAL,
			       "a journalled operation has not ended");
	return 0;
}
