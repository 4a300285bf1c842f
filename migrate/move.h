/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * move.h - one migration: its folder, its journal, its steps, both ways.
 *
 *	/var/lib/blktap-migrate/lock          who works holds it
 *	/var/lib/blktap-migrate/ID/journal    record.h
 *	/var/lib/blktap-migrate/ID/N.new      what step N writes
 *
 * Everything that can be found wrong beforehand is found before the journal
 * is there, and then nothing has changed.  From then on the journal tells
 * what to do next, whoever died where.
 */
#ifndef MIGRATE_MOVE_H
#define MIGRATE_MOVE_H

#include <stdbool.h>
#include <stddef.h>

#include "migrate/step.h"

struct err;
struct json;
struct record;

enum move_state {
	MOVE_BEGUN,   /* resume goes on, rollback goes back */
	MOVE_RETURNS, /* both go back */
	MOVE_DONE,
	MOVE_BACK,
};

struct move {
	char *root;
	char *base;
	char *id;
	char *dir;
	char *plan; /* hash */
	struct step_env env;
	struct step *steps;
	size_t count;
	enum move_state state;
	struct record *journal; /* NULL: not begun */
	int lock;
	bool quiet; /* no line for each step */
};

/*
 * Take the lock of a host; -EBUSY: somebody else works. root as in cmd_args.
 * move_close() lets go of everything, whatever failed.
 */
int move_open(struct move *m, const char *root, struct err *err);
void move_close(struct move *m);

/* The migration of this id, NULL: the last; -ENOENT: there is none. */
int move_load(struct move *m, const char *id, struct err *err);

/* -EEXIST: the last one was cut off, and comes first. */
int move_none_open(const struct move *m, struct err *err);

/* The steps of a plan, looked at and written down; nothing is changed yet. */
int move_make(struct move *m, const struct plan *plan, struct err *err);

/* To the end, or to the start; each step is told on stdout. */
int move_forward(struct move *m, struct err *err);
int move_back(struct move *m, struct err *err);

const char *move_state_name(enum move_state state);

/* Whether a step is about this file, by its path without the root. */
bool move_touches(const struct move *m, const char *path);

/* As one object. */
void move_json(const struct move *m, struct json *json);

#endif /* MIGRATE_MOVE_H */
