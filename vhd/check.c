/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check.c - is this image what it should be?
 *
 * Stricter than opening: what is survived there is told here.  The reasons
 * are worded as the old tools worded them.
 */
#include "vhd/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/chain.h"
#include "vhd/image.h"

struct request {
	struct vhd_files *files;
	unsigned flags;
	int64_t now;
};

static int read_at(struct vhd_io *io, uint8_t *buf, size_t len, uint64_t off,
		   const char *what, struct err *err)
{
	int rc = io->pread(io, buf, len, off);

	return rc ? err_set(err, rc, "error reading %s: %d", what, rc) : 0;
}

/* The times of writing may differ, and so what is summed. */
static bool footers_match(const uint8_t *primary, const uint8_t *copy)
{
	uint8_t a[VHD_FOOTER_BYTES], b[VHD_FOOTER_BYTES];

	if (!memcmp(primary, copy, VHD_FOOTER_BYTES))
		return true;
	if (memcmp(primary + 28, "tap", 3))
		return false;
	memcpy(a, primary, sizeof(a));
	memcpy(b, copy, sizeof(b));
	memset(a + VHD_FOOTER_SUM_AT, 0, 4);
	memset(b + VHD_FOOTER_SUM_AT, 0, 4);
	a[84] = b[84] = 0; /* saved */
	a[85] = b[85] = 0; /* hidden */
	return !memcmp(a, b, sizeof(a));
}

static int check_copy(struct vhd_io *io, const uint8_t *primary, int64_t now,
		      struct err *err)
{
	uint8_t copy[VHD_FOOTER_BYTES];
	int rc = read_at(io, copy, sizeof(copy), 0, "backup footer", err);

	if (!rc && vhd_footer_check(copy, now, err))
		rc = err_wrap(err, "backup footer invalid");
	if (!rc && primary && !footers_match(primary, copy))
		rc = err_set(err, -EINVAL,
			     "primary and backup footers do not match");
	return rc;
}

static int check_footers(struct vhd_io *io, unsigned flags, int64_t now,
			 struct err *err)
{
	uint8_t buf[VHD_FOOTER_BYTES] = { 0 };
	uint64_t size;
	int rc = io->size(io, &size);

	if (rc)
		return err_set(err, rc, "error calculating end of file: %d",
			       rc);
	if (size < VHD_FOOTER_BYTES - 1)
		return err_set(err, -EINVAL,
			       "primary footer invalid: invalid cookie");
	rc = read_at(io, buf, VHD_FOOTER_BYTES - 1, size - 511,
		     "primary footer", err);
	if (!rc && memcmp(buf, "conectix", 8) && size >= VHD_FOOTER_BYTES)
		rc = read_at(io, buf, VHD_FOOTER_BYTES, size - VHD_FOOTER_BYTES,
			     "primary footer", err);
	if (rc)
		return rc;
	if (flags & VHD_CHECK_NO_PRIMARY && memcmp(buf, "conectix", 8))
		return check_copy(io, NULL, now, err);
	if (vhd_footer_check(buf, now, err))
		return err_wrap(err, "primary footer invalid");
	if (bytes_be32(buf + 60) == VHD_FIXED)
		return 0;
	return check_copy(io, buf, now, err);
}

/* What of a locator's place in the file is wrong; NULL: nothing. */
static const char *locator_trouble(const struct vhd *vhd, unsigned i)
{
	const struct vhd_locator *loc = &vhd->header.loc[i];

	if (!loc->code)
		return NULL;
	if (loc->off < vhd->footer.data_off + VHD_HEADER_BYTES ||
	    !bytes_within(loc->off, loc->len, vhd->file_size))
		return "data offset";
	return vhd_locator_room(loc) > vhd->file_size ? "space" : NULL;
}

static int check_header(struct vhd *vhd, int64_t now, struct err *err)
{
	uint8_t buf[VHD_HEADER_BYTES];
	int rc = read_at(vhd->io, buf, sizeof(buf), vhd->footer.data_off,
			 "header", err);

	if (rc)
		return rc;
	if (vhd_header_check(buf, err))
		return err_wrap(err, "header is invalid");
	if (vhd_header_check_parent(buf, &vhd->footer, now, err))
		return err_wrap(err, "differencing header is invalid");
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		const char *what = locator_trouble(vhd, i);

		if (what)
			return err_set(err, -EINVAL,
				       "differencing header is invalid: "
				       "locator %u: invalid %s",
				       i, what);
	}
	return 0;
}

