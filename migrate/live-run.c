/* SPDX-License-Identifier: GPL-2.0-or-later */
/* live-run.c - all steps of a takeover in a row, there and back. */
#include "migrate/live.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "migrate/live-impl.h"

static uint64_t now_of(const struct live *l)
{
	return l->env->ops->now_ms(l->env->arg);
}

static void stall(struct live *l, unsigned *stall_ms)
{
	uint64_t end = l->back_ms > l->gone_ms ? l->back_ms : now_of(l);

	if (stall_ms)
		*stall_ms = l->gone_ms ? (unsigned)(end - l->gone_ms) : 0;
	l->gone_ms = l->back_ms = 0;
}

/* The last one first. */
static int undo(struct live *l, const struct live_step *steps, unsigned count,
		struct err *err)
{
	int rc = 0;

	while (count-- > 0 && !rc) {
		uint64_t since = now_of(l);

		rc = steps[count].undo(l, err);
		l->took_ms[count] = (unsigned)(now_of(l) - since);
	}
	return rc;
}

static int do_step(struct live *l, const struct live_step *step,
		   struct err *err)
{
	int rc = step->done(l);

	if (rc < 0)
		return err_set(err, rc, "%s: step \"%s\": %s", l->name,
			       step->name, strerror(-rc));
	return rc ? 0 : step->act(l, err);
}

int live_take(struct live *l, unsigned *stall_ms, struct err *err)
{
	unsigned count, i;
	const struct live_step *steps = live_steps(&count);
	struct err why, also;
	uint64_t since;
	int rc = 0;

	l->gone_ms = 0;
	for (i = 0; i < count && !rc; i++) {
		since = now_of(l);
		rc = do_step(l, &steps[i], &why);
		l->took_ms[i] = (unsigned)(now_of(l) - since);
	}
	if (rc < 0)
		(void)err_set(err, rc, "%s", why.msg);
	/* Later ones may have been done before this one was tried again. */
	if (rc < 0 && undo(l, steps, count, &also) < 0)
		return err_set(err, -EUCLEAN, "%.120s; and then: %.120s",
			       why.msg, also.msg);
	stall(l, stall_ms);
	return rc;
}

int live_return(struct live *l, unsigned *stall_ms, struct err *err)
{
	unsigned count;
	const struct live_step *steps = live_steps(&count);
	int rc;

	l->gone_ms = 0;
	rc = undo(l, steps, count, err);
	stall(l, stall_ms);
	return rc;
}

unsigned live_step_ms(const struct live *l, unsigned step)
{
	return step < LIVE_STEPS ? l->took_ms[step] : 0;
}

enum live_server live_server(struct live *l)
{
	cleanup_free char *status = live_node(l, LIVE_STATUS);

	if (live_bound(l))
		return LIVE_BLKBACK;
	if (status && !strcmp(status, "active"))
		return LIVE_OURS;
	return LIVE_NOBODY;
}
