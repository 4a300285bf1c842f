/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-free.c - tap-ctl free: give a minor back.
 */
#include "control/cmd.h"

static const struct cmd_opt opts[] = {
	{ 'm', true, "MINOR", cmd_set_minor, NULL },
	{ 0 },
};

static int run(struct cmd_args *args, struct err *err)
{
	return tapctl_free(args->dir, args->minor, err);
}

const struct cmd cmd_free = { "free", opts, run };
