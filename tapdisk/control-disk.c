/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control-disk.c - attach, open, pause, resume, close and detach a disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/log.h"
#include "tapdisk/control-impl.h"
#include "tapdisk/control.h"
#include "tapdisk/driver.h"
#include "tapdisk/keys.h"
#include "tapdisk/metrics.h"
#include "tapdisk/nbd-listen.h"
#include "tapdisk/server.h"
#include "tapdisk/tapdev.h"

/* The locked marker, or -errno. */
static int take_marker(struct control_op *op)
{
	const char *dir = op->ctl->env.dir;
	unsigned minor = op->msg.cookie;
	char path[TAPCTL_PATH];
	struct stat st;
	int fd, rc;

	if (tapctl_path(path, dir, "tapdisk/tapdisk-%u", minor) < 0)
		return err_set(&op->err, -ENAMETOOLONG, "%s: too long", dir);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	/* A tool of the kernel device's time makes none. */
	if (fd < 0 && errno == ENOENT && !tapctl_adopt(dir, (int)minor))
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	/* EPERM is what clients have always been told. */
	if (fd < 0)
		return err_set(&op->err, -EPERM, "%s: %s", path,
			       strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		rc = err_set(&op->err, -EBUSY,
			     "minor %u: another tapdisk has it", minor);
	else if (fstat(fd, &st) < 0 || !st.st_nlink)
		rc = err_set(&op->err, -EPERM, "minor %u: was freed", minor);
	else
		return fd;
	(void)close(fd); /* was not written */
	return rc;
}

static int add_disk(struct control_op *op)
{
	struct control *ctl = op->ctl;
	struct control_disk *disk = calloc(1, sizeof(*disk));
	int rc;

	if (!disk)
		return err_set(&op->err, -ENOMEM, "no memory for a disk");
	list_init(&disk->rings);
	list_init(&disk->link);
	disk->ctl = ctl;
	disk->minor = op->msg.cookie;
	disk->marker = take_marker(op);
	rc = disk->marker < 0 ? disk->marker : 0;
	if (!rc &&
	    tapctl_kind(ctl->env.dir, (int)disk->minor) == TAPCTL_KIND_BLKTAP2)
		rc = tapdev_attach(&disk->tapdev, ctl->env.vbd->loop,
				   disk->minor, &op->err);
	if (!rc)
		rc = vbd_new(&disk->vbd, ctl->env.vbd, disk->minor, &op->err);
	if (rc < 0)
		control_forget(disk);
	else
		list_add_tail(&ctl->disks, &disk->link);
	return rc;
}

void control_attach(struct control_op *op)
{
	int rc;

	if (control_find(op->ctl, op->msg.cookie))
		rc = err_set(&op->err, -EEXIST, "minor %u: attached already",
			     op->msg.cookie);
	else
		rc = add_disk(op);
	if (rc < 0)
		control_fail(op, &op->err);
	else
		control_ok(op);
}

void control_forget(struct control_disk *disk)
{
	list_del(&disk->link);
	if (disk->vbd)
		vbd_free(disk->vbd);
	tapdev_detach(disk->tapdev);
	/* Last: who gets the lock may rely on the rest being done. */
	if (disk->marker >= 0)
		(void)close(disk->marker); /* was not written */
	free(disk);
}

static int refuse_flags(struct control_op *op)
{
	static const struct {
		uint32_t flag;
		const char *what;
	} none[] = {
		{ WIRE_ADD_CACHE, "a block cache" },
		{ WIRE_VHD_INDEX, "an index of VHDs" },
		{ WIRE_ADD_LCACHE, "a cache in the leaf (-r)" },
	};
	uint32_t flags = op->msg.u.params.flags;

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		if (flags & none[i].flag)
			return err_set(&op->err, -EOPNOTSUPP,
				       "%s is not served in this version",
				       none[i].what);
	}
	return 0;
}

