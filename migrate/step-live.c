/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * step-live.c - a running guest's disk taken over, a step of it at a time; or
 * the tapdisk behind its tapdev exchanged, in one.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/err.h"
#include "migrate/live.h"
#include "migrate/step-int.h"

/* What one call needs of the disk, found anew each time. */
struct hold {
	struct live_env *env;
	struct live *live;
};

static int take(struct hold *h, const struct step *step,
		const struct step_env *env, struct err *err)
{
	const struct live_request req = { .domid = step->domid,
					  .devid = step->devid,
					  .spec = step->new };
	int rc = live_env_open(&h->env, NULL, err);

	(void)env;
	if (rc < 0)
		return rc;
	rc = live_open(&h->live, h->env, &req, err);
	if (rc < 0)
		live_env_close(h->env);
	return rc;
}

static void leave(struct hold *h)
{
	live_close(h->live);
	live_env_close(h->env);
}

static const struct live_step *part(const struct step *step)
{
	unsigned count;
	const struct live_step *all = live_steps(&count);

	return step->part < count ? &all[step->part] : NULL;
}

unsigned step_parts(enum plan_kind kind)
{
	unsigned count = 1;

	if (kind == PLAN_TAKEOVER)
		(void)live_steps(&count);
	return count;
}

static int look(const struct step *step, const struct step_env *env,
		struct err *err)
{
	const struct live_step *p = part(step);
	struct hold h;
	int rc = p ? take(&h, step, env, err)
		   : err_set(err, -EINVAL, "no such part of a takeover");

	/* A disk that is gone needs no way back, and has none forward. */
	if (rc == -ENOENT)
		return STEP_BETWEEN;
	if (rc < 0)
		return rc;
	rc = p->done(h.live);
	leave(&h);
	if (rc < 0)
		return STEP_BETWEEN;
	return rc ? STEP_AFTER : STEP_BEFORE;
}

static int act(const struct step *step, const struct step_env *env,
	       struct err *err)
{
	const struct live_step *p = part(step);
	struct hold h;
	int rc = p ? take(&h, step, env, err) : -EINVAL;

	if (rc < 0)
		return rc;
	if (!step->part)
		rc = live_may_take(h.live, err);
	if (rc >= 0)
		rc = p->act(h.live, err);
	leave(&h);
	return rc;
}

static int undo(const struct step *step, const struct step_env *env,
		struct err *err)
{
	const struct live_step *p = part(step);
	struct hold h;
	int rc = p ? take(&h, step, env, err) : -EINVAL;

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	rc = p->undo(h.live, err);
	leave(&h);
	return rc;
}

const struct step_ops step_live_takeover = { look, act, undo };

/* --- behind a tapdev ------------------------------------------------------ */

static int look_serve(const struct step *step, const struct step_env *env,
		      struct err *err)
{
	struct hold h;
	int rc = take(&h, step, env, err);

	if (rc == -ENOENT)
		return STEP_BETWEEN;
	if (rc < 0)
		return rc;
	rc = live_serve_look(h.live);
	leave(&h);
	if (rc < 0)
		return STEP_BETWEEN;
	return rc ? STEP_AFTER : STEP_BEFORE;
}

static int serve(const struct step *step, const struct step_env *env,
		 const char *program, struct err *err)
{
	struct hold h;
	unsigned ms = 0;
	int rc = take(&h, step, env, err);

	if (rc == -ENOENT)
		return 0; /* with the guest */
	if (rc < 0)
		return rc;
	rc = live_serve(h.live, program, &ms, err);
	if (!rc && ms)
		(void)printf("  the guest waited for %u ms\n", ms);
	leave(&h);
	return rc;
}

static int act_serve(const struct step *step, const struct step_env *env,
		     struct err *err)
{
	return serve(step, env, NULL, err);
}

/* A program that is there no more cannot have it back; ours stays. */
static int undo_serve(const struct step *step, const struct step_env *env,
		      struct err *err)
{
	bool there = step->old && access(step->old, X_OK) == 0;

	return serve(step, env, there ? step->old : NULL, err);
}

const struct step_ops step_live_serve = { look_serve, act_serve, undo_serve };
