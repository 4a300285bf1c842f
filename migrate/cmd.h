/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd.h - the commands of blktap-migrate: one table, one file each.
 */
#ifndef MIGRATE_CMD_H
#define MIGRATE_CMD_H

#include <stdbool.h>

#include "migrate/host.h"
#include "migrate/plan.h"

struct err;
struct json;

/* Exit statuses. */
enum cmd_status {
	CMD_DONE = 0,
	CMD_USAGE = 1,
	CMD_REFUSED = 2,     /* by the plan, or there is none that fits */
	CMD_ROLLED_BACK = 3, /* failed; the host is as it was */
	CMD_HALF = 4,        /* failed: resume or rollback */
};

/* What was on the command line. */
struct cmd_args {
	const char *root; /* NULL: this machine */
	bool json;
	struct plan_options plan; /* --allow, --include-file, ... */
	const char *hash;         /* --plan HASH */
	const char *id;           /* --id ID: which migration */
	bool really;              /* --yes: without it, a dry run */
	unsigned ranges;          /* --ranges N */
	int argc;                 /* what is left: operands */
	char **argv;
};

/* Options a command takes, for its usage and for refusing the others. */
#define CMD_PLAN   (1u << 0) /* --allow, --include-file, --leftovers, ... */
#define CMD_HASH   (1u << 1) /* --plan HASH */
#define CMD_ID     (1u << 2) /* --id ID */
#define CMD_YES    (1u << 3) /* --yes */
#define CMD_RANGES (1u << 4) /* --ranges N */
#define CMD_FILES  (1u << 5) /* FILE..., and so no --root */
#define CMD_DISK   (1u << 6) /* DOMID DEVID [TYPE:PATH], of this machine */

struct cmd {
	const char *name;
	unsigned takes;
	/*
	 * The sentence in err, if there is one, is printed by main, and the
	 * status is its exit status.
	 */
	enum cmd_status (*run)(const struct cmd_args *args, struct err *err);
};

extern const struct cmd cmd_inventory, cmd_plan, cmd_apply, cmd_verify;
extern const struct cmd cmd_resume, cmd_rollback, cmd_status, cmd_fleet;
extern const struct cmd cmd_takeover, cmd_giveback;

/* Print what json holds and a newline; frees json. */
int cmd_print(struct json *json);

#endif /* MIGRATE_CMD_H */
