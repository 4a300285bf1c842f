/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blktap-migrate.c - converts a host of blktap's older worlds in place.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/parse.h"
#include "migrate/cmd.h"

static const struct cmd *const commands[] = {
	&cmd_inventory, &cmd_plan,   &cmd_apply, &cmd_verify,   &cmd_resume,
	&cmd_rollback,  &cmd_status, &cmd_fleet, &cmd_takeover, &cmd_giveback,
};

enum opt {
	OPT_ROOT = 1,
	OPT_JSON,
	OPT_ALLOW,
	OPT_INCLUDE_FILE,
	OPT_SHARED,
	OPT_QCOW,
	OPT_LEFTOVERS,
	OPT_TARGET,
	OPT_PLAN,
	OPT_ID,
	OPT_YES,
	OPT_RANGES,
	OPT_HELP = 'h',
};

static const struct option longs[] = {
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "allow", required_argument, NULL, OPT_ALLOW },
	{ "include-file", no_argument, NULL, OPT_INCLUDE_FILE },
	{ "shared", no_argument, NULL, OPT_SHARED },
	{ "qcow-script", no_argument, NULL, OPT_QCOW },
	{ "leftovers", no_argument, NULL, OPT_LEFTOVERS },
	{ "target", required_argument, NULL, OPT_TARGET },
	{ "plan", required_argument, NULL, OPT_PLAN },
	{ "id", required_argument, NULL, OPT_ID },
	{ "yes", no_argument, NULL, OPT_YES },
	{ "ranges", required_argument, NULL, OPT_RANGES },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

/* A command takes an option for one of these bits, and for none of those. */
static const struct {
	enum opt option;
	unsigned takes; /* 0: any command */
	unsigned not ;
	const char *usage;
} takes[] = {
	{ OPT_ROOT, 0, CMD_FILES | CMD_DISK, "[--root DIR]" },
	{ OPT_JSON, 0, CMD_DISK, "[--json]" },
	{ OPT_ALLOW, CMD_PLAN, 0, "[--allow VERDICTS]" },
	{ OPT_INCLUDE_FILE, CMD_PLAN, 0, "[--include-file]" },
	{ OPT_SHARED, CMD_PLAN, 0, "[--shared]" },
	{ OPT_QCOW, CMD_PLAN, 0, "[--qcow-script]" },
	{ OPT_LEFTOVERS, CMD_PLAN, 0, "[--leftovers]" },
	{ OPT_TARGET, CMD_PLAN, 0, "[--target VERSION]" },
	{ OPT_PLAN, CMD_HASH, 0, "[--plan HASH]" },
	{ OPT_ID, CMD_ID, 0, "[--id ID]" },
	{ OPT_YES, CMD_YES, 0, "[--yes]" },
	{ OPT_RANGES, CMD_RANGES, 0, "[--ranges N]" },
};

static bool allowed(const struct cmd *cmd, enum opt option)
{
	for (size_t i = 0; i < ARRAY_SIZE(takes); i++) {
		if (takes[i].option == option)
			return !(cmd->takes & takes[i].not ) &&
			       (!takes[i].takes ||
				(cmd->takes & takes[i].takes));
	}
	return true;
}

static void usage_of(FILE *to, const struct cmd *cmd)
{
	(void)fprintf(to, "usage: blktap-migrate %s", cmd->name);
	for (size_t i = 0; i < ARRAY_SIZE(takes); i++) {
		if (allowed(cmd, takes[i].option))
			(void)fprintf(to, " %s", takes[i].usage);
	}
	if (cmd->takes & CMD_FILES)
		(void)fprintf(to, " FILE...");
	if (cmd->takes & CMD_DISK)
		(void)fprintf(to, " DOMID DEVID [TYPE:PATH]");
	(void)fprintf(to, "\n");
}

static void usage(FILE *to)
{
	(void)fprintf(to, "usage: blktap-migrate COMMAND [OPTIONS]\n");
	(void)fprintf(to, "COMMAND := {");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		(void)fprintf(to, "%s %s", i ? " |" : "", commands[i]->name);
	(void)fprintf(to, " }\n");
}

