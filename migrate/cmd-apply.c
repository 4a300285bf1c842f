/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-apply.c - blktap-migrate apply. */
#include <errno.h>

#include "lib/err.h"
#include "migrate/cmd.h"

static enum cmd_status run(const struct cmd_args *args, struct err *err)
{
	(void)args;
	(void)err_set(err, -ENOSYS, "apply is not there yet");
	return CMD_REFUSED;
}

const struct cmd cmd_apply = { "apply", CMD_PLAN | CMD_HASH, run };
