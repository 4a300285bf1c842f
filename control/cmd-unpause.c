/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-unpause.c - tap-ctl unpause: open again what was paused.
 */
#include "control/cmd.h"

static const struct cmd_opt opts[] = {
	{ 'p', false, "PID", cmd_set_pid, NULL },
	{ 'm', true, "MINOR", cmd_set_minor, NULL },
	{ 'a', false, "TYPE:PATH", cmd_set_spec, NULL },
	{ '2', false, "TYPE:PATH", cmd_set_secondary, NULL },
	{ 'c', false, "LOG", cmd_set_log, NULL },
	{ 0 },
};

static int run(struct cmd_args *args, struct err *err)
{
	int rc = cmd_find_pid(args, err);

	return rc ? rc : cmd_send_open(args, WIRE_RESUME, err);
}

const struct cmd cmd_unpause = { "unpause", opts, run };
