/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-allocate.c - tap-ctl allocate: take a minor.
 */
#include <stdio.h>

#include "control/cmd.h"

static const struct cmd_opt opts[] = {
	{ 't', false, "TRANSPORT", cmd_set_kind, NULL },
	{ 'd', false, "DEVICE", cmd_set_device, NULL },
	{ 0 },
};

static int run(struct cmd_args *args, struct err *err)
{
	int rc = cmd_decide(args, err);

	if (!rc)
		rc = cmd_allocate_minor(args, err);
	if (!rc)
		cmd_print_device(args);
	return rc;
}

const struct cmd cmd_allocate = { "allocate", opts, run };
