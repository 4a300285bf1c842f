/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-check.c - tap-ctl check: whether the kernel module is there.
 */
#include <stdio.h>

#include "compat/blktap2/blktap2.h"
#include "control/cmd.h"

static const struct cmd_opt opts[] = {
	{ 0 },
};

/* The words are those that callers compare with. */
static int run(struct cmd_args *args, struct err *err)
{
	struct blktap2_host host;
	int rc = blktap2_probe(&host, "", err);

	(void)args;
	printf("%s\n", rc ? "blktap kernel module not installed" : "ok");
	return rc;
}

const struct cmd cmd_check = { "check", opts, run };