static int make_keys(struct control_op *op, struct keys **out)
{
	struct server_request *req = server_request(op->conn);
	const char *dirs = getenv("TAPDISK3_CRYPTO_KEYDIR");
	int rc = 0;

	*out = NULL;
	if (!dirs)
		dirs = getenv("TAPDISK2_CRYPTO_KEYDIR");
	if (req->key_len)
		rc = keys_new_pushed(out, req->key, req->key_len, &op->err);
	else if (dirs && *dirs)
		rc = keys_new_dirs(out, dirs, &op->err);
	explicit_bzero(req->key, sizeof(req->key));
	return rc;
}

/* The spec with the change log in front of it, if there is to be one. */
static int add_log(struct control_op *op, const char **spec, char **made)
{
	const char *log = server_request(op->conn)->log;

	*made = NULL;
	if (!(op->msg.u.params.flags & WIRE_ADD_LOG))
		return 0;
	if (!*log || strchr(log, ':'))
		return err_set(&op->err, -EINVAL,
			       "'%s': no path for a change log", log);
	if (asprintf(made, "cbt:%s:%s", log, *spec) < 0) {
		*made = NULL;
		return err_set(&op->err, -ENOMEM, "no memory for a name");
	}
	*spec = *made;
	return 0;
}

static void undone(struct vbd_call *call, const struct err *err)
{
	struct control_op *op = container_of(call, struct control_op, call);

	(void)err;
	/* op->err says why it was not to be. */
	metrics_remove_disk(op->disk->metrics);
	op->disk->metrics = NULL;
	control_fail(op, &op->err);
}

/* Clients connect as soon as they have the reply. */
static int serve(struct control_op *op)
{
	struct control_disk *disk = op->disk;
	int rc = nbd_listen_new(&disk->nbd, disk->vbd, op->ctl->env.dir,
				op->ctl->env.pid, &op->err);

	if (rc < 0)
		disk->nbd = NULL;
	else if (disk->tapdev)
		rc = tapdev_serve(disk->tapdev, disk->vbd, &op->err);
	if (rc < 0) {
		nbd_listen_free(disk->nbd);
		disk->nbd = NULL;
	}
	return rc;
}

static void opened(struct vbd_call *call, const struct err *err)
{
	struct control_op *op = container_of(call, struct control_op, call);
	struct control_disk *disk = op->disk;
	struct wire_msg msg = { .type = WIRE_OPEN_RSP,
				.cookie = op->msg.cookie };
	struct err why = { 0 };

	if (err->code) {
		control_fail(op, err);
		return;
	}
	if (metrics_add_disk(&disk->metrics, op->ctl->env.metrics, disk->vbd,
			     &why) < 0)
		log_warn("vbd %u: no metrics: %s", disk->minor, why.msg);
	if (serve(op) < 0) {
		op->call.done = undone;
		vbd_close(disk->vbd, false, &op->call);
		return;
	}
	disk->closed = false;
	control_fill_image(&msg, disk);
	control_done(op, &msg);
}

void control_open(struct control_op *op)
{
	struct vbd_open args = {
		.spec = op->msg.u.params.path,
		.readonly = op->msg.u.params.flags & WIRE_RDONLY,
		.cached = op->msg.u.params.flags & WIRE_NO_O_DIRECT,
		.timeout_s = op->msg.u.params.timeout_s
	};
	unsigned minor = op->msg.cookie;
	char *logged = NULL;
	int rc;

	op->disk = control_find(op->ctl, minor);
	/* Not ENODEV: that is what this message has always been told. */
	if (!op->disk)
		rc = err_set(&op->err, -EINVAL, "minor %u: not attached",
			     minor);
	else if (vbd_state(op->disk->vbd) != VBD_CLOSED)
		rc = err_set(&op->err, -EALREADY, "minor %u: open already",
			     minor);
	else
		rc = refuse_flags(op);
	if (!rc)
		rc = control_extra_open(op, &args);
	if (!rc)
		rc = add_log(op, &args.spec, &logged);
	if (!rc)
		rc = make_keys(op, &args.keys);
	if (rc < 0) {
		control_fail(op, &op->err);
	} else {
		op->call.done = opened;
		vbd_open(op->disk->vbd, &args, &op->call);
	}
	free(logged);
}

static void paused(struct vbd_call *call, const struct err *err)
{
	struct control_op *op = container_of(call, struct control_op, call);

	if (err->code)
		control_fail(op, err);
	else
		control_ok(op);
}

