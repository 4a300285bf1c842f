/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-spawn.c - tap-ctl spawn: start a tapdisk.
 */
#include <stdio.h>
#include <unistd.h>

#include "control/cmd.h"

static const struct cmd_opt opts[] = {
	{ 0 },
};

static int run(struct cmd_args *args, struct err *err)
{
	int rc = cmd_start(args, err);

	if (rc < 0)
		return rc;
	if (isatty(STDOUT_FILENO))
		printf("tapdisk spawned with pid %d\n", (int)args->pid);
	else
		printf("%d\n", (int)args->pid);
	return 0;
}

const struct cmd cmd_spawn = { "spawn", opts, run };