static int compare_id(const struct vhd *vhd, struct vhd_io *io,
		      const char *path, unsigned flags, struct err *err)
{
	struct vhd *parent;
	int rc = vhd_open_flags(&parent, io, VHD_OPEN_FAST, err);

	if (rc)
		return err_wrap(err, "error opening parent %s", path);
	if (!(flags & VHD_CHECK_NO_ID) &&
	    (memcmp(parent->footer.id, vhd->header.parent_id, 16) ||
	     !memcmp(parent->footer.id, vhd->footer.id, 16)))
		rc = err_set(err, -EINVAL, "invalid parent uuid");
	vhd_close(parent);
	return rc;
}

/* Also hands out the parent's name, if it is a VHD. */
static int check_parent(struct vhd *vhd, const char *name,
			const struct request *r, char **next, struct err *err)
{
	struct vhd_io *io;
	char *path;
	int rc = vhd_parent_path(vhd, name, r->files, &path, err);

	if (rc)
		return rc;
	rc = r->files->open(r->files, &io, path, 0, err);
	if (rc) {
		free(path);
		return err_wrap(err, "error opening parent");
	}
	if (!vhd_parent_is_raw(vhd))
		rc = compare_id(vhd, io, path, r->flags, err);
	io->close(io);
	if (!rc && !vhd_parent_is_raw(vhd))
		*next = path;
	else
		free(path);
	return rc;
}

static int check_tables(struct vhd *vhd, unsigned flags, struct err *err)
{
	struct vhd_checking c = {
		.vhd = vhd,
		.flags = flags,
		.end = vhd->primary ? vhd->footer_off : vhd->file_size,
		.err = err,
	};
	int rc = vhd_check_blocks(&c);

	if (!rc)
		rc = vhd_check_batmap(&c);
	if (!rc && flags & VHD_CHECK_BITMAPS)
		rc = vhd_check_bitmaps(&c);
	return rc;
}

static int check_open(struct vhd *vhd, const char *name,
		      const struct request *r, char **next, struct err *err)
{
	int rc;

	if (vhd->footer.type == VHD_FIXED)
		return 0;
	rc = check_header(vhd, r->now, err);
	if (!rc)
		rc = check_tables(vhd, r->flags, err);
	if (!rc && vhd->footer.type == VHD_DIFFERENCING)
		rc = check_parent(vhd, name, r, next, err);
	return rc;
}

static int check_one(const char *name, const struct request *r, char **next,
		     struct err *err)
{
	struct vhd_io *io;
	struct vhd *vhd;
	int rc = r->files->open(r->files, &io, name, 0, err);

	if (rc)
		return rc;
	rc = check_footers(io, r->flags, r->now, err);
	if (!rc) {
		rc = vhd_open_flags(&vhd, io, VHD_OPEN_LOOSE, err);
		if (!rc) {
			rc = check_open(vhd, name, r, next, err);
			vhd_close(vhd);
		}
	}
	io->close(io);
	return rc;
}

int vhd_check(struct vhd_files *files, const char *name, unsigned flags,
	      int64_t now, struct err *err)
{
	struct request r = {
		.files = files,
		.flags = flags,
		.now = flags & VHD_CHECK_NO_TIME ? 0 : now,
	};
	char *this = strdup(name), *next;
	int rc = this ? 0 : err_set(err, -ENOMEM, "%s", name);

	for (unsigned n = 0; !rc && this; n++) {
		next = NULL;
		rc = n < VHD_CHAIN_MAX
			     ? check_one(this, &r, &next, err)
			     : err_set(err, -ELOOP, "%s: a circle", name);
		if (rc && n)
			rc = err_wrap(err, "%s", this);
		free(this);
		this = next;
		if (!(flags & VHD_CHECK_PARENTS)) {
			free(this);
			this = NULL;
		}
	}
	free(this);
	return rc;
}
