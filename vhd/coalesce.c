/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* coalesce.c - a child's sectors into its parent; the child is only read. */
#include <errno.h>
#include <string.h>

#include "lib/err.h"
#include "vhd/image.h"
#include "vhd/merge.h"

/* Ciphertext must not end up among what another key, or none, reads. */
static int same_key(const struct vhd *child, const struct vhd *parent,
		    struct err *err)
{
	struct vhd_keyhash a = { 0 }, b = { 0 };
	int rc = vhd_keyhash(child, &a);

	if (!rc && parent)
		rc = vhd_keyhash(parent, &b);
	if (rc)
		return err_set(err, rc, "key hash: %s", strerror(-rc));
	if (a.set != b.set || (a.set && (memcmp(a.nonce, b.nonce, 32) ||
					 memcmp(a.hash, b.hash, 32))))
		return err_set(err, -EINVAL,
			       "the key hashes of child and parent differ");
	return 0;
}

static int may_coalesce(struct vhd *child, struct vhd *parent, uint64_t size,
			struct err *err)
{
	if (child->footer.type != VHD_DIFFERENCING)
		return err_set(err, -EINVAL,
			       "coalescing of non-differencing disks is not "
			       "supported");
	if (parent && !memcmp(parent->footer.id, child->footer.id, 16))
		return err_set(err, -EINVAL, "it is a parent of its own");
	if (parent && memcmp(parent->footer.id, child->header.parent_id, 16))
		return err_set(err, -EINVAL, "invalid parent uuid");
	if (vhd_size(child) > size)
		return err_set(err, -EINVAL,
			       "the parent is smaller than the child: resize "
			       "it first");
	return same_key(child, parent, err);
}

int vhd_coalesce(struct vhd *child, struct vhd *parent, struct vhd_io *raw,
		 const struct vhd_progress *progress, uint64_t *sectors,
		 struct err *err)
{
	struct vhd_layer_source from;
	struct vhd_merge m = {
		.from = &from.source,
		.count = (vhd_size(child) + VHD_SECTOR - 1) / VHD_SECTOR,
		.progress = progress,
	};
	uint64_t size = 0;
	int rc = 0;

	vhd_layer_source(&from, child, NULL);
	*sectors = 0;
	if (parent)
		size = vhd_size(parent);
	else
		rc = raw->size(raw, &size);
	if (rc)
		return err_set(err, rc, "size of the parent");
	rc = may_coalesce(child, parent, size, err);
	if (rc)
		return rc;
	if (parent && parent->footer.type != VHD_FIXED)
		rc = vhd_merge(parent, &m, err);
	else
		rc = vhd_merge_plain(parent ? parent->io : raw, vhd_size(child),
				     &m, err);
	*sectors = m.merged;
	return rc;
}
