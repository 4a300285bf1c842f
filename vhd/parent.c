/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* parent.c - finding the image behind a differencing one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "vhd/image.h"
#include "vhd/locator.h"
#include "vhd/names.h"

bool vhd_parent_is_raw(const struct vhd *vhd)
{
	static const uint8_t none[16];

	return vhd->footer.type == VHD_DIFFERENCING &&
	       !memcmp(vhd->header.parent_id, none, sizeof(none));
}

static int may_have_parent(const struct vhd *vhd, struct err *err)
{
	if (vhd->footer.type != VHD_DIFFERENCING)
		return err_set(err, -EINVAL, "not a differencing image");
	if (!vhd->header.parent_name[0])
		return err_set(err, -EINVAL, "invalid parent name: empty");
	return 0;
}

int vhd_parent_locator(struct vhd *vhd, char **out, struct err *err)
{
	int rc = may_have_parent(vhd, err);

	if (rc)
		return rc;
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		rc = vhd_locator_path(vhd, i, out, err);
		if (!rc)
			return 0;
	}
	return err_set(err, -ENOENT, "no locator names the parent '%s'",
		       vhd->header.parent_name);
}

/* A candidate's canonical name, if it is there. */
static int try_path(char **out, const char *path, const char *name,
		    struct vhd_files *files)
{
	char *child = files->resolve(files, name);
	char *full = child ? vhd_name_beside(child, path) : NULL;
	struct vhd_io *io;
	int rc = full ? files->open(files, &io, full, 0, NULL) : -ENOENT;

	if (!rc) {
		io->close(io);
		*out = files->resolve(files, full);
		rc = *out ? 0 : -ENOENT;
	}
	free(full);
	free(child);
	return rc;
}

int vhd_parent_path(struct vhd *vhd, const char *name, struct vhd_files *files,
		    char **out, struct err *err)
{
	char *path, first[160] = "";
	int rc = may_have_parent(vhd, err), why = -ENOENT;

	if (rc)
		return rc;
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		if (vhd_locator_path(vhd, i, &path, NULL))
			continue;
		rc = try_path(out, path, name, files);
		if (!first[0])
			(void)snprintf(first, sizeof(first), "%s", path);
		free(path);
		if (!rc)
			return 0;
		if (rc == -EACCES) /* it may be there */
			why = rc;
	}
	return err_set(err, why, "error resolving %s: %d",
		       first[0] ? first : vhd->header.parent_name, why);
}

int vhd_parent(struct vhd *vhd, const char *name, struct vhd_files *files,
	       char **spec, uint8_t id[16], struct err *err)
{
	char *path;
	int rc = vhd_parent_path(vhd, name, files, &path, err);

	if (rc)
		return rc;
	memcpy(id, vhd->header.parent_id, 16);
	rc = asprintf(spec, "%s:%s", vhd_parent_is_raw(vhd) ? "raw" : "vhd",
		      path);
	free(path);
	return rc < 0 ? err_set(err, -ENOMEM, "%s", name) : 0;
}
