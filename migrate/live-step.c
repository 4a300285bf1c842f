/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live-step.c - the steps of a takeover: each is checked, done and undone.
 *
 * While a disk has no driver and no marker nobody watches it; while blkback
 * still has its event channel, bind would make blkback fail and close the
 * disk.  So the channels are asked before either way goes on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/xen.h"
#include "migrate/live-impl.h"

#define DRIVER  "/sys/bus/xen-backend/drivers/vbd"
#define POLL_MS 2
#define BIND_MS 10000 /* blkback's answer to a bind */
#define SILENT  5000  /* xenio's, beyond what it was given to wait */

/* --- nodes of ours -------------------------------------------------------- */

struct pair {
	const char *name;
	const char *value; /* NULL: removed */
};

static int write_pairs(const struct live *l, uint32_t tx,
		       const struct pair *pairs, unsigned count)
{
	struct xen *xen = l->env->xen;
	char path[LIVE_PATH];
	int rc = 0;

	for (unsigned i = 0; i < count && rc >= 0; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", l->back,
			       pairs[i].name); /* it fits */
		rc = pairs[i].value ? xen->write(xen, tx, path, pairs[i].value)
				    : xen->remove(xen, tx, path);
		if (rc == -ENOENT && !pairs[i].value)
			rc = 0;
	}
	return rc;
}

/* All of them or none. */
static int put_pairs(const struct live *l, const struct pair *pairs,
		     unsigned count, struct err *err)
{
	struct xen *xen = l->env->xen;
	uint32_t tx;
	int rc, end;

	do {
		rc = xen->begin(xen, &tx);
		if (rc < 0)
			break;
		rc = write_pairs(l, tx, pairs, count);
		end = xen->end(xen, tx, rc >= 0);
		if (rc >= 0)
			rc = end;
	} while (rc == -EAGAIN);
	if (rc < 0)
		return err_set(err, rc, "%s: XenStore takes nothing: %s",
			       l->name, strerror(-rc));
	return 0;
}

/* The marker first: without it the others mean nothing. */
static int forget_marker(const struct live *l, struct err *err)
{
	static const struct pair none[] = {
		{ LIVE_OWNER, NULL },
		{ LIVE_STATUS, NULL },
		{ LIVE_LIMIT, NULL },
	};

	return put_pairs(l, none, 3, err);
}

/* --- waiting -------------------------------------------------------------- */

static bool wait_until(struct live *l, uint64_t ms,
		       bool (*over)(struct live *l))
{
	const struct live_ops *ops = l->env->ops;
	uint64_t end = ops->now_ms(l->env->arg) + ms;

	while (!over(l)) {
		if (ops->now_ms(l->env->arg) >= end)
			return false;
		ops->sleep_ms(l->env->arg, POLL_MS);
	}
	return true;
}

/* Bind a port of the guest's, and let it go again. */
static bool is_free(const struct live *l, uint32_t port)
{
	struct xen *xen = l->env->xen;
	int local = xen->bind(xen, l->domid, port);

	if (local < 0)
		return false;
	(void)xen->unbind(xen, local); /* it is ours */
	return true;
}

/* They stay what they are while the guest runs. */
static void learn_ports(struct live *l)
{
	struct xenbus_ring ring;
	char name[XENBUS_NAME_MAX];
	struct err why;
	long port;

	l->ports = 0;
	if (live_ring(l, &ring, &why) < 0)
		return;
	for (unsigned q = 0; q < ring.queues; q++) {
		xenbus_port_name(name, &ring, q);
		port = live_front_number(l, name);
		if (port <= 0)
			return;
		l->port[q] = (uint32_t)port;
	}
	l->ports = ring.queues;
}

static bool ports_free(struct live *l)
{
	if (!l->ports)
		learn_ports(l);
	for (unsigned q = 0; q < l->ports; q++)
		if (!is_free(l, l->port[q]))
			return false;
	return l->ports > 0;
}

static int wait_free(struct live *l, struct err *err)
{
	if (wait_until(l, l->limit_ms, ports_free))
		return 0;
	if (live_front_number(l, "state") < 0)
		return err_set(err, -ENOENT, "%s: the guest is gone", l->name);
	return err_set(err, -ETIMEDOUT,
		       "%s: blkback has I/O on %s that does not end; waited "
		       "%u ms",
		       l->name, l->device, l->limit_ms);
}

