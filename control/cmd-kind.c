/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-kind.c - which kind of device a new disk shall be: ring or kernel's.
 *
 * What decides, the first that is there: -t; a device name (-d), which only
 * the kernel's have; "transport = NAME" in /etc/blktap.conf; the variable
 * XENBUS_TYPE, by which Xen's hotplug scripts tell what they need; the ring.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cmd.h"
#include "lib/err.h"

#define CONF "/etc/blktap.conf"

static int configured(struct cmd_args *args, struct err *err)
{
	const char *path = getenv("BLKTAP_CONF");
	char line[256], value[32];
	FILE *f;
	int rc = 0;

	if (!path)
		path = CONF;
	f = fopen(path, "re");
	if (!f)
		return 0; /* there need be none */
	while (!rc && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " transport = %31s", value) == 1 &&
		    cmd_set_kind(args, value) < 0)
			rc = err_set(err, -EINVAL,
				     "%s: %s is neither xenio nor blktap2",
				     path, value);
	}
	(void)fclose(f); /* was read only */
	return rc;
}

static void hinted(struct cmd_args *args)
{
	const char *type = getenv("XENBUS_TYPE");

	args->kind = CMD_KIND_XENIO;
	if (type && !strcmp(type, "vbd"))
		args->kind = CMD_KIND_BLKTAP2;
}

int cmd_decide(struct cmd_args *args, struct err *err)
{
	int rc;

	if (args->kind == CMD_KIND_XENIO && args->device)
		return err_set(err, -EINVAL,
			       "%s: only -t blktap2 has device names",
			       args->device);
	if (args->kind == CMD_KIND_DEFAULT && args->device)
		args->kind = CMD_KIND_BLKTAP2;
	if (args->kind == CMD_KIND_DEFAULT) {
		rc = configured(args, err);
		if (rc < 0)
			return rc;
	}
	if (args->kind == CMD_KIND_DEFAULT)
		hinted(args);
	if (args->kind == CMD_KIND_XENIO)
		return 0;
	return err_set(err, -ENODEV,
		       cmd_module() < 0
			       ? "a kernel block device was asked for, and the "
				 "blktap2 kernel module is not loaded"
			       : "a kernel block device was asked for, and "
				 "this version serves none");
}

void cmd_print_device(const struct cmd_args *args)
{
	printf("%s/tapdisk/tapdisk-%d\n", args->dir ? args->dir : TAPCTL_DIR,
	       args->minor);
}

/* Both names that its control node has had. */
int cmd_module(void)
{
	char line[128];
	int rc = -ENODEV;
	FILE *f = fopen("/proc/misc", "re");

	if (!f)
		return rc;
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, " blktap/control\n") ||
		    strstr(line, " blktap-control\n"))
			rc = 0;
	}
	(void)fclose(f); /* was read only */
	return rc;
}
