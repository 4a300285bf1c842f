/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-coalesce.c - vhd-util coalesce and fill: much data at once. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/parse.h"
#include "vhd/chain.h"
#include "vhd/cmd.h"

static int open_parent(struct vhd_cmd_image *child,
		       struct vhd_cmd_image *parent, char **path,
		       struct err *err)
{
	struct vhd_files *files = vhd_cmd_files();
	int rc = vhd_parent_path(child->vhd, child->name, files, path, err);

	if (rc)
		return rc;
	if (vhd_chain_holds(files, *path, child->name))
		return err_set(err, -EINVAL, "it is a parent of its own");
	if (!vhd_parent_is_raw(child->vhd))
		return vhd_cmd_try(parent, *path, VHD_OPEN_WRITE, err);
	return files->open(files, &parent->io, *path, VHD_FILES_WRITE, err);
}

static int coalesce(const char *name, bool shown)
{
	struct vhd_progress progress = { .step = vhd_cmd_progress };
	struct vhd_cmd_image child, parent = { 0 };
	struct err err = { 0 };
	uint64_t sectors = 0;
	char *path = NULL;
	int rc = vhd_cmd_open(&child, name, 0);

	if (rc)
		return rc;
	if (vhd_footer(child.vhd)->type != VHD_DIFFERENCING) {
		(void)printf("coalescing of non-differencing disks is not "
			     "supported\n");
		rc = -EINVAL;
	}
	if (!rc)
		rc = open_parent(&child, &parent, &path, &err);
	if (!rc)
		rc = vhd_coalesce(child.vhd, parent.vhd, parent.io,
				  shown ? &progress : NULL, &sectors, &err);
	if (shown)
		(void)printf("\n");
	if (rc)
		(void)printf("error coalescing: %d\n", rc);
	else
		(void)printf("Coalesced %llu sectors",
			     (unsigned long long)sectors);
	if (err.msg[0])
		(void)fprintf(stderr, "%s: %s\n", name, err.msg);
	vhd_cmd_close(&parent);
	vhd_cmd_close(&child);
	free(path);
	return rc;
}

int vhd_cmd_coalesce(int argc, char **argv)
{
	const char *name = NULL;
	bool shown = false;
	int c;

	while ((c = getopt(argc, argv, "n:sph")) != -1) {
		if (c == 'n')
			name = optarg;
		else if (c == 'p')
			shown = true;
		else if (c != 's') /* only what is there is ever written */
			return vhd_cmd_usage("coalesce");
	}
	if (!name || optind != argc)
		return vhd_cmd_usage("coalesce");
	return coalesce(name, shown);
}

int vhd_cmd_fill(int argc, char **argv)
{
	struct vhd_progress progress = { .step = vhd_cmd_progress };
	uint64_t from = 0, to = UINT64_MAX - 1;
	bool data = true, shown = isatty(STDOUT_FILENO);
	struct vhd_chain *chain;
	const char *name = NULL;
	struct err err = { 0 };
	int c, rc = 0;

	while ((c = getopt(argc, argv, "n:bf:t:Bph")) != -1) {
		if (c == 'n')
			name = optarg;
		else if (c == 'b' || c == 'B')
			data = false;
		else if (c == 'f')
			rc = parse_uint(&from, optarg, 0, INT64_MAX);
		else if (c == 't')
			rc = parse_uint(&to, optarg, 0, INT64_MAX);
		else if (c == 'p')
			shown = true;
		else
			return vhd_cmd_usage("fill");
		if (rc)
			return vhd_cmd_usage("fill");
	}
	if (!name || optind != argc || to < from)
		return vhd_cmd_usage("fill");
	rc = vhd_chain_open(&chain, vhd_cmd_files(), name, VHD_OPEN_WRITE,
			    &err);
	if (rc)
		return vhd_cmd_fail("error opening", name, rc, &err);
	rc = vhd_fill(chain, from, to - from + 1, data,
		      shown ? &progress : NULL, &err);
	vhd_chain_close(chain);
	if (shown)
		(void)printf("\n");
	return rc ? vhd_cmd_fail("error filling", name, rc, &err) : 0;
}
