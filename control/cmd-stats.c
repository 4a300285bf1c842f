/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-stats.c - tap-ctl stats: the counters of a disk, as JSON.
 */
#include <stdio.h>
#include <stdlib.h>

#include "control/cmd.h"

static const struct cmd_opt opts[] = {
	{ 'p', true, "PID", cmd_set_pid, NULL },
	{ 'm', true, "MINOR", cmd_set_minor, NULL },
	{ 0 },
};

static int run(struct cmd_args *args, struct err *err)
{
	char *json;
	int rc = tapctl_stats(args->dir, args->pid, args->minor, &json, err);

	if (rc < 0)
		return rc;
	/* The empty line has always been there. */
	printf("%s\n\n", json);
	free(json);
	return 0;
}

const struct cmd cmd_stats = { "stats", opts, run };
