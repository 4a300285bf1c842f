/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-kind.c - which kind of device a new disk shall be: ring or kernel's.
 *
 * What decides, the first that is there: -t; a device name (-d), which only
 * the kernel's have; the variable XENBUS_TYPE, by which Xen's hotplug scripts
 * tell what they cannot do without; "transport = NAME" in /etc/blktap.conf;
 * whether the module is loaded: the kernel's device where it is, the ring
 * where it is not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compat/blktap2/blktap2.h"
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

	if (type && !strcmp(type, "vbd"))
		args->kind = CMD_KIND_BLKTAP2;
	else if (type && !strcmp(type, "vbd3"))
		args->kind = CMD_KIND_XENIO;
}

int cmd_decide(struct cmd_args *args, struct err *err)
{
	struct blktap2_host host;
	int rc = 0;

	if (args->kind == CMD_KIND_XENIO && args->device)
		return err_set(err, -EINVAL,
			       "%s: only -t blktap2 has device names",
			       args->device);
	if (args->kind == CMD_KIND_DEFAULT && args->device)
		args->kind = CMD_KIND_BLKTAP2;
	if (args->kind == CMD_KIND_DEFAULT)
		hinted(args);
	if (args->kind == CMD_KIND_DEFAULT)
		rc = configured(args, err);
	if (!rc && args->kind == CMD_KIND_DEFAULT)
		args->kind = blktap2_probe(&host, "", NULL) ? CMD_KIND_XENIO
							    : CMD_KIND_BLKTAP2;
	return rc;
}

/* The node that -d names: the block device by another name. */
static int make_node(const struct cmd_args *args, struct err *err)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), BLKTAP2_DIR "/tapdev%d",
		       args->minor); /* it fits */
	if (stat(path, &st))
		return err_sys(err, "%s", path);
	if (unlink(args->device) && errno != ENOENT)
		return err_sys(err, "%s", args->device);
	if (mknod(args->device, S_IFBLK | 0600, st.st_rdev))
		return err_sys(err, "%s", args->device);
	return 0;
}

int cmd_allocate_minor(struct cmd_args *args, struct err *err)
{
	bool kernel = args->kind == CMD_KIND_BLKTAP2;
	int rc = tapctl_allocate(
		args->dir, kernel ? TAPCTL_KIND_BLKTAP2 : TAPCTL_KIND_XENIO,
		&args->minor, err);

	if (rc || !args->device)
		return rc;
	rc = make_node(args, err);
	if (rc)
		(void)tapctl_free(args->dir, args->minor, NULL); /* rc tells */
	return rc;
}

void cmd_print_device(const struct cmd_args *args)
{
	if (args->kind != CMD_KIND_BLKTAP2)
		printf("%s/tapdisk/tapdisk-%d\n",
		       args->dir ? args->dir : TAPCTL_DIR, args->minor);
	else if (args->device)
		printf("%s\n", args->device);
	else
		printf(BLKTAP2_DIR "/tapdev%d\n", args->minor);
}
