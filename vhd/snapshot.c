/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot.c - a new image over one that is there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "vhd/image.h"
#include "vhd/names.h"

static int64_t mtime_of(struct vhd_io *io, int64_t otherwise)
{
	int64_t t;

	return io->mtime && !io->mtime(io, &t) ? t : otherwise;
}

static int from_vhd(struct vhd_io *io, struct vhd_new *p, struct err *err)
{
	struct vhd *parent;
	int rc = vhd_open(&parent, io, false, err);

	if (rc)
		return rc;
	if (!p->size)
		p->size = vhd_size(parent);
	memcpy(p->parent_id, parent->footer.id, 16);
	rc = vhd_keyhash(parent, &p->keyhash);
	vhd_close(parent);
	return rc ? err_set(err, rc, "key hash: %s", strerror(-rc)) : 0;
}

static int from_raw(struct vhd_io *io, struct vhd_new *p, struct err *err)
{
	uint64_t size;
	int rc = io->size(io, &size);

	memset(p->parent_id, 0, sizeof(p->parent_id));
	if (!rc && !p->size)
		p->size = size;
	return rc ? err_set(err, rc, "size: %s", strerror(-rc)) : 0;
}

static int read_parent(struct vhd_files *files, const char *name, bool raw,
		       struct vhd_new *p, struct err *err)
{
	struct vhd_io *io;
	int rc = files->open(files, &io, name, 0, err);

	if (rc)
		return rc;
	p->parent_time = mtime_of(io, p->time);
	rc = raw ? from_raw(io, p, err) : from_vhd(io, p, err);
	io->close(io);
	return rc ? err_wrap(err, "%s", name) : 0;
}

/* The parent's own parent if the parent adds nothing; NULL otherwise. */
static int pass_over(struct vhd_files *files, const char *name, bool *raw,
		     char **out, struct err *err)
{
	struct vhd_io *io;
	struct vhd *vhd;
	int rc = files->open(files, &io, name, 0, err);

	*out = NULL;
	if (rc)
		return rc;
	rc = vhd_open(&vhd, io, false, err);
	if (rc) {
		io->close(io);
		return err_wrap(err, "%s", name);
	}
	if (vhd->footer.type == VHD_DIFFERENCING && !vhd_allocated(vhd)) {
		rc = vhd_parent_path(vhd, name, files, out, err);
		*raw = vhd_parent_is_raw(vhd);
	}
	vhd_close(vhd);
	io->close(io);
	return rc;
}

static int link_to(struct vhd_io *io, struct vhd_files *files, const char *name,
		   const char *parent, struct vhd_new *p, struct err *err)
{
	char *from = files->resolve(files, name);
	char *to = files->resolve(files, parent);
	char *path = from && to ? vhd_name_relative(from, to) : NULL;
	int rc;

	if (path) {
		p->type = VHD_DIFFERENCING;
		p->parent = to;
		p->locator = path;
		rc = vhd_create(io, p, err);
	} else {
		rc = err_set(err, -ENOENT, "error resolving %s", parent);
	}
	p->parent = p->locator = NULL;
	free(path);
	free(from);
	free(to);
	return rc;
}

int vhd_snapshot(struct vhd_io *io, struct vhd_files *files,
		 const struct vhd_snapshot *snap, struct vhd_new *p,
		 struct err *err)
{
	const char *parent = snap->parent;
	bool raw = snap->raw;
	char *instead = NULL;
	int rc = 0;

	if (!raw && !snap->empty)
		rc = pass_over(files, parent, &raw, &instead, err);
	if (rc)
		return rc;
	if (instead) {
		/* It may have been enlarged since. */
		rc = read_parent(files, parent, false, p, err);
		parent = instead;
	}
	if (!rc)
		rc = read_parent(files, parent, raw, p, err);
	if (!rc)
		rc = link_to(io, files, snap->name, parent, p, err);
	free(instead);
	return rc;
}
