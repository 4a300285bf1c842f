/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * write.c - footers and header on their way to the disk.
 *
 * Two ways to let a file grow.  A disk server kills the primary footer for
 * as long as it writes and puts it back at the end (vhd_write_begin, _end):
 * others see that the image is in use, or that its server died.  Everything
 * else moves the footer ahead of the data first (vhd_footer_move), so that
 * the image is whole at each instant.
 */
#include <errno.h>
#include <string.h>

#include "lib/err.h"
#include "vhd/image.h"

#define KILLED 0xc7

static int say(struct err *err, int rc, const char *what)
{
	return rc ? err_set(err, rc, "error writing %s: %s", what,
			    strerror(-rc))
		  : 0;
}

static int put_footer(struct vhd *vhd, uint64_t off)
{
	uint8_t buf[VHD_FOOTER_BYTES];

	vhd_footer_encode(buf, &vhd->footer);
	if (vhd->poisoned)
		vhd_footer_poison(buf);
	return vhd->io->pwrite(vhd->io, buf, sizeof(buf), off);
}

static int put_copy(struct vhd *vhd, struct err *err)
{
	int rc;

	if (vhd->footer.type == VHD_FIXED)
		return 0;
	rc = put_footer(vhd, 0);
	if (!rc)
		rc = vhd->io->sync(vhd->io);
	return say(err, rc, "backup footer");
}

static int grow(struct vhd *vhd, uint64_t size)
{
	int rc = vhd->io->resize ? vhd->io->resize(vhd->io, size) : -EOPNOTSUPP;

	if (rc == -EOPNOTSUPP)
		return -ENOSPC;
	if (!rc)
		vhd->file_size = size;
	return rc;
}

/*
 * A footer at off, with which the file may become longer: by that one write,
 * so that there is no instant at which it ends without a footer.
 */
static int put_longer(struct vhd *vhd, uint64_t off)
{
	uint64_t was = vhd->file_size, want = off + VHD_FOOTER_BYTES;
	int rc =
		want > was && !vhd->io->resize ? -ENOSPC : put_footer(vhd, off);

	if (!rc)
		rc = vhd->io->sync(vhd->io);
	if (!rc && want > was)
		vhd->file_size = want;
	/* Half of one is cut off again, or the copy at 0 counts. */
	if (rc && want > was && vhd->io->resize)
		(void)vhd->io->resize(vhd->io, was);
	return rc;
}

/* The primary at off and nothing behind it, where that can be had. */
static int put_primary(struct vhd *vhd, uint64_t off)
{
	uint64_t want = off + VHD_FOOTER_BYTES;
	int rc = put_longer(vhd, off);

	if (!rc && vhd->file_size > want) {
		rc = vhd->io->resize ? vhd->io->resize(vhd->io, want)
				     : -EOPNOTSUPP;
		if (!rc)
			vhd->file_size = want;
		off = vhd->file_size - VHD_FOOTER_BYTES;
		if (rc == -EOPNOTSUPP)
			rc = put_footer(vhd, off);
		if (!rc)
			rc = vhd->io->sync(vhd->io);
	}
	if (!rc) {
		vhd->footer_off = off;
		vhd->primary = true;
		vhd->differ = false;
	}
	return rc;
}

int vhd_footer_settle(struct vhd *vhd, struct err *err)
{
	uint64_t off = vhd_end(vhd);
	int rc;

	/* A device: the footer is at its end, wherever the data ends. */
	if (!vhd->io->resize) {
		if (vhd->file_size - VHD_FOOTER_BYTES < off)
			return say(err, -ENOSPC, "primary footer");
		off = vhd->file_size - VHD_FOOTER_BYTES;
	}
	rc = put_copy(vhd, err);
	return rc ? rc : say(err, put_primary(vhd, off), "primary footer");
}

/* The file has its length before the footers: they cost no metadata then. */
int vhd_footer_new(struct vhd *vhd, struct err *err)
{
	static const uint8_t zero[VHD_FOOTER_BYTES];
	uint64_t off = vhd_end(vhd);
	int rc;

	if (vhd->file_size > off)
		return vhd_footer_settle(vhd, err);
	rc = vhd->io->pwrite(vhd->io, zero, sizeof(zero), off);
	if (!rc)
		rc = vhd->io->sync(vhd->io);
	if (!rc && vhd->footer.type != VHD_FIXED)
		rc = put_footer(vhd, 0);
	if (!rc)
		rc = put_footer(vhd, off);
	if (!rc)
		rc = vhd->io->sync(vhd->io);
	if (rc)
		return say(err, rc, "footers");
	vhd->file_size = off + VHD_FOOTER_BYTES;
	vhd->footer_off = off;
	vhd->primary = true;
	return 0;
}