/* --- tapdisk -------------------------------------------------------------- */

static int tapdisk_done(struct live *l)
{
	struct live_tap tap;
	int rc = live_tap_ours(l, &tap);

	return rc < 0 ? rc : tap.pid > 0;
}

static int tapdisk_act(struct live *l, struct err *err)
{
	struct live_tap tap = { .pid = -1, .minor = -1 };
	char pid[16], minor[16];
	const struct pair pairs[] = { { "pid", pid },
				      { "minor", minor },
				      { LIVE_ENDS, "1" } };
	struct err ignored;
	int rc = l->env->ops->start(l->env->arg, &tap, err);

	if (rc < 0)
		return rc;
	(void)snprintf(pid, sizeof(pid), "%d", (int)tap.pid);  /* it fits */
	(void)snprintf(minor, sizeof(minor), "%d", tap.minor); /* it fits */
	rc = live_tap_try(l, &tap, err);
	if (!rc)
		rc = put_pairs(l, pairs, 3, err);
	if (rc < 0)
		(void)l->env->ops->stop(l->env->arg, &tap,
					&ignored); /* rc says */
	return rc;
}

static int tapdisk_undo(struct live *l, struct err *err)
{
	static const struct pair none[] = { { "pid", NULL },
					    { "minor", NULL },
					    { LIVE_ENDS, NULL } };
	struct live_tap tap;
	int rc = live_tap_ours(l, &tap);

	if (rc < 0)
		return err_set(err, rc, "%s: the tapdisks cannot be asked",
			       l->name);
	if (tap.minor >= 0)
		rc = l->env->ops->stop(l->env->arg, &tap, err);
	return rc < 0 ? rc : put_pairs(l, none, 3, err);
}

/* --- unbind --------------------------------------------------------------- */

static int unbind_done(struct live *l)
{
	return !live_bound(l);
}

static int put_driver(struct live *l, const char *file, struct err *err)
{
	char path[LIVE_PATH];
	int rc;

	if (snprintf(path, sizeof(path), "%s" DRIVER "/%s", l->env->root,
		     file) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "%s: too long", path);
	rc = l->env->ops->put(l->env->arg, path, l->name);
	if (rc < 0)
		return err_set(err, rc, "%s: %s to %s: %s", l->name, file,
			       DRIVER, strerror(-rc));
	return 0;
}

/*
 * What a loop device left in the page cache is the file's, which ours sees and
 * flushes as well. Here it costs the guest nothing; later it would be waited
 * for.
 */
static int write_back(const struct live *l, struct err *err)
{
	char path[LIVE_PATH];
	int rc;

	if (l->kind == LIVE_TAPDEV)
		return 0;
	(void)snprintf(path, sizeof(path), "%s/dev/%s", l->env->root,
		       l->device); /* it fits */
	rc = l->env->ops->sync(l->env->arg, path);
	if (rc < 0)
		return err_set(err, rc, "%s: flush: %s", path, strerror(-rc));
	return 0;
}

static int unbind_act(struct live *l, struct err *err)
{
	int rc = live_steady(l, err);
	long state;

	if (!rc)
		rc = write_back(l, err);
	if (rc < 0)
		return rc;
	learn_ports(l);
	l->gone_ms = l->env->ops->now_ms(l->env->arg);
	rc = put_driver(l, "unbind", err);
	if (rc < 0)
		return rc;
	state = live_number(l, "state");
	if (live_bound(l))
		return err_set(err, -EBUSY, "%s: blkback keeps the disk",
			       l->name);
	if (state != XENBUS_CONNECTED)
		return err_set(err, -ESHUTDOWN,
			       "%s: state is %ld after unbind: the kernel or "
			       "the toolstack has closed the disk",
			       l->name, state);
	return 0;
}

static bool back_again(struct live *l)
{
	long state = live_number(l, "state");

	return state != XENBUS_INITIALISING && state != XENBUS_INIT_WAIT &&
	       state != XENBUS_INITIALISED;
}

