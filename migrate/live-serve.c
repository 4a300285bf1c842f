/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live-serve.c - the tapdisk behind a tapdev is exchanged under its users.
 *
 * Only our module lets a tapdisk attach to a block device that is in use:
 * what the one before left unanswered waits for it, for hold_seconds.  While
 * one is exchanged that is a day, so that a crash in between leaves a guest
 * that waits and not one with errors.
 *
 * Pause makes the one before answer what it has begun and close its image;
 * no tapdisk lets go of a device in use by itself, so then it is killed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "migrate/live-impl.h"

#define HOLD       "/sys/module/blktap/parameters/hold_seconds"
#define HOLD_USUAL "60"
#define HOLD_LONG  "86400"
#define SEAT_MS    10000 /* for a ring that its process has just left */
#define POLL_MS    5

static int look(struct live *l, struct live_tap *tap, struct live_who *who)
{
	int rc = live_tap_old(l, tap);

	*who = (struct live_who){ .ours = false };
	if (!rc && tap->pid > 0)
		rc = l->env->ops->who(l->env->arg, tap, who);
	return rc;
}

int live_serve_look(struct live *l)
{
	struct live_tap tap;
	struct live_who who;
	int rc = l->kind == LIVE_TAPDEV ? look(l, &tap, &who) : -EINVAL;

	if (!rc && !live_tap_runs(&tap))
		rc = -EBUSY;
	return rc ? rc : who.ours;
}

int live_may_serve(struct live *l, struct err *err)
{
	cleanup_free char *hold = live_file(l, HOLD);
	struct live_tap tap;
	struct live_who who;

	if (l->kind != LIVE_TAPDEV)
		return err_set(err, -EINVAL, "%s: it is no tapdev", l->name);
	if (!hold)
		return err_set(err, -EOPNOTSUPP,
			       "%s: the kernel's module lets no other tapdisk "
			       "attach to a device in use; ours does",
			       l->name);
	if (look(l, &tap, &who) < 0 || !live_tap_runs(&tap))
		return err_set(err, -ESRCH,
			       "%s: no tapdisk answers for minor %u", l->name,
			       l->minor);
	if (who.disks > 1)
		return err_set(err, -EBUSY,
			       "%s: tapdisk %d has %u disks more, which would "
			       "lose it",
			       l->name, (int)tap.pid, who.disks - 1);
	return 0;
}

/* --- one for another ------------------------------------------------------ */

/* program NULL: by ours. */
static int open_image(const struct live *l, const struct live_tap *tap,
		      const char *program, struct err *err)
{
	return program ? live_tap_open_old(l, tap, l->readonly, err)
		       : live_tap_open(l, tap, l->readonly, err);
}

/* On the device that nobody has, or will have had in a moment. */
static int take_seat(struct live *l, const struct live_tap *tap,
		     const char *program, struct err *err)
{
	const struct live_ops *ops = l->env->ops;
	uint64_t end = ops->now_ms(l->env->arg) + SEAT_MS;
	int rc;

	while ((rc = live_tap_simple(l, tap, WIRE_ATTACH, err)) == -EBUSY &&
	       ops->now_ms(l->env->arg) < end)
		ops->sleep_ms(l->env->arg, POLL_MS);
	return rc < 0 ? rc : open_image(l, tap, program, err);
}

static int put_in(struct live *l, struct live_tap *new, const char *program,
		  struct err *err)
{
	int rc = take_seat(l, new, program, err);

	if (rc < 0)
		l->env->ops->kill(l->env->arg, new);
	return rc;
}

static int put_back(struct live *l, const char *program, const char *reason,
		    struct err *err)
{
	struct live_tap again = { .pid = -1, .minor = (int)l->minor };
	struct err why = { .code = 0 };
	int rc = l->env->ops->spawn(l->env->arg, program, &again.pid, &why);

	if (!rc)
		rc = put_in(l, &again, program, &why);
	if (rc < 0)
		return err_set(err, -EUCLEAN, "%.120s; and then: %.120s",
			       reason, why.msg);
	return err_set(err, -EIO, "%.200s", reason);
}

