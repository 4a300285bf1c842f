/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* modify.c - changes of what an image says of itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/chain.h"
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

/* A file that grows and has no room for its footer stays as it was. */
static int put_footer(struct vhd *vhd, uint64_t bytes)
{
	struct vhd_io *io = vhd->io;
	bool grows = bytes > vhd->file_size;
	uint8_t buf[VHD_FOOTER_BYTES];
	int rc = 0;

	if (grows)
		rc = io->resize ? io->resize(io, bytes) : -EINVAL;
	if (rc)
		return rc;
	vhd_footer_encode(buf, &vhd->footer);
	rc = io->pwrite(io, buf, sizeof(buf), bytes - sizeof(buf));
	if (!rc)
		rc = io->sync(io);
	if (rc && grows)
		(void)io->resize(io, vhd->file_size); /* rc is what counts */
	else if (!rc && io->resize && bytes < vhd->file_size)
		rc = io->resize(io, bytes);
	return rc;
}

int vhd_set_physical(struct vhd *vhd, uint64_t bytes, struct err *err)
{
	int rc = vhd_may_write(vhd, err);

	if (rc)
		return rc;
	if (bytes % VHD_SECTOR || bytes < vhd_end(vhd) + VHD_FOOTER_BYTES ||
	    bytes > INT64_MAX)
		return err_set(err, -EINVAL,
			       "%llu bytes: the data takes %llu and a footer",
			       (unsigned long long)bytes,
			       (unsigned long long)vhd_end(vhd));
	rc = put_footer(vhd, bytes);
	if (rc)
		return err_set(err, rc, "physical size: %s", strerror(-rc));
	vhd->footer_off = bytes - VHD_FOOTER_BYTES;
	vhd->file_size = bytes;
	vhd->primary = true;
	return 0;
}

/* The batmap first: it must not say of a later block that all is there. */
int vhd_kill_data(struct vhd *vhd, struct err *err)
{
	int rc = vhd_may_write(vhd, err);

	if (rc)
		return rc;
	if (vhd->footer.type == VHD_FIXED)
		return err_set(err, -EINVAL, "a fixed image keeps its data");
	if (vhd->batmap.there)
		memset(vhd->batmap.map, 0, vhd->batmap.len);
	rc = vhd_batmap_write(vhd, err);
	if (!rc && vhd->io->sync(vhd->io))
		rc = err_set(err, -EIO, "error writing batmap");
	if (rc)
		return rc;
	memset(vhd->bat, 0xff, (size_t)vhd->header.max_bat * sizeof(*vhd->bat));
	rc = vhd_bat_write(vhd, err);
	if (!rc && vhd->io->sync(vhd->io))
		rc = err_set(err, -EIO, "error writing bat");
	if (rc)
		return rc;
	vhd_bat_scan(vhd);
	return vhd_footer_settle(vhd, err);
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

static bool is_ours(const struct vhd_locator *loc)
{
	return loc->code == VHD_CODE_MACX || loc->code == VHD_CODE_W2KU ||
	       loc->code == VHD_CODE_W2RU;
}

/* The slot that readers look at first; VHD_LOCATORS: there is none. */
static unsigned first_slot(const struct vhd_header *h)
{
	unsigned i = 0;

	while (i < VHD_LOCATORS && !is_ours(&h->loc[i]))
		i++;
	return i;
}

/* All but the one in slot not. */
static int rewrite_others(struct vhd *vhd, struct vhd_header *h, unsigned not,
			  const char *path, bool dry, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < VHD_LOCATORS; i++) {
		if (i != not &&is_ours(&h->loc[i]))
			rc = rewrite_locator(vhd, &h->loc[i], path, dry, err);
	}
	return rc;
}

static int say_header(struct vhd *vhd, const struct vhd_header *h,
		      struct err *err)
{
	int rc;

	vhd->header = *h;
	rc = vhd_header_write(vhd, err);
	if (!rc && vhd->io->sync(vhd->io))
		rc = err_set(err, -EIO, "error writing header");
	return rc;
}

/*
 * As h is, but readers look at slot last; the texts stay where they are.
 * False: it is the only one.
 */
static bool turn_slots(struct vhd_header *out, const struct vhd_header *h,
		       unsigned slot)
{
	unsigned last = slot;

	*out = *h;
	for (unsigned i = slot + 1; i < VHD_LOCATORS; i++) {
		if (!is_ours(&h->loc[i]))
			continue;
		out->loc[last] = h->loc[i];
		last = i;
	}
	out->loc[last] = h->loc[slot];
	return last != slot;
}

static int stop(const struct vhd_reparent *p, const char *point,
		struct err *err)
{
	if (p->fault && p->fault(p->arg, point))
		return err_set(err, -EINVAL, "stopped at %s", point);
	return 0;
}

/*
 * Readers take the first locator that leads somewhere, and refuse a parent
 * whose id is not the header's.  So the others are written first; then a
 * header in which one of those is the first; then the one that was first;
 * then the header with all where they were.  Where there is one locator
 * alone, it and the header do not change at the same instant.
 */
static int rewrite(struct vhd *vhd, const struct vhd_reparent *p,
		   struct vhd_header *h, const char *path, struct err *err)
{
	unsigned first = first_slot(h);
	struct vhd_header turned;
	int rc = rewrite_others(vhd, h, first, path, false, err);

	if (!rc && vhd->io->sync(vhd->io))
		rc = err_set(err, -EIO, "error writing locator");
	if (!rc)
		rc = stop(p, "REPARENT_LOCATOR", err);
	/* The first one's length is still the old text's. */
	if (!rc && turn_slots(&turned, h, first))
		rc = say_header(vhd, &turned, err);
	if (!rc)
		rc = rewrite_locator(vhd, &h->loc[first], path, false, err);
	if (!rc && vhd->io->sync(vhd->io))
		rc = err_set(err, -EIO, "error writing locator");
	return rc ? rc : say_header(vhd, h, err);
}

static int may_reparent(struct vhd *vhd, struct vhd_header *h, const char *path,
			struct err *err)
{
	struct vhd_header sizes = *h;

	if (first_slot(h) == VHD_LOCATORS)
		return err_set(err, -EINVAL, "no locator to write to");
	return rewrite_others(vhd, &sizes, VHD_LOCATORS, path, true, err);
}

int vhd_set_parent(struct vhd *vhd, const struct vhd_reparent *p,
		   struct err *err)
{
	struct vhd_header h = vhd->header;
	char *from = p->files->resolve(p->files, p->name);
	char *to = p->files->resolve(p->files, p->parent);
	char *path = from && to ? vhd_name_relative(from, to) : NULL;
	int rc = vhd_may_write(vhd, err);

	if (!rc && vhd->footer.type != VHD_DIFFERENCING)
		rc = err_set(err, -EINVAL, "not a differencing image");
	if (!rc && !path)
		rc = err_set(err, -ENOENT, "error resolving %s", p->parent);
	if (!rc && vhd_chain_holds(p->files, to, from))
		rc = err_set(err, -EINVAL, "it would be a parent of its own");
	if (!rc)
		rc = describe(&h, p->files, to, p->raw, err);
	if (!rc)
		rc = may_reparent(vhd, &h, path, err);
	if (!rc)
		rc = stop(p, "REPARENT_BEGIN", err);
	if (!rc)
		rc = rewrite(vhd, p, &h, path, err);
	if (!rc)
		rc = stop(p, "REPARENT_END", err);
	free(path);
	free(from);
	free(to);
	return rc;
}
