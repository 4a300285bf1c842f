/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-destroy.c - tap-ctl destroy: close, detach and free.
 */
#include <errno.h>
#include <signal.h>

#include "control/cmd.h"
#include "lib/err.h"

static const struct cmd_opt opts[] = {
	{ 'p', false, "PID", cmd_set_pid, NULL },
	{ 'm', true, "MINOR", cmd_set_minor, NULL },
	{ 't', false, "SECONDS", cmd_set_seconds, NULL },
	{ 'd', false, "DEVICE", cmd_set_device, NULL },
	{ 0 },
};

/* A tapdisk that is dead has closed and detached all it had. */
static bool is_dead(const struct cmd_args *args, int error)
{
	if (error != -ENOENT && error != -ECONNREFUSED)
		return false;
	return tapctl_clean(args->dir, args->pid) != -EBUSY || error == -ENOENT;
}

static int run(struct cmd_args *args, struct err *err)
{
	int rc;

	if (args->device)
		return cmd_decide(args, err);
	rc = cmd_find_pid(args, err);
	if (!rc)
		rc = cmd_send_close(args, err);
	if (!rc)
		rc = cmd_simple(args, WIRE_DETACH, err);
	if (rc && !is_dead(args, rc))
		return rc;
	return tapctl_free(args->dir, args->minor, err);
}

const struct cmd cmd_destroy = { "destroy", opts, run };