static int replace(struct live *l, const struct live_tap *old,
		   const struct live_who *who, const char *program,
		   struct err *err)
{
	const struct live_ops *ops = l->env->ops;
	struct live_tap new = { .pid = -1, .minor = (int)l->minor };
	struct err why = { .code = 0 };
	int rc = ops->spawn(l->env->arg, program, &new.pid, err);

	if (rc < 0)
		return rc;
	l->gone_ms = ops->now_ms(l->env->arg);
	if (live_tap_runs(old))
		rc = live_tap_simple(l, old, WIRE_PAUSE, err);
	if (rc < 0) {
		ops->kill(l->env->arg, &new);
		return rc;
	}
	if (old->pid > 0)
		ops->kill(l->env->arg, old);
	rc = put_in(l, &new, program, &why);
	if (rc < 0 && old->pid > 0)
		return put_back(l, who->ours ? NULL : who->program, why.msg,
				err);
	return rc < 0 ? err_set(err, rc, "%.200s", why.msg) : 0;
}

/* It is the right one, but something was cut off. */
static int set_going(struct live *l, const struct live_tap *tap,
		     const char *program, struct err *err)
{
	if (live_tap_runs(tap))
		return 0;
	if (live_tap_paused(tap))
		return live_tap_simple(l, tap, WIRE_RESUME, err);
	return open_image(l, tap, program, err);
}

static int exchange(struct live *l, const char *program, struct err *err)
{
	struct live_tap tap;
	struct live_who who;
	int rc = look(l, &tap, &who);

	if (rc < 0)
		return err_set(err, rc, "%s: the tapdisks cannot be asked",
			       l->name);
	if (tap.pid > 0 && who.ours == !program)
		return set_going(l, &tap, program, err);
	if (who.disks > 1)
		return err_set(err, -EBUSY, "%s: tapdisk %d has other disks",
			       l->name, (int)tap.pid);
	return replace(l, &tap, &who, program, err);
}

static int hold(const struct live *l, const char *seconds, struct err *err)
{
	char path[LIVE_PATH];
	int rc;

	if (snprintf(path, sizeof(path), "%s" HOLD, l->env->root) >=
	    (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "%s: too long", path);
	rc = l->env->ops->put(l->env->arg, path, seconds);
	return rc < 0 ? err_set(err, rc, "%s: %s", path, strerror(-rc)) : 0;
}

/* Whether ours can read the image, before anything has changed. */
static int try_image(struct live *l, struct err *err)
{
	struct live_tap tap = { .pid = -1, .minor = -1 };
	struct err ignored;
	int rc = l->env->ops->start(l->env->arg, &tap, err);

	if (rc < 0)
		return rc;
	rc = live_tap_try(l, &tap, err);
	(void)l->env->ops->stop(l->env->arg, &tap, &ignored); /* rc says */
	return rc;
}

int live_serve(struct live *l, const char *program, unsigned *stall_ms,
	       struct err *err)
{
	cleanup_free char *was = live_file(l, HOLD);
	int rc = 0, end;

	l->gone_ms = 0;
	if (l->kind != LIVE_TAPDEV || !was)
		return err_set(err, -EOPNOTSUPP, "%s: no device of our module",
			       l->name);
	if (!program && live_serve_look(l) == 0)
		rc = try_image(l, err);
	if (!rc)
		rc = hold(l, HOLD_LONG, err);
	if (rc < 0)
		return rc;
	rc = exchange(l, program, err);
	if (stall_ms && l->gone_ms)
		*stall_ms = (unsigned)(l->env->ops->now_ms(l->env->arg) -
				       l->gone_ms);
	/* Without any tapdisk the guest goes on waiting. */
	if (rc == -EUCLEAN)
		return rc;
	end = hold(l, strcmp(was, HOLD_LONG) != 0 ? was : HOLD_USUAL,
		   rc ? NULL : err);
	return rc ? rc : end;
}
