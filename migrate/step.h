/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * step.h - one step of a migration: looked at, then done or undone.
 *
 * A step is a plan's action, or a part of one, with what it takes to do it
 * and to undo it.  It can be asked at any time where it stands, and both ways
 * may be gone again after having been cut off anywhere: that is what resume
 * and rollback live on.
 *
 *	edit     the file's content of before or of after, by their sums.  The
 *	         old file stays, as it is, as FILE.blktap-migrate.ID
 *	create   the file is not there, or is the new one
 *	unlink   the link is there, or is not
 *	update   xl config-update: nothing tells, so it is done again
 *	hot      the domain's disk as the inventory has it
 *	live     as live.h tells
 *	serve    whose tapdisk has the minor: ours or not
 */
#ifndef MIGRATE_STEP_H
#define MIGRATE_STEP_H

#include <stdbool.h>

#include "migrate/plan.h"

struct err;

enum step_state {
	STEP_TODO,
	STEP_BEGUN,
	STEP_DONE,
	STEP_UNDOING,
	STEP_UNDONE,
};

enum step_place {
	STEP_BEFORE,
	STEP_AFTER,
	STEP_BETWEEN, /* or nobody can tell: both ways are open */
};

struct step {
	enum plan_kind kind;
	enum step_state state; /* as the journal has it */
	unsigned number;
	char *path;    /* without the root */
	char *old_sum; /* EDIT */
	char *new_sum; /* EDIT, CREATE */
	char *old;     /* UNLINK: the link's target; HOT: the disk's text;
			  SERVE: the old tapdisk's program */
	char *new;     /* HOT: the disk's text; TAKEOVER, SERVE: type:path */
	char *vm;      /* name of the domain */
	char *reason;
	unsigned domid;
	unsigned devid;
	unsigned part; /* TAKEOVER: which of live_steps() */
	bool folder;   /* CREATE: its folder is new too */
};

/* Where steps are done. */
struct step_env {
	const char *root; /* "" is this machine */
	const char *dir;  /* the migration's folder, with the root */
	const char *id;
	bool live; /* this machine: domains are touched */
};

/* As the journal has it; and back. */
char *step_say(const struct step *step);
int step_read(struct step *out, const char *line, struct err *err);
void step_free(struct step *step);

/* A sentence for a person, malloc'd. */
char *step_tell(const struct step *step);

/* An enum step_place, or -errno: it is neither way, and may not be touched. */
int step_look(const struct step *step, const struct step_env *env,
	      struct err *err);
int step_act(const struct step *step, const struct step_env *env,
	     struct err *err);
/* Of what was done, done by half, or not at all. */
int step_undo(const struct step *step, const struct step_env *env,
	      struct err *err);

/* Whoever else keeps the file is not at it. EDIT, CREATE. */
int step_may_write(const struct step *step, const struct step_env *env,
		   struct err *err);

/* The file of DIR that holds what a step writes; and the old file's name. */
char *step_content(const struct step *step, const struct step_env *env);
char *step_backup(const struct step *step, const struct step_env *env);

/* How many journal steps an action of the plan takes. */
unsigned step_parts(enum plan_kind kind);

#endif /* MIGRATE_STEP_H */
