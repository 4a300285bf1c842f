/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-check.c - tap-ctl check: whether the kernel module is there.
 */
#include <errno.h>
#include <stdio.h>

#include "control/cmd.h"

static const struct cmd_opt opts[] = {
	{ 0 },
};

/* The words are those that callers compare with. */
static int run(struct cmd_args *args, struct err *err)
{
	(void)args;
	(void)err;
	printf("%s\n",
	       cmd_module() < 0 ? "blktap kernel module not installed" : "ok");
	return cmd_module();
}

const struct cmd cmd_check = { "check", opts, run };
