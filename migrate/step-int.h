/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * step-int.h - the kinds of steps, each in a table of three.
 */
#ifndef MIGRATE_STEP_INT_H
#define MIGRATE_STEP_INT_H

#include "migrate/step.h"

struct step_ops {
	int (*look)(const struct step *step, const struct step_env *env,
		    struct err *err);
	int (*act)(const struct step *step, const struct step_env *env,
		   struct err *err);
	int (*undo)(const struct step *step, const struct step_env *env,
		    struct err *err);
};

extern const struct step_ops step_file_edit, step_file_create, step_file_unlink;
extern const struct step_ops step_xl_update, step_xl_hot;
extern const struct step_ops step_live_takeover, step_live_serve;

#endif /* MIGRATE_STEP_INT_H */