static int bind_again(struct live *l, struct err *err)
{
	int rc = put_driver(l, "bind", err);

	if (rc < 0)
		return rc;
	(void)wait_until(l, BIND_MS, back_again); /* what counts is asked for */
	if (!live_bound(l))
		return err_set(err, -EIO, "%s: blkback does not take it back",
			       l->name);
	l->back_ms = l->env->ops->now_ms(l->env->arg);
	return live_steady(l, err);
}

/* What has been closed, or has gone, is not for blkback any more. */
static bool is_over(const struct live *l)
{
	long state = live_number(l, "state");

	return state == XENBUS_CLOSING || state == XENBUS_CLOSED ||
	       live_number(l, "online") != 1 ||
	       live_front_number(l, "state") < 0;
}

static int unbind_undo(struct live *l, struct err *err)
{
	int rc;

	if (live_bound(l)) {
		/* A bind may be under way, of somebody who is no more. */
		(void)wait_until(l, BIND_MS, back_again);
		return 0;
	}
	if (is_over(l))
		return 0;
	rc = wait_free(l, err);
	if (rc == -ENOENT)
		return 0; /* the guest has gone meanwhile */
	return rc ? rc : bind_again(l, err);
}

/* --- wait ----------------------------------------------------------------- */

/* What xenio said of the marker's last request. */
static bool status_is(const struct live *l, const char *word)
{
	cleanup_free char *status = live_node(l, LIVE_STATUS);

	return status && !strncmp(status, word, strlen(word));
}

static bool is_ours(struct live *l)
{
	return status_is(l, "bound") || status_is(l, "active");
}

static int wait_done(struct live *l)
{
	return is_ours(l) || (!live_bound(l) && ports_free(l));
}

static int wait_act(struct live *l, struct err *err)
{
	return wait_free(l, err);
}

/* Nothing was held that would have to be let go of. */
static int wait_undo(struct live *l, struct err *err)
{
	(void)l;
	(void)err;
	return 0;
}

/* --- old ------------------------------------------------------------------ */

/* A loop device stays as it is, idle: it is there for the way back. */
static int old_done(struct live *l)
{
	struct live_tap tap;
	int rc;

	if (l->kind != LIVE_TAPDEV)
		return 1;
	rc = live_tap_old(l, &tap);
	if (rc < 0)
		return rc;
	return tap.pid <= 0 || live_tap_paused(&tap);
}

static int old_act(struct live *l, struct err *err)
{
	struct live_tap tap;
	int rc = l->kind == LIVE_TAPDEV ? live_tap_old(l, &tap) : 0;

	if (rc < 0)
		return err_set(err, rc, "%s: the tapdisks cannot be asked",
			       l->name);
	if (l->kind != LIVE_TAPDEV || tap.pid <= 0)
		return 0;
	return live_tap_simple(l, &tap, WIRE_PAUSE, err);
}

static int old_undo(struct live *l, struct err *err)
{
	struct live_tap tap;
	int rc;

	if (l->kind != LIVE_TAPDEV)
		return 0;
	rc = live_tap_old(l, &tap);
	if (rc < 0)
		return err_set(err, rc, "%s: the tapdisks cannot be asked",
			       l->name);
	if (!live_tap_paused(&tap))
		return 0;
	return live_tap_simple(l, &tap, WIRE_RESUME, err);
}

/* --- image ---------------------------------------------------------------- */

static int image_done(struct live *l)
{
	struct live_tap tap;
	int rc = live_tap_ours(l, &tap);

	return rc < 0 ? rc : live_tap_runs(&tap);
}

static int image_act(struct live *l, struct err *err)
{
	struct live_tap tap;
	int rc = live_tap_ours(l, &tap);

	if (rc < 0 || tap.pid <= 0)
		return err_set(err, rc < 0 ? rc : -ESRCH,
			       "%s: our tapdisk is gone", l->name);
	return live_tap_open(l, &tap, l->readonly, err);
}

static int image_undo(struct live *l, struct err *err)
{
	struct live_tap tap;
	int rc = live_tap_ours(l, &tap);

	if (rc < 0)
		return err_set(err, rc, "%s: the tapdisks cannot be asked",
			       l->name);
	if (tap.pid <= 0 || !tap.spec[0])
		return 0;
	return live_tap_simple(l, &tap, WIRE_CLOSE, err);
}