void control_pause(struct control_op *op)
{
	enum vbd_state state;

	if (!control_has_disk(op))
		return;
	state = vbd_state(op->disk->vbd);
	op->call.done = paused;
	if (state == VBD_PAUSED) {
		control_ok(op);
	} else if (state == VBD_RUNNING) {
		vbd_pause(op->disk->vbd, &op->call);
	} else {
		(void)err_set(&op->err, -EINVAL, "minor %u: not running",
			      op->msg.cookie); /* sent as it is */
		control_fail(op, &op->err);
	}
}

static void resumed(struct vbd_call *call, const struct err *err)
{
	struct control_op *op = container_of(call, struct control_op, call);

	op->disk->resume_failed = err->code;
	if (err->code)
		control_fail(op, err);
	else
		control_ok(op);
}

void control_resume(struct control_op *op)
{
	const char *spec = op->msg.u.params.path, *plain;
	char *logged = NULL;
	int rc;

	if (!control_has_disk(op))
		return;
	if (vbd_state(op->disk->vbd) != VBD_PAUSED)
		rc = err_set(&op->err, -EINVAL, "minor %u: not paused",
			     op->msg.cookie);
	else
		rc = refuse_flags(op);
	/*
	 * A log is for what is named, or for what was open before; one that
	 * was there before and is not named again is left out.
	 */
	if (!rc && !*spec)
		spec = control_spec(op->disk);
	plain = spec;
	if (!rc)
		rc = add_log(op, &spec, &logged);
	/* The last that can fail: then nothing was asked for. */
	if (!rc)
		rc = control_extra_resume(op, plain);
	if (rc < 0) {
		control_fail(op, &op->err);
	} else {
		op->call.done = resumed;
		vbd_resume(op->disk->vbd, *spec ? spec : NULL, &op->call);
	}
	free(logged);
}

static void closed(struct vbd_call *call, const struct err *err)
{
	struct control_op *op = container_of(call, struct control_op, call);
	struct control_disk *disk = op->disk;

	metrics_remove_disk(disk->metrics);
	disk->metrics = NULL;
	disk->closed = true;
	disk->resume_failed = false;
	if (err->code)
		control_fail(op, err);
	else
		control_ok(op);
}

static void close_disk(struct control_op *op)
{
	struct control_disk *disk = op->disk;

	nbd_listen_free(disk->nbd);
	disk->nbd = NULL;
	op->call.done = closed;
	control_close_rings(disk);
	vbd_close(disk->vbd, op->msg.type == WIRE_FORCE_SHUTDOWN, &op->call);
}

/* The block device is gone; or it is in use, and the disk stays open. */
static void removed(struct vbd_call *call, const struct err *err)
{
	struct control_op *op = container_of(call, struct control_op, call);

	if (err->code)
		control_fail(op, err);
	else
		close_disk(op);
}

/* Who asks has the patience. */
static bool still_wanted(void *arg)
{
	struct control_op *op = arg;

	return !server_gone(op->conn);
}

void control_close(struct control_op *op)
{
	bool force = op->msg.type == WIRE_FORCE_SHUTDOWN;

	if (!control_has_disk(op))
		return;
	if (vbd_state(op->disk->vbd) == VBD_CLOSED) {
		control_ok(op);
		return;
	}
	if (!op->disk->tapdev) {
		close_disk(op);
		return;
	}
	op->call.done = removed;
	tapdev_remove(op->disk->tapdev,
		      force || !op->conn ? NULL : still_wanted, op, &op->call);
}

void control_detach(struct control_op *op)
{
	struct control *ctl = op->ctl;

	if (!control_has_disk(op))
		return;
	if (vbd_state(op->disk->vbd) != VBD_CLOSED) {
		(void)err_set(&op->err, -EBUSY, "minor %u: still open",
			      op->msg.cookie); /* sent as it is */
		control_fail(op, &op->err);
		return;
	}
	control_forget(op->disk);
	/* Who has the reply must not find this process any more. */
	if (list_empty(&ctl->disks))
		control_stop(ctl);
	control_ok(op);
}
