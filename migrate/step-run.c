/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * step-run.c - a step, by its kind.
 */
#include <errno.h>

#include "lib/err.h"
#include "migrate/step-int.h"

/* What touches domains is nothing in a tree. */
static const struct step_ops *ops_of(const struct step *step,
				     const struct step_env *env)
{
	if (!env->live && step->kind >= PLAN_UPDATE)
		return NULL;
	switch (step->kind) {
	case PLAN_EDIT:
		return &step_file_edit;
	case PLAN_CREATE:
		return &step_file_create;
	case PLAN_UNLINK:
		return &step_file_unlink;
	case PLAN_UPDATE:
		return &step_xl_update;
	case PLAN_HOT_SWAP:
		return &step_xl_hot;
	case PLAN_TAKEOVER:
		return &step_live_takeover;
	case PLAN_SERVE:
		return &step_live_serve;
	}
	return NULL;
}

int step_look(const struct step *step, const struct step_env *env,
	      struct err *err)
{
	const struct step_ops *ops = ops_of(step, env);

	return ops ? ops->look(step, env, err) : STEP_BETWEEN;
}

int step_act(const struct step *step, const struct step_env *env,
	     struct err *err)
{
	const struct step_ops *ops = ops_of(step, env);

	return ops ? ops->act(step, env, err) : 0;
}

int step_undo(const struct step *step, const struct step_env *env,
	      struct err *err)
{
	const struct step_ops *ops = ops_of(step, env);

	return ops ? ops->undo(step, env, err) : 0;
}
