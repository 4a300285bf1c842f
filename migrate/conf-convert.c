/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf-convert.c - the same disk, said so that ours serves it.
 *
 * Xen 4.19 and later have a form of their own for it, backendtype=tap.  In
 * 4.13 to 4.18 a script does it, and the target is the script's: its format
 * is raw for libxl, and the image's type stands before the path.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "migrate/conf-disk.h"
#include "migrate/conf-libvirt.h"
#include "migrate/conf.h"
#include "migrate/mem.h"

static bool is(const char *s, const char *what)
{
	return s && !strcmp(s, what);
}

/* What tapdisk calls the image; NULL: it has no word for it. */
static const char *driver_of(const struct conf_disk *disk)
{
	static const char *const names[][2] = {
		{ "raw", "aio" },
		{ "vhd", "vhd" },
		{ "qcow", "qcow" },
		{ "qcow2", "qcow2" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (is(disk->type, names[i][0]))
			return names[i][1];
	}
	return NULL;
}

/* A qcow that no tap form of xl knows. */
static bool is_qcow(const struct conf_disk *disk)
{
	return is(disk->type, "qcow") || is(disk->type, "qcow2");
}

static bool is_block_tap(const char *script)
{
	const char *slash = strrchr(script, '/');

	return !strcmp(slash ? slash + 1 : script, "block-tap");
}

/* Who serves it now was chosen, or is none of ours. */
static bool is_left_alone(const struct conf_disk *disk,
			  const struct conf_goal *goal)
{
	bool tap = conf_disk_tap(disk) || is(disk->backendtype, "tap");

	if (disk->cdrom || is(disk->type, "empty") || is(disk->type, "qed"))
		return true;
	if (disk->backendtype && !is(disk->backendtype, "tap"))
		return true;
	if (disk->script && !is(disk->backendtype, "tap"))
		return true;
	if (is(disk->type, "vhd") || tap)
		return false;
	if (is_qcow(disk) && conf_disk_said(disk, disk->type))
		return true;
	if (conf_disk_said(disk, "file"))
		return !goal->include_file;
	return true;
}

/* What keeps a disk from being converted at all; NULL: nothing. */
static const char *obstacle(const struct conf_disk *disk,
			    const struct conf_goal *goal)
{
	if (!driver_of(disk))
		return "tapdisk has no such kind of image";
	if (is_qcow(disk) && !goal->qcow_script)
		return "xl's tap knows raw and vhd only: convert the image to "
		       "VHD, leave it to QEMU, or allow --qcow-script";
	if (disk->backend)
		return "another domain serves it: convert it there";
	if (disk->script && !goal->native && !is_block_tap(disk->script))
		return "it has a script of its own";
	if (disk->other && strstr(disk->other, "specification=virtio"))
		return "libxl has no virtio disks of this kind";
	if (disk->other && strstr(disk->other, "colo") &&
	    !strstr(disk->other, "no-colo"))
		return "libxl does not replicate disks of this kind";
	if (*disk->target != '/')
		return "its path does not begin with /";
	if (disk->target[strcspn(disk->target, ": \t")])
		return "a hotplug script would split its path at the colon or "
		       "blank: rename the file";
	return NULL;
}

static int refuse(struct err *err, const struct conf_disk *disk,
		  const char *why)
{
	return err_set(err, -EINVAL, "%s: %s",
		       is(disk->type, "raw") || !disk->type ? disk->text
							    : disk->type,
		       why);
}

/* As it was written, but that xl has no word for several writers. */
static const char *access_of(const struct conf_disk *disk)
{
	if (!disk->access || strchr(disk->access, '!'))
		return "rw";
	return disk->access;
}

static char *say(const struct conf_vm *vm, const struct conf_disk *disk,
		 const struct conf_goal *goal)
{
	const char *comma = disk->other ? "," : "";
	const char *other = disk->other ? disk->other : "";
	const char *script = disk->script ? disk->script : "block-tap";

	if (!goal->native || is_qcow(disk))
		return mem_printf("format=raw,vdev=%s,access=%s%s%s,"
				  "script=block-xenio,target=%s:%s",
				  disk->vdev, access_of(disk), comma, other,
				  driver_of(disk), disk->target);
	/*
	 * QEMU opens a raw image without a script by itself, beside tapdisk;
	 * with one it reads through tapdisk's socket.
	 */
	if (disk->script || (vm->hvm && is(disk->type, "raw")))
		return mem_printf("backendtype=tap,format=%s,vdev=%s,"
				  "access=%s%s%s,script=%s,target=%s",
				  disk->type, disk->vdev, access_of(disk),
				  comma, other, script, disk->target);
	return mem_printf("backendtype=tap,format=%s,vdev=%s,access=%s%s%s,"
			  "target=%s",
			  disk->type, disk->vdev, access_of(disk), comma, other,
			  disk->target);
}

/* It is in the target's own form already. */
static bool is_native(const struct conf_vm *vm, const struct conf_disk *disk,
		      const struct conf_goal *goal)
{
	return goal->native && is(disk->backendtype, "tap") &&
	       !conf_disk_tap(disk) &&
	       (disk->script || !vm->hvm || !is(disk->type, "raw"));
}

static int convert_text(char **out, const struct conf_vm *vm,
			const struct conf_disk *disk,
			const struct conf_goal *goal, struct err *err)
{
	const char *why;

	if (is_left_alone(disk, goal) || is_native(vm, disk, goal))
		return 0;
	why = obstacle(disk, goal);
	if (why)
		return refuse(err, disk, why);
	if (disk->access && strchr(disk->access, '!') && !goal->shared)
		return refuse(err, disk,
			      "several guests may write it (w!), which xl "
			      "refuses: allow --shared if they do so in turn");
	*out = say(vm, disk, goal);
	if (!strcmp(*out, disk->text)) {
		free(*out);
		return 0;
	}
	return 1;
}

int conf_convert(char **out, const struct conf_vm *vm,
		 const struct conf_disk *disk, const struct conf_goal *goal,
		 struct err *err)
{
	if (vm->problem)
		return err_set(err, -EINVAL, "%s", vm->problem);
	if (disk->problem)
		return err_set(err, -EINVAL, "%s", disk->problem);
	if (vm->kind == CONF_LIBVIRT)
		return conf_libvirt_convert(out, vm, disk, goal, err);
	return convert_text(out, vm, disk, goal, err);
}