static int set_allow(struct cmd_args *args, const char *value, struct err *err)
{
	static const struct {
		const char *name;
		enum plan_verdict verdict;
	} names[] = {
		{ "keep", PLAN_KEEP },
		{ "cold", PLAN_COLD },
		{ "hot", PLAN_HOT },
		{ "live", PLAN_LIVE },
	};
	size_t len;
	size_t i;

	for (; *value; value += len + (value[len] == ',')) {
		len = strcspn(value, ",");
		for (i = 0; i < ARRAY_SIZE(names); i++) {
			if (strlen(names[i].name) == len &&
			    !strncmp(names[i].name, value, len))
				break;
		}
		if (i == ARRAY_SIZE(names))
			return err_set(err, -EINVAL,
				       "--allow: %.*s is none of keep, cold, "
				       "hot and live",
				       (int)len, value);
		args->plan.allow |= PLAN_ALLOW(names[i].verdict);
	}
	return 0;
}

static int set_ranges(struct cmd_args *args, const char *value, struct err *err)
{
	uint64_t n;

	if (parse_uint(&n, value, 1, 1000000) < 0)
		return err_set(err, -EINVAL, "--ranges: %s is no number",
			       value);
	args->ranges = (unsigned)n;
	return 0;
}

static int set_target(struct cmd_args *args, const char *value, struct err *err)
{
	uint64_t n;

	if (strncmp(value, "4.", 2) != 0 ||
	    parse_uint(&n, value + 2, 13, 99) < 0)
		return err_set(err, -EINVAL,
			       "--target: %s is not 4.13 or later", value);
	args->plan.target = (unsigned)n;
	return 0;
}

static int set_option(struct cmd_args *args, enum opt option, const char *value,
		      struct err *err)
{
	switch (option) {
	case OPT_ROOT:
		args->root = value;
		break;
	case OPT_JSON:
		args->json = true;
		break;
	case OPT_ALLOW:
		return set_allow(args, value, err);
	case OPT_INCLUDE_FILE:
		args->plan.goal.include_file = true;
		break;
	case OPT_SHARED:
		args->plan.goal.shared = true;
		break;
	case OPT_QCOW:
		args->plan.goal.qcow_script = true;
		break;
	case OPT_LEFTOVERS:
		args->plan.leftovers = true;
		break;
	case OPT_TARGET:
		return set_target(args, value, err);
	case OPT_PLAN:
		args->hash = value;
		break;
	case OPT_ID:
		args->id = value;
		break;
	case OPT_YES:
		args->really = true;
		break;
	case OPT_RANGES:
		return set_ranges(args, value, err);
	case OPT_HELP:
		break;
	}
	return 0;
}

/* 1: help was wanted. */
static int parse(const struct cmd *cmd, struct cmd_args *args, int argc,
		 char **argv, struct err *err)
{
	int index = 0;
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, &index)) != -1) {
		if (c == OPT_HELP)
			return 1;
		if (c == '?')
			return -EINVAL;
		if (!allowed(cmd, (enum opt)c))
			return err_set(err, -EINVAL, "%s does not take --%s",
				       cmd->name, longs[index].name);
		if (set_option(args, (enum opt)c, optarg, err) < 0)
			return -EINVAL;
	}
	args->argc = argc - optind;
	args->argv = argv + optind;
	if (!(cmd->takes & (CMD_FILES | CMD_DISK)) && args->argc)
		return err_set(err, -EINVAL, "%s: one word too many",
			       args->argv[0]);
	if ((cmd->takes & CMD_FILES) && !args->argc)
		return err_set(err, -EINVAL, "no file is named");
	return 0;
}

static const struct cmd *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	}
	return NULL;
}

static int run(const struct cmd *cmd, int argc, char **argv)
{
	struct cmd_args args = { .ranges = 16 };
	struct err err = { 0 };
	int rc = parse(cmd, &args, argc, argv, &err);

	if (rc) {
		if (err.msg[0])
			(void)fprintf(stderr, "blktap-migrate: %s\n", err.msg);
		usage_of(rc > 0 ? stdout : stderr, cmd);
		return rc > 0 ? CMD_DONE : CMD_USAGE;
	}
	if (!args.plan.allow)
		args.plan.allow = PLAN_ALLOW(PLAN_COLD);
	rc = (int)cmd->run(&args, &err);
	if (err.msg[0])
		(void)fprintf(stderr, "blktap-migrate: %s\n", err.msg);
	if (fflush(stdout) != 0 && rc == CMD_DONE)
		return CMD_HALF;
	return rc;
}

int main(int argc, char **argv)
{
	const struct cmd *cmd = argc > 1 ? find(argv[1]) : NULL;
	bool help = argc > 1 &&
		    (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));

	if (cmd)
		return run(cmd, argc - 1, argv + 1);
	if (argc > 1 && !help)
		(void)fprintf(stderr, "blktap-migrate: %s is no command\n",
			      argv[1]);
	usage(help ? stdout : stderr);
	return help ? CMD_DONE : CMD_USAGE;
}
