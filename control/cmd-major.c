/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-major.c - tap-ctl major: the block major of the kernel device.
 */
#include <errno.h>
#include <stdio.h>

#include "compat/blktap2/blktap2.h"
#include "control/cmd.h"
#include "lib/err.h"

static int set_block(struct cmd_args *args, const char *value)
{
	(void)value;
	args->chardev = false;
	return 0;
}

static int set_char(struct cmd_args *args, const char *value)
{
	(void)value;
	args->chardev = true;
	return 0;
}

static const struct cmd_opt opts[] = {
	{ 'b', false, NULL, set_block, NULL },
	{ 'c', false, NULL, set_char, NULL },
	{ 0 },
};

static int run(struct cmd_args *args, struct err *err)
{
	unsigned major;
	int rc;

	if (args->chardev)
		return err_set(err, -EINVAL, "only the block major is known");
	rc = blktap2_disk_major(&major, "", err);
	if (!rc)
		printf("%u\n", major);
	return rc;
}

const struct cmd cmd_major = { "major", opts, run };
