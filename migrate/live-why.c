/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live-why.c - what forbids a takeover, and a way back: one check a reason.
 *
 * All are made before anything is written.  What blkback has announced to
 * the guest stays true for it, since it does not ask again: so what blkback
 * can do and we cannot is a reason as well.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/xen.h"
#include "migrate/live-impl.h"

#define SEGMENTS_MAX 256

struct check {
	int (*why)(struct live *l, struct err *err);
};

static int run(struct live *l, const struct check *checks, size_t count,
	       struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++)
		rc = checks[i].why(l, err);
	return rc;
}

/* --- the host ------------------------------------------------------------- */

/* Before 5.6 unbind writes state 6, and the guest gives the disk up. */
static int old_kernel(struct live *l, struct err *err)
{
	cleanup_free char *release = live_file(l, "/proc/sys/kernel/osrelease");
	unsigned major, minor;

	if (!release || sscanf(release, "%u.%u", &major, &minor) != 2)
		return err_set(err, -EOPNOTSUPP,
			       "the kernel's version is not known");
	if (major < 5 || (major == 5 && minor < 6))
		return err_set(
			err, -EOPNOTSUPP,
			"kernel %s closes a disk that is unbound; 5.6 is "
			"the first that does not",
			release);
	return 0;
}

/* It holds a lock while it runs. */
static int no_xenio(struct live *l, struct err *err)
{
	char path[LIVE_PATH];
	cleanup_fd int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/run/xenio-vbd3.lock",
		       l->env->root); /* it fits */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return 0;
	return err_set(err, -ESRCH, "xenio does not run");
}

/* --- the disk ------------------------------------------------------------- */

static int other_driver(struct live *l, struct err *err)
{
	char driver[64];

	if (!live_link(l, driver, sizeof(driver),
		       "/sys/bus/xen-backend/devices/%s/driver", l->name))
		return err_set(err, -ENODEV, "%s: blkback does not serve it",
			       l->name);
	if (strcmp(driver, "vbd") != 0)
		return err_set(err, -ENODEV, "%s: served by %s, not by blkback",
			       l->name, driver);
	return 0;
}

static int other_backend(struct live *l, struct err *err)
{
	cleanup_free char *back = live_front_node(l, "backend");

	if (!back || strcmp(back, l->back) != 0)
		return err_set(err, -EXDEV,
			       "%s: the guest's backend is %s, not %s", l->name,
			       back ? back : "not known", l->back);
	return 0;
}

static int not_steady(struct live *l, struct err *err)
{
	return live_steady(l, err);
}

static int is_marked(struct live *l, struct err *err)
{
	cleanup_free char *owner = live_node(l, LIVE_OWNER);

	if (owner)
		return err_set(err, -EALREADY, "%s: xenio has it already",
			       l->name);
	return 0;
}

/* A guest that is being saved or shut down throws its rings away. */
static int guest_leaves(struct live *l, struct err *err)
{
	cleanup_free char *word = NULL;
	struct xen *xen = l->env->xen;
	char path[LIVE_PATH];

	(void)snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown",
		       l->domid); /* it fits */
	word = xen->read(xen, 0, path);
	if (word && *word)
		return err_set(err, -EBUSY, "domain %u is asked to %s",
			       l->domid, word);
	return 0;
}

/* --- what was negotiated -------------------------------------------------- */

static int strange_ring(struct live *l, struct err *err)
{
	struct xenbus_ring ring;
	char name[XENBUS_NAME_MAX];
	struct err why;

	if (live_ring(l, &ring, &why) < 0)
		return err_set(err, -EPROTO, "%s: %.200s", l->name, why.msg);
	for (unsigned q = 0; q < ring.queues; q++) {
		xenbus_port_name(name, &ring, q);
		if (live_front_number(l, name) <= 0)
			return err_set(err, -EPROTO, "%s: there is no %s",
				       l->name, name);
	}
	return 0;
}

static int strange_features(struct live *l, struct err *err)
{
	if (live_number(l, "feature-max-indirect-segments") > SEGMENTS_MAX)
		return err_set(err, -EOPNOTSUPP,
			       "%s: blkback takes indirect requests of more "
			       "than %d segments",
			       l->name, SEGMENTS_MAX);
	if (live_number(l, "max-ring-page-order") > (long)XENBUS_ORDER_MAX)
		return err_set(err, -EOPNOTSUPP,
			       "%s: blkback takes rings of more than %u pages",
			       l->name, XENBUS_PAGES_MAX);
	if (live_number(l, "discard-secure") > 0)
		return err_set(err, -EOPNOTSUPP,
			       "%s: the guest may discard securely, which we "
			       "cannot",
			       l->name);
	return 0;
}

/* --- nobody else has it --------------------------------------------------- */

static int lost_device(struct live *l, struct err *err)
{
	if (!l->device[0])
		return err_set(err, -ENXIO,
			       "%s: there is no block device "
			       "%u:%u",
			       l->name, l->major, l->minor);
	return 0;
}

