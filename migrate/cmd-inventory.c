/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-inventory.c - blktap-migrate inventory. */
#include <errno.h>

#include "lib/err.h"
#include "migrate/cmd.h"

static enum cmd_status run(const struct cmd_args *args, struct err *err)
{
	(void)args;
	(void)err_set(err, -ENOSYS, "inventory is not there yet");
	return CMD_REFUSED;
}

const struct cmd cmd_inventory = { "inventory", 0, run };
