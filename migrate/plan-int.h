/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plan-int.h - the parts of plan-make.c among each other. */
#ifndef MIGRATE_PLAN_INT_H
#define MIGRATE_PLAN_INT_H

#include "migrate/plan.h"
#include "migrate/worlds.h"

/* What a plan is made with. */
struct plan_maker {
	struct plan *plan;
	const struct host *host;
	enum worlds_world now;    /* this host's */
	enum worlds_world target; /* whose configuration is written */
};

/* A file of the host; NULL. */
char *plan_slurp(const struct host *host, const char *path, size_t *len);

/* One configured disk; nothing if it is of no interest. */
void plan_disk_make(struct plan_maker *m, const struct conf_vm *vm,
		    const struct conf_disk *disk);

/* A running disk that no configuration speaks of. */
void plan_orphan_make(struct plan_maker *m, const struct host_disk *running);

/* Meanings of the line that changed on the way to this Xen. */
void plan_changes(struct plan_maker *m, struct plan_disk *d);

/* Why the image must not be touched; adds to refused and returns true. */
bool plan_image_bad(const struct host *host, struct plan_disk *d,
		    const char *path);

/* Whether the running disk may be taken over; else adds to refused. */
bool plan_live_fits(const struct host *host, struct plan_disk *d);

/* Whether it may be detached and attached; else adds to refused. */
bool plan_hot_fits(struct plan_disk *d);

/* Whether ours can have its tapdev while it runs; else adds to refused. */
bool plan_serve_fits(const struct host *host, struct plan_disk *d);

/* The actions that the disks' verdicts and the host's leftovers ask for. */
void plan_actions_make(struct plan_maker *m);

#endif /* MIGRATE_PLAN_INT_H */
