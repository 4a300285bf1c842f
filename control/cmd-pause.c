/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-pause.c - tap-ctl pause: drain a disk and let go of its images.
 */
#include "control/cmd.h"

static const struct cmd_opt opts[] = {
	{ 'p', false, "PID", cmd_set_pid, NULL },
	{ 'm', true, "MINOR", cmd_set_minor, NULL },
	{ 't', false, "SECONDS", cmd_set_seconds, NULL },
	{ 0 },
};

static int run(struct cmd_args *args, struct err *err)
{
	int rc = cmd_find_pid(args, err);

	return rc ? rc : cmd_simple(args, WIRE_PAUSE, err);
}

const struct cmd cmd_pause = { "pause", opts, run };
