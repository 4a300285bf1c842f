/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan.h - what shall become of each disk, and the actions that do it.
 *
 * The same host gives the same plan, byte for byte, and so the same hash:
 * that is what "apply" compares.  An action holds all that it takes to do it
 * and to undo it; the journal's steps are these actions, in this order.
 */
#ifndef MIGRATE_PLAN_H
#define MIGRATE_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "migrate/conf.h"
#include "migrate/host.h"
#include "migrate/mem.h"

struct json;

/* From the least intrusive on; MANUAL is for people. */
enum plan_verdict {
	PLAN_KEEP, /* the char device stays, served by our tapdisk */
	PLAN_COLD, /* configuration; from the next boot on */
	PLAN_HOT,  /* detach and attach */
	PLAN_LIVE, /* ring takeover */
	PLAN_MANUAL,
};

#define PLAN_ALLOW(verdict) (1u << (verdict))

enum plan_kind {
	PLAN_EDIT,     /* file: at off, old becomes new */
	PLAN_CREATE,   /* file: was not there; new is all of it */
	PLAN_UNLINK,   /* symbolic link to old: removed */
	PLAN_UPDATE,   /* domain: xl config-update from file */
	PLAN_HOT_SWAP, /* domain: detach vdev, attach new; back with old */
	PLAN_TAKEOVER, /* domain, devid: blkback to our ring; new: type:path */
	PLAN_SERVE,    /* domain, devid: our tapdisk instead of the old one,
			  whose program is old, behind the same tapdev; new:
			  type:path */
};

struct plan_action {
	enum plan_kind kind;
	char *path;    /* EDIT, CREATE, UNLINK, UPDATE: the file */
	unsigned line; /* EDIT */
	size_t off;    /* EDIT: in the file as it is before any action */
	char *old;     /* NULL: there is none */
	char *new;
	char *reason;   /* for a person, one line */
	char *vm;       /* name; NULL: the host's */
	unsigned domid; /* of a running domain */
	unsigned devid;
	char *vdev;
	unsigned stall_ms; /* expected */
};

struct plan_disk {
	const struct conf_vm *vm;        /* NULL: runs without configuration */
	const struct conf_disk *disk;    /* NULL: likewise */
	const struct host_disk *running; /* NULL: does not run */
	enum plan_verdict verdict;
	char *reason;
	bool serve;              /* KEEP: our tapdisk takes the tapdev now */
	char *risk;              /* NULL: none worth a line */
	unsigned stall_ms;       /* expected; 0: none */
	char *new;               /* the entry's new text; NULL: unchanged */
	struct mem_list changes; /* meanings that silently changed */
	struct mem_list refused; /* "what: what would make it safe" */
};

struct plan_options {
	unsigned allow;        /* PLAN_ALLOW() of each; 0: COLD alone */
	bool leftovers;        /* DKMS and package leftovers too */
	unsigned target;       /* for Xen 4.target; 0: for the one that runs */
	struct conf_goal goal; /* native is set by plan_make() */
};

struct plan {
	struct plan_disk *disks;
	size_t disk_count;
	struct plan_action *actions;
	size_t action_count;
	struct mem_list refused; /* the whole host: nothing may be applied */
	struct mem_list notes;   /* for whoever does the rest by hand */
	struct plan_options options;
	char hash[65]; /* hexadecimal */
};

/* host must outlive the plan. Free with plan_free(). */
int plan_make(struct plan *out, const struct host *host,
	      const struct plan_options *options, struct err *err);
void plan_free(struct plan *plan);

const char *plan_verdict_name(enum plan_verdict verdict);
const char *plan_kind_name(enum plan_kind kind);

/* As one object of JSON; or as text for a person. */
void plan_json(const struct plan *plan, struct json *json);
void plan_print(const struct plan *plan);

#endif /* MIGRATE_PLAN_H */
