/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-close.c - tap-ctl close: close a disk; its minor stays attached.
 */
#include "control/cmd.h"

static const struct cmd_opt opts[] = {
	{ 'p', true, "PID", cmd_set_pid, NULL },
	{ 'm', true, "MINOR", cmd_set_minor, NULL },
	{ 'f', false, NULL, cmd_set_force, NULL },
	{ 't', false, "SECONDS", cmd_set_seconds, NULL },
	{ 0 },
};

int cmd_send_close(struct cmd_args *args, struct err *err)
{
	return cmd_simple(args, args->force ? WIRE_FORCE_SHUTDOWN : WIRE_CLOSE,
			  err);
}

const struct cmd cmd_close = { "close", opts, cmd_send_close };
