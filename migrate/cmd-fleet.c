/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-fleet.c - blktap-migrate fleet. */
#include <errno.h>

#include "lib/err.h"
#include "migrate/cmd.h"

static enum cmd_status run(const struct cmd_args *args, struct err *err)
{
	(void)args;
	(void)err_set(err, -ENOSYS, "fleet is not there yet");
	return CMD_REFUSED;
}

const struct cmd cmd_fleet = { "fleet", CMD_FILES, run };
