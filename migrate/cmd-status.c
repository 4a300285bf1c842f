/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-status.c - blktap-migrate status. */
#include <errno.h>

#include "lib/err.h"
#include "migrate/cmd.h"

static enum cmd_status run(const struct cmd_args *args, struct err *err)
{
	(void)args;
	(void)err_set(err, -ENOSYS, "status is not there yet");
	return CMD_REFUSED;
}

const struct cmd cmd_status = { "status", 0, run };
