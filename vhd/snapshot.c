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

/* Whose child is made, and what was found there. */
struct parent {
	const char *name;
	bool raw;
	bool pass;      /* over it, if it adds nothing to its own parent: */
	char *above;    /* which is this; or NULL */
	bool above_raw; /* and whether it is a plain disk */
};

static int from_image(struct vhd *vhd, struct parent *parent,
		      struct vhd_files *files, struct vhd_new *p,
		      struct err *err)
{
	int rc = vhd_keyhash(vhd, &p->keyhash);

	if (rc)
		return err_set(err, rc, "key hash: %s", strerror(-rc));
	if (!p->size)
		p->size = vhd_size(vhd);
	memcpy(p->parent_id, vhd->footer.id, 16);
	if (!parent->pass || vhd->footer.type != VHD_DIFFERENCING ||
	    vhd_allocated(vhd))
		return 0;
	parent->above_raw = vhd_parent_is_raw(vhd);
	return vhd_parent_path(vhd, parent->name, files, &parent->above, err);
}

static int from_vhd(struct vhd_io *io, struct parent *parent,
		    struct vhd_files *files, struct vhd_new *p, struct err *err)
{
	struct vhd *vhd;
	int rc = vhd_open(&vhd, io, false, err);

	if (rc)
		return rc;
	rc = from_image(vhd, parent, files, p, err);
	vhd_close(vhd);
	return rc;
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

static int read_parent(struct parent *parent, struct vhd_files *files,
		       struct vhd_new *p, struct err *err)
{
	struct vhd_io *io;
	int rc = files->open(files, &io, parent->name, 0, err);

	if (rc)
		return rc;
	p->parent_time = mtime_of(io, p->time);
	rc = parent->raw ? from_raw(io, p, err)
			 : from_vhd(io, parent, files, p, err);
	io->close(io);
	return rc ? err_wrap(err, "%s", parent->name) : 0;
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
	struct parent parent = { .name = snap->parent,
				 .raw = snap->raw,
				 .pass = !snap->empty };
	int rc = read_parent(&parent, files, p, err);

	/* The size is that of the one passed over: it may be a larger one. */
	if (!rc && parent.above) {
		parent.name = parent.above;
		parent.raw = parent.above_raw;
		parent.pass = false;
		rc = read_parent(&parent, files, p, err);
	}
	if (!rc)
		rc = link_to(io, files, snap->name, parent.name, p, err);
	free(parent.above);
	return rc;
}