static int has_holders(struct live *l, struct err *err)
{
	char path[LIVE_PATH];
	struct dirent *e;
	int rc = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/sys/dev/block/%u:%u/holders",
		       l->env->root, l->major, l->minor); /* it fits */
	dir = opendir(path);
	while (dir && !rc && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			rc = err_set(err, -EBUSY, "%s: %s is upon %s", l->name,
				     e->d_name, l->device);
	if (dir)
		(void)closedir(dir); /* it was read from */
	return rc;
}

static int is_mounted(struct live *l, struct err *err)
{
	char path[LIVE_PATH], line[1024], of[LIVE_PATH];
	int rc = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/proc/mounts",
		       l->env->root); /* it fits */
	f = fopen(path, "re");
	while (f && !rc && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "/dev/%255s", of) == 1 &&
		    strcmp(of, l->device) == 0)
			rc = err_set(err, -EBUSY, "%s: %s is mounted here",
				     l->name, l->device);
	}
	if (f)
		(void)fclose(f); /* it was read from */
	return rc;
}

/* Another loop device over the same file, or one over a part of it. */
static int is_looped(struct live *l, struct err *err)
{
	cleanup_free char *offset = NULL;
	char path[LIVE_PATH];
	struct dirent *e;
	int rc = 0;
	DIR *dir;

	if (l->kind != LIVE_LOOP)
		return 0;
	offset = live_file(l, "/sys/block/%s/loop/offset", l->device);
	if (offset && strcmp(offset, "0") != 0)
		return err_set(err, -EOPNOTSUPP,
			       "%s: %s begins at byte %s of its file", l->name,
			       l->device, offset);
	(void)snprintf(path, sizeof(path), "%s/sys/block",
		       l->env->root); /* it fits */
	dir = opendir(path);
	while (dir && !rc && (e = readdir(dir))) {
		cleanup_free char *file = live_file(
			l, "/sys/block/%.64s/loop/backing_file", e->d_name);

		if (file && strcmp(e->d_name, l->device) != 0 &&
		    !strncmp(l->spec, "aio:", 4) && !strcmp(file, l->spec + 4))
			rc = err_set(err, -EBUSY, "%s: %.64s is over %s too",
				     l->name, e->d_name, file);
	}
	if (dir)
		(void)closedir(dir); /* it was read from */
	return rc;
}

static bool is_same_device(const struct live *l, const char *domid,
			   const char *devid)
{
	struct xen *xen = l->env->xen;
	cleanup_free char *text = NULL;
	unsigned major, minor;
	char path[LIVE_PATH];

	if (snprintf(path, sizeof(path),
		     "/local/domain/%u/backend/vbd/%s/%s/physical-device",
		     l->env->domid, domid, devid) >= (int)sizeof(path))
		return false;
	if (strstr(l->back, "/vbd/") && strlen(path) > strlen(l->back) &&
	    !strncmp(path, l->back, strlen(l->back)) &&
	    path[strlen(l->back)] == '/')
		return false; /* itself */
	text = xen->read(xen, 0, path);
	return text && sscanf(text, "%x:%x", &major, &minor) == 2 &&
	       major == l->major && minor == l->minor;
}

static int other_disk_of(const struct live *l, const char *domid,
			 struct err *err)
{
	struct xen *xen = l->env->xen;
	cleanup_free char **disks = NULL;
	char path[LIVE_PATH];

	if (snprintf(path, sizeof(path), "/local/domain/%u/backend/vbd/%s",
		     l->env->domid, domid) >= (int)sizeof(path))
		return 0;
	disks = xen->list(xen, 0, path);
	for (unsigned i = 0; disks && disks[i]; i++)
		if (is_same_device(l, domid, disks[i]))
			return err_set(err, -EBUSY,
				       "%s: disk %s of domain %s is %s as well",
				       l->name, disks[i], domid, l->device);
	return 0;
}

static int other_disk(struct live *l, struct err *err)
{
	struct xen *xen = l->env->xen;
	cleanup_free char **domains = NULL;
	char path[LIVE_PATH];
	int rc = 0;

	(void)snprintf(path, sizeof(path), "/local/domain/%u/backend/vbd",
		       l->env->domid); /* it fits */
	domains = xen->list(xen, 0, path);
	for (unsigned i = 0; domains && domains[i] && !rc; i++)
		rc = other_disk_of(l, domains[i], err);
	return rc;
}

