/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-create.c - tap-ctl create: allocate, spawn, attach and open.
 */
#include <errno.h>
#include <signal.h>

#include "control/cmd.h"
#include "lib/err.h"

static const struct cmd_opt opts[] = {
	{ 'a', true, "TYPE:PATH", cmd_set_spec, NULL },
	{ 'd', false, "DEVICE", cmd_set_device, NULL },
	{ 'R', false, NULL, cmd_set_rdonly, NULL },
	{ 'W', false, NULL, cmd_set_writable, NULL },
	{ 'D', false, NULL, cmd_set_buffered, NULL },
	{ 'r', false, NULL, cmd_set_lcache, NULL },
	{ 'e', false, "MINOR", cmd_set_prt, NULL },
	{ '2', false, "TYPE:PATH", cmd_set_secondary, NULL },
	{ 's', false, NULL, cmd_set_standby, NULL },
	{ 't', false, "SECONDS|TRANSPORT", cmd_set_time_or_kind, NULL },
	{ 'C', false, "LOG", cmd_set_log, NULL },
	{ 0 },
};

/* What is undone must not change what is said about why. */
static void undo(struct cmd_args *args, bool attached)
{
	if (attached)
		(void)cmd_simple(args, WIRE_DETACH, NULL); /* ends it */
	else if (args->pid > 0)
		(void)kill(args->pid, SIGTERM);          /* it has no disks */
	(void)tapctl_free(args->dir, args->minor, NULL); /* only now */
}

static int run(struct cmd_args *args, struct err *err)
{
	bool attached = false;
	int rc = cmd_decide(args, err);

	if (!rc)
		rc = cmd_allocate_minor(args, err);
	if (rc < 0)
		return rc;
	rc = cmd_start(args, err);
	if (!rc)
		rc = cmd_simple(args, WIRE_ATTACH, err);
	attached = !rc;
	if (!rc)
		rc = cmd_send_open(args, WIRE_OPEN, err);
	if (rc < 0)
		undo(args, attached);
	else
		cmd_print_device(args);
	return rc;
}

const struct cmd cmd_create = { "create", opts, run };
