/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-attach.c - tap-ctl attach: give a minor to a tapdisk.
 */
#include "control/cmd.h"

static const struct cmd_opt opts[] = {
	{ 'p', true, "PID", cmd_set_pid, NULL },
	{ 'm', true, "MINOR", cmd_set_minor, NULL },
	{ 't', false, "TRANSPORT", cmd_set_kind, NULL },
	{ 0 },
};

/* The minor was allocated for a kind; only a wrong wish is looked at. */
static int run(struct cmd_args *args, struct err *err)
{
	int rc = 0;

	if (args->kind == CMD_KIND_BLKTAP2)
		rc = cmd_decide(args, err);
	return rc ? rc : cmd_simple(args, WIRE_ATTACH, err);
}

const struct cmd cmd_attach = { "attach", opts, run };
