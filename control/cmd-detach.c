/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-detach.c - tap-ctl detach: take a minor from its tapdisk.
 */
#include "control/cmd.h"

static const struct cmd_opt opts[] = {
	{ 'p', true, "PID", cmd_set_pid, NULL },
	{ 'm', true, "MINOR", cmd_set_minor, NULL },
	{ 0 },
};

static int run(struct cmd_args *args, struct err *err)
{
	return cmd_simple(args, WIRE_DETACH, err);
}

const struct cmd cmd_detach = { "detach", opts, run };