int vhd_footer_write(struct vhd *vhd, struct err *err)
{
	uint64_t end = vhd_end(vhd);
	int rc = 0;

	/*
	 * Its server died, or is one that takes no locks and lives: nothing
	 * of the file is cut off.
	 */
	if (!vhd->primary && vhd->footer_off < end) {
		rc = grow(vhd, end + VHD_FOOTER_BYTES);
		vhd->footer_off = end;
	}
	if (rc)
		return say(err, rc, "primary footer");
	rc = put_copy(vhd, err);
	if (!rc)
		rc = say(err, put_footer(vhd, vhd->footer_off),
			 "primary footer");
	if (!rc)
		rc = say(err, vhd->io->sync(vhd->io), "primary footer");
	if (!rc)
		vhd->primary = true;
	return rc;
}

int vhd_footer_move(struct vhd *vhd, uint64_t end, struct err *err)
{
	int rc = 0;

	if (!vhd->primary)
		rc = vhd_footer_settle(vhd, err);
	if (rc || end <= vhd->footer_off)
		return rc;
	rc = put_longer(vhd, end);
	if (rc)
		return say(err, rc, "primary footer");
	vhd->footer_off = end;
	return 0;
}

int vhd_header_write(struct vhd *vhd, struct err *err)
{
	uint8_t buf[VHD_HEADER_BYTES];

	vhd_header_encode(buf, &vhd->header);
	return say(err,
		   vhd->io->pwrite(vhd->io, buf, sizeof(buf),
				   vhd->footer.data_off),
		   "header");
}

/* After a crash: the file's end may be missing, or be a block's. */
static int make_room_to_kill(struct vhd *vhd)
{
	uint64_t end = vhd_end(vhd) + VHD_FOOTER_BYTES;

	if (vhd->file_size >= end)
		return 0;
	return grow(vhd, end);
}

int vhd_write_begin(struct vhd *vhd, struct err *err)
{
	uint8_t dead[VHD_FOOTER_BYTES];
	int rc = vhd_may_write(vhd, err);

	/* A fixed image has no second footer to be opened by. */
	if (rc || vhd->footer.type == VHD_FIXED || vhd->killed)
		return rc;
	rc = make_room_to_kill(vhd);
	if (rc)
		return say(err, rc, "primary footer");
	if (vhd->differ) {
		rc = put_copy(vhd, err);
		if (rc)
			return rc;
		vhd->differ = false;
	}
	memset(dead, KILLED, sizeof(dead));
	vhd->footer_off = vhd->file_size - VHD_FOOTER_BYTES;
	rc = vhd->io->pwrite(vhd->io, dead, sizeof(dead), vhd->footer_off);
	if (!rc)
		rc = vhd->io->sync(vhd->io);
	if (rc)
		return say(err, rc, "primary footer");
	vhd->primary = false;
	vhd->killed = true;
	return 0;
}

int vhd_write_end(struct vhd *vhd, struct err *err)
{
	int rc = vhd->io->sync(vhd->io);

	if (rc)
		return say(err, rc, "data");
	if (!vhd->killed)
		return 0;
	rc = vhd->io->size(vhd->io, &vhd->file_size);
	if (rc)
		return say(err, rc, "primary footer");
	/* One that a crash has cut in two is of no use until written anew. */
	if (vhd->batmap.dirty || !vhd->batmap.trusted)
		rc = vhd_batmap_write(vhd, err);
	if (!rc)
		rc = vhd_footer_settle(vhd, err);
	if (!rc)
		vhd->killed = false;
	return rc;
}

int vhd_pread_zero(struct vhd *vhd, void *buf, size_t len, uint64_t off)
{
	uint64_t size = vhd->file_size;
	size_t have;

	if (off >= size) {
		memset(buf, 0, len);
		return 0;
	}
	have = len < size - off ? len : (size_t)(size - off);
	memset((char *)buf + have, 0, len - have);
	return vhd->io->pread(vhd->io, buf, have, off);
}