/* --- ring ----------------------------------------------------------------- */

static int ring_done(struct live *l)
{
	return status_is(l, "active");
}

static bool answered(struct live *l)
{
	cleanup_free char *status = live_node(l, LIVE_STATUS);

	return status != NULL;
}

/* Ask xenio for something, and wait for the word that says it is done. */
static int ask_xenio(struct live *l, const char *owner, const char *word,
		     struct err *err)
{
	char limit[16];
	const struct pair pairs[] = { { LIVE_STATUS, NULL },
				      { LIVE_LIMIT, limit },
				      { LIVE_OWNER, owner } };
	cleanup_free char *status = NULL;
	int rc;

	(void)snprintf(limit, sizeof(limit), "%u", l->limit_ms); /* it fits */
	rc = put_pairs(l, pairs, 3, err);
	if (rc < 0)
		return rc;
	if (!wait_until(l, l->limit_ms + SILENT, answered))
		return err_set(err, -ETIMEDOUT,
			       "%s: xenio does not answer to \"%s\"", l->name,
			       owner);
	status = live_node(l, LIVE_STATUS);
	if (!status || strcmp(status, word) != 0)
		return err_set(err, -EIO, "%s: xenio: %s", l->name,
			       status ? status : "nothing");
	return 0;
}

static int ring_act(struct live *l, struct err *err)
{
	int rc = live_steady(l, err);

	if (!rc && live_bound(l))
		rc = err_set(err, -EBUSY, "%s: has a kernel driver", l->name);
	if (!rc && !status_is(l, "bound"))
		rc = ask_xenio(l, "takeover", "bound", err);
	/* The guest's requests are taken from here on. */
	l->back_ms = l->env->ops->now_ms(l->env->arg);
	if (!rc)
		rc = ask_xenio(l, "serve", "active", err);
	return rc;
}

/*
 * Ours answers what it has begun, and lets go. Where xenio does not do it (it
 * may not run) the tapdisk is asked itself: nothing of the ring may be left.
 */
static int ring_undo(struct live *l, struct err *err)
{
	struct wire_msg msg = { .type = WIRE_DISCONNECT };
	cleanup_free char *owner = live_node(l, LIVE_OWNER);
	struct live_tap tap;
	struct err why;
	int rc;

	if (ring_done(l) && !is_over(l)) {
		rc = live_may_return(l, err);
		if (rc < 0)
			return rc;
	}
	l->gone_ms = l->env->ops->now_ms(l->env->arg);
	if (owner && is_ours(l) &&
	    ask_xenio(l, "release", "released", &why) == -EIO)
		return err_set(err, -EIO, "%s", why.msg);
	rc = live_tap_ours(l, &tap);
	if (rc < 0)
		return err_set(err, rc, "%s: the tapdisks cannot be asked",
			       l->name);
	msg.u.ring.domid = l->domid;
	msg.u.ring.devid = l->devid;
	if (tap.pid > 0)
		rc = l->env->ops->ask(l->env->arg, &tap, &msg, &why);
	if (rc < 0 && rc != -ENODEV && rc != -ENOENT && rc != -ECONNREFUSED)
		return err_set(err, rc, "%s: our tapdisk keeps the ring: %s",
			       l->name, why.msg);
	return forget_marker(l, err);
}

/* --- the table ------------------------------------------------------------ */

static const struct live_step steps[] = {
	{ "tapdisk", "a tapdisk of ours is started", tapdisk_done, tapdisk_act,
	  tapdisk_undo },
	{ "unbind", "blkback gives the disk up", unbind_done, unbind_act,
	  unbind_undo },
	{ "wait", "blkback answers what it has begun", wait_done, wait_act,
	  wait_undo },
	{ "old", "the old owner closes the image", old_done, old_act,
	  old_undo },
	{ "image", "ours opens the image", image_done, image_act, image_undo },
	{ "ring", "ours serves the guest's ring", ring_done, ring_act,
	  ring_undo },
};

const struct live_step *live_steps(unsigned *count)
{
	_Static_assert(sizeof(steps) / sizeof(steps[0]) == LIVE_STEPS, "all");
	*count = sizeof(steps) / sizeof(steps[0]);
	return steps;
}
