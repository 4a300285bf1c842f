/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control-extra.c - what an open or a resume may ask for beside the image: a
 * mirror, a second image, the parent that another tapdisk has.
 *
 *	-2 nbd:NAME     a mirror; comes and goes with a resume as well
 *	-2 TYPE:PATH    a second image, a copy; from open to close
 *	-2 TYPE:PATH -s the same, a standby
 *	-e MINOR        the leaf's parent is what nbd<PID>.<MINOR> serves
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "control/client.h"
#include "tapdisk/control-impl.h"

static bool is_null(const char *spec)
{
	return !strcmp(spec, "null") || !strcmp(spec, "null:");
}

static bool is_nbd(const char *spec)
{
	return !strncmp(spec, "nbd:", 4);
}

/* The one socket of that minor, whoever has it. */
static int find_parent(struct control_op *op, unsigned minor)
{
	struct control_disk *disk = op->disk;
	char pattern[TAPCTL_PATH];
	glob_t found = { 0 };
	int rc = 0;

	if (minor == disk->minor)
		return err_set(&op->err, -EINVAL,
			       "minor %u: it cannot be its own parent (-e)",
			       minor);
	if (tapctl_path(pattern, op->ctl->env.dir, "nbd[0-9]*.%u", minor) < 0)
		return err_set(&op->err, -ENAMETOOLONG, "%s: too long",
			       op->ctl->env.dir);
	if (glob(pattern, 0, NULL, &found) || found.gl_pathc != 1)
		rc = err_set(&op->err, found.gl_pathc ? -EINVAL : -ENOENT,
			     "minor %u: %zu tapdisks serve it (-e)", minor,
			     found.gl_pathc);
	else
		(void)snprintf(disk->parent, sizeof(disk->parent), "nbd:%s",
			       found.gl_pathv[0]); /* as long as a pattern */
	globfree(&found);
	return rc;
}

static int refuse(struct control_op *op, const char *why)
{
	return err_set(&op->err, -EOPNOTSUPP,
		       "a secondary image (-2) is not served in this version "
		       "%s",
		       why);
}

static int pick_second(struct control_op *op, struct vbd_open *args)
{
	const char *spec = op->msg.u.params.secondary;
	uint32_t flags = op->msg.u.params.flags;

	if (!(flags & WIRE_SECONDARY) || is_null(spec)) {
		return flags & WIRE_STANDBY
			       ? err_set(&op->err, -EINVAL,
					 "a standby (-s) of what? -2 names it")
			       : 0;
	}
	if (!strchr(spec, ':'))
		return err_set(&op->err, -EINVAL, "'%s': no secondary image",
			       spec);
	if (is_nbd(spec) && flags & WIRE_STANDBY)
		return refuse(op, "as a standby (-s), if it is an NBD server");
	if (!is_nbd(spec) && flags & WIRE_ADD_LOG)
		return refuse(op, "together with a change log, but for nbd:");
	if (is_nbd(spec))
		args->mirror = spec;
	else
		args->second = spec;
	args->standby = flags & WIRE_STANDBY;
	return 0;
}

int control_extra_open(struct control_op *op, struct vbd_open *args)
{
	struct control_disk *disk = op->disk;
	int rc = pick_second(op, args);

	disk->has_parent = op->msg.u.params.flags & WIRE_REUSE_PRT;
	if (rc || !disk->has_parent)
		return rc;
	disk->parent_minor = op->msg.u.params.prt_devnum;
	args->parent = disk->parent;
	return find_parent(op, disk->parent_minor);
}

/* Without a word of it, everything stays as it is. */
static int change_mirror(struct control_op *op)
{
	const char *spec = op->msg.u.params.secondary;
	const char *second = vbd_second(op->disk->vbd);
	bool copy = second && !vbd_is_standby(op->disk->vbd);

	if (!(op->msg.u.params.flags & WIRE_SECONDARY) ||
	    (second && !strcmp(second, spec)))
		return 0;
	if (!is_null(spec) && !is_nbd(spec))
		return refuse(op, "from an unpause on, but for nbd:");
	if (copy)
		return refuse(op, "in place of another one");
	if (vbd_set_mirror(op->disk->vbd, is_null(spec) ? NULL : spec))
		return err_set(&op->err, -ENOMEM, "no memory for a mirror");
	return 0;
}

int control_extra_resume(struct control_op *op, const char *spec)
{
	struct control_disk *disk = op->disk;
	int rc;

	if (vbd_second(disk->vbd) && op->msg.u.params.flags & WIRE_ADD_LOG)
		return refuse(op, "together with a change log, but for nbd:");
	if (vbd_moved(disk->vbd) && strcmp(spec, control_spec(disk)) != 0)
		return err_set(&op->err, -EINVAL,
			       "minor %u: it has moved to its second image, "
			       "which is not one of %s",
			       disk->minor, spec);
	if (disk->has_parent) {
		rc = find_parent(op, disk->parent_minor);
		if (rc)
			return rc;
		if (vbd_set_parent(disk->vbd, disk->parent))
			return err_set(&op->err, -ENOMEM, "no memory");
	}
	return change_mirror(op);
}
