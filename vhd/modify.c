/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* modify.c - changes of what an image says of itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/image.h"
#include "vhd/locator.h"
#include "vhd/names.h"
#include "vhd/utf16.h"

int vhd_set_hidden(struct vhd *vhd, uint8_t hidden, struct err *err)
{
	int rc = vhd_may_write(vhd, err);

	if (rc)
		return rc;
	if (hidden > 1)
		return err_set(err, -EINVAL, "hidden: %u is not 0 or 1",
			       hidden);
	vhd->footer.hidden = hidden;
	return vhd_footer_write(vhd, err);
}

int vhd_set_type(struct vhd *vhd, enum vhd_type type, struct err *err)
{
	int rc = vhd_may_write(vhd, err);

	if (rc)
		return rc;
	if (vhd->footer.type == VHD_FIXED || type == VHD_FIXED)
		return err_set(err, -EINVAL, "a fixed image stays one");
	if (type == VHD_DIFFERENCING && !vhd->header.parent_name[0])
		return err_set(err, -EINVAL, "invalid parent name: empty");
	vhd->footer.type = type;
	return vhd_footer_write(vhd, err);
}

int vhd_set_physical(struct vhd *vhd, uint64_t bytes, struct err *err)
{
	uint8_t buf[VHD_FOOTER_BYTES];
	uint64_t off = bytes - VHD_FOOTER_BYTES;
	int rc = vhd_may_write(vhd, err);

	if (rc)
		return rc;
	if (bytes % VHD_SECTOR || bytes < vhd_end(vhd) + VHD_FOOTER_BYTES ||
	    bytes > INT64_MAX)
		return err_set(err, -EINVAL,
			       "%llu bytes: the data takes %llu and a footer",
			       (unsigned long long)bytes,
			       (unsigned long long)vhd_end(vhd));
	if (bytes > vhd->file_size && vhd->io->resize)
		rc = vhd->io->resize(vhd->io, bytes);
	else if (bytes > vhd->file_size)
		rc = -EINVAL;
	vhd_footer_encode(buf, &vhd->footer);
	if (!rc)
		rc = vhd->io->pwrite(vhd->io, buf, sizeof(buf), off);
	if (!rc)
		rc = vhd->io->sync(vhd->io);
	if (!rc && vhd->io->resize && bytes < vhd->file_size)
		rc = vhd->io->resize(vhd->io, bytes);
	if (rc)
		return err_set(err, rc, "physical size: %s", strerror(-rc));
	vhd->footer_off = off;
	vhd->file_size = bytes;
	vhd->primary = true;
	return 0;
}

int vhd_kill_data(struct vhd *vhd, struct err *err)
{
	int rc = vhd_may_write(vhd, err);

	if (rc)
		return rc;
	if (vhd->footer.type == VHD_FIXED)
		return err_set(err, -EINVAL, "a fixed image keeps its data");
	memset(vhd->bat, 0xff, (size_t)vhd->header.max_bat * sizeof(*vhd->bat));
	rc = vhd_bat_write(vhd, err);
	if (rc)
		return rc;
	vhd_bat_scan(vhd);
	if (vhd->batmap.there)
		memset(vhd->batmap.map, 0, vhd->batmap.len);
	rc = vhd_batmap_write(vhd, err);
	if (!rc && vhd->io->sync(vhd->io))
		rc = err_set(err, -EIO, "error writing bat");
	return rc ? rc : vhd_footer_settle(vhd, err);
}

/* What the header is to say of the new parent. */
static int describe(struct vhd_header *h, struct vhd_files *files,
		    const char *parent, bool raw, struct err *err)
{
	uint8_t room[512];
	const char *base = vhd_name_base(parent);
	int64_t mtime = VHD_EPOCH;
	struct vhd *vhd = NULL;
	struct vhd_io *io;
	int rc = files->open(files, &io, parent, 0, err);

	if (rc)
		return rc;
	if (io->mtime)
		(void)io->mtime(io, &mtime); /* or the epoch */
	memset(h->parent_id, 0, sizeof(h->parent_id));
	if (!raw)
		rc = vhd_open_flags(&vhd, io, VHD_OPEN_FAST, err);
	if (vhd)
		memcpy(h->parent_id, vhd->footer.id, sizeof(h->parent_id));
	vhd_close(vhd);
	io->close(io);
	h->parent_time = (uint32_t)(mtime - VHD_EPOCH);
	if (!rc && vhd_utf16_encode(room, sizeof(room), base, true) < 0)
		rc = err_set(err, -ENAMETOOLONG, "%s: name too long", base);
	(void)snprintf(h->parent_name, sizeof(h->parent_name), "%s", base);
	return rc;
}

/* Locator i's text anew, in its old place. */
static int rewrite_locator(struct vhd *vhd, struct vhd_locator *loc,
			   const char *path, bool dry, struct err *err)
{
	uint64_t room = vhd_locator_room(loc);
	uint8_t *raw, *buf = NULL;
	uint32_t len;
	int rc = vhd_locator_encode(&raw, &len, loc->code, path);

	if (rc)
		return err_set(err, rc, "%s: no name for a locator", path);
	if (len > room || !bytes_within(loc->off, room, vhd->file_size))
		rc = err_set(err, -ENAMETOOLONG, "%s: does not fit its locator",
			     path);
	else if (!dry)
		buf = calloc(1, (size_t)room);
	if (!rc && !dry && !buf)
		rc = err_set(err, -ENOMEM, "locator");
	if (!rc && !dry) {
		memcpy(buf, raw, len);
		rc = vhd->io->pwrite(vhd->io, buf, (size_t)room, loc->off);
		if (rc)
			err_set(err, rc, "error writing locator");
	}
	loc->len = len;
	free(raw);
	free(buf);
	return rc;
}

/* The first one is what readers take, so it is written last. */
static int rewrite_locators(struct vhd *vhd, struct vhd_header *h,
			    const char *path, bool dry, struct err *err)
{
	bool any = false;

	for (unsigned i = VHD_LOCATORS; i--;) {
		struct vhd_locator *loc = &h->loc[i];
		int rc;

		if (loc->code != VHD_CODE_MACX && loc->code != VHD_CODE_W2KU &&
		    loc->code != VHD_CODE_W2RU)
			continue;
		any = true;
		rc = rewrite_locator(vhd, loc, path, dry, err);
		if (rc)
			return rc;
	}
	return any ? 0 : err_set(err, -EINVAL, "no locator to write to");
}

int vhd_set_parent(struct vhd *vhd, const char *name, struct vhd_files *files,
		   const char *parent, bool raw, struct err *err)
{
	struct vhd_header h = vhd->header;
	char *from = files->resolve(files, name);
	char *to = files->resolve(files, parent);
	char *path = from && to ? vhd_name_relative(from, to) : NULL;
	int rc = vhd_may_write(vhd, err);

	if (!rc && vhd->footer.type != VHD_DIFFERENCING)
		rc = err_set(err, -EINVAL, "not a differencing image");
	if (!rc && !path)
		rc = err_set(err, -ENOENT, "error resolving %s", parent);
	if (!rc)
		rc = describe(&h, files, to, raw, err);
	if (!rc)
		rc = rewrite_locators(vhd, &h, path, true, err);
	if (!rc)
		rc = rewrite_locators(vhd, &h, path, false, err);
	if (!rc)
		rc = vhd->io->sync(vhd->io);
	if (!rc) {
		vhd->header = h;
		rc = vhd_header_write(vhd, err);
	}
	if (!rc)
		rc = vhd->io->sync(vhd->io);
	free(path);
	free(from);
	free(to);
	return rc;
}
