/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-major.c - tap-ctl major: the block major of the kernel device.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

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
	char line[128], name[32];
	FILE *f;
	int major = -1, n;

	if (args->chardev)
		return err_set(err, -EINVAL, "only the block major is known");
	f = fopen("/proc/devices", "re");
	if (!f)
		return err_sys(err, "/proc/devices");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%d %31s", &n, name) == 2 &&
		    !strcmp(name, "tapdev"))
			major = n;
	}
	(void)fclose(f); /* was read only */
	if (major < 0)
		return err_set(err, -ENODEV,
			       "the blktap2 kernel module is not loaded");
	printf("%d\n", major);
	return 0;
}

const struct cmd cmd_major = { "major", opts, run };