/* QEMU has what an HVM guest's emulated disk is, until it is unplugged. */
static int qemu_has_it(struct live *l, struct err *err)
{
	struct xen *xen = l->env->xen;
	const char *file = strchr(l->spec, ':');
	cleanup_free char *pid = NULL;
	char path[LIVE_PATH], to[LIVE_PATH];
	struct dirent *e;
	int rc = 0;
	ssize_t n;
	DIR *dir;

	(void)snprintf(path, sizeof(path),
		       "/local/domain/%u/image/device-model-pid",
		       l->domid); /* it fits */
	pid = xen->read(xen, 0, path);
	if (!pid || !file)
		return 0;
	(void)snprintf(path, sizeof(path), "%s/proc/%.16s/fd", l->env->root,
		       pid); /* it fits */
	dir = opendir(path);
	while (dir && !rc && (e = readdir(dir))) {
		n = readlinkat(dirfd(dir), e->d_name, to, sizeof(to) - 1);
		to[n < 0 ? 0 : n] = '\0';
		if (strcmp(to, file + 1) == 0)
			rc = err_set(err, -EBUSY,
				     "%s: QEMU has %s open: the guest's "
				     "emulated disk is not unplugged",
				     l->name, to);
	}
	if (dir)
		(void)closedir(dir); /* it was read from */
	return rc;
}

/* --- the old owner -------------------------------------------------------- */

static int old_tapdisk(struct live *l, struct err *err)
{
	struct live_tap tap;
	int rc;

	if (l->kind != LIVE_TAPDEV)
		return 0;
	rc = live_tap_old(l, &tap);
	if (rc < 0 || tap.pid <= 0)
		return err_set(err, rc < 0 ? rc : -ESRCH,
			       "%s: no tapdisk answers for minor %u", l->name,
			       l->minor);
	if (!live_tap_runs(&tap))
		return err_set(err, -EBUSY, "%s: tapdisk %d is in state %#x",
			       l->name, (int)tap.pid, (unsigned)tap.state);
	return 0;
}

int live_may_take(struct live *l, struct err *err)
{
	static const struct check checks[] = {
		{ old_kernel },   { no_xenio },      { is_marked },
		{ other_driver }, { other_backend }, { not_steady },
		{ guest_leaves }, { strange_ring },  { strange_features },
		{ lost_device },  { has_holders },   { is_mounted },
		{ is_looped },    { other_disk },    { qemu_has_it },
		{ old_tapdisk },
	};

	return run(l, checks, sizeof(checks) / sizeof(checks[0]), err);
}

/* --- the way back --------------------------------------------------------- */

static int no_blkback(struct live *l, struct err *err)
{
	char path[LIVE_PATH];

	(void)snprintf(path, sizeof(path),
		       "%s/sys/bus/xen-backend/drivers/vbd/bind",
		       l->env->root); /* it fits */
	if (access(path, F_OK) < 0)
		return err_set(err, -ENODEV, "xen-blkback is not loaded");
	return 0;
}

static int not_ours(struct live *l, struct err *err)
{
	if (live_server(l) != LIVE_OURS)
		return err_set(err, -ENODEV, "%s: we do not serve it", l->name);
	return 0;
}

static int other_size(struct live *l, struct err *err)
{
	cleanup_free char *size =
		live_file(l, "/sys/dev/block/%u:%u/size", l->major, l->minor);
	char *end;

	if (!size || strtoull(size, &end, 10) != l->sectors || *end)
		return err_set(err, -EMEDIUMTYPE,
			       "%s: %s has %s sectors, the guest's disk %llu",
			       l->name, l->device, size ? size : "no",
			       (unsigned long long)l->sectors);
	return 0;
}

/* A guest that has started on our ring may have what blkback has not. */
static int beyond_blkback(struct live *l, struct err *err)
{
	cleanup_free char *most =
		live_file(l, "/sys/module/xen_blkback/parameters/max_queues");
	struct xenbus_ring ring;
	struct err why;

	if (live_ring(l, &ring, &why) < 0)
		return err_set(err, -EPROTO, "%s: %.200s", l->name, why.msg);
	if (most && ring.queues > strtoul(most, NULL, 10))
		return err_set(err, -EOPNOTSUPP,
			       "%s: the guest has %u queues, blkback takes %s",
			       l->name, ring.queues, most);
	if (live_front_number(l, "num-ring-pages") > 1 &&
	    live_front_number(l, "ring-page-order") < 0)
		return err_set(err, -EOPNOTSUPP,
			       "%s: the guest counts its ring's pages as "
			       "blkback does not",
			       l->name);
	return 0;
}

static int old_gone(struct live *l, struct err *err)
{
	struct live_tap tap;

	if (l->kind != LIVE_TAPDEV)
		return 0;
	if (live_tap_old(l, &tap) < 0 || !live_tap_paused(&tap))
		return err_set(
			err, -ESRCH,
			"%s: the old tapdisk of minor %u is not there to "
			"go on",
			l->name, l->minor);
	return 0;
}

int live_may_return(struct live *l, struct err *err)
{
	static const struct check checks[] = {
		{ not_ours },       { no_blkback },  { not_steady },
		{ guest_leaves },   { lost_device }, { other_size },
		{ beyond_blkback }, { old_gone },
	};

	return run(l, checks, sizeof(checks) / sizeof(checks[0]), err);
}
