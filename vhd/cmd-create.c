/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-create.c - vhd-util create and snapshot: new images. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/parse.h"
#include "vhd/chain.h"
#include "vhd/cmd.h"

static const struct option longopts[] = {
	{ "overwrite", no_argument, NULL, 'o' },
	{ "sparse", no_argument, NULL, 'z' },
	{ "azure", no_argument, NULL, 'A' },
	{ 0 },
};

#define AZURE_ROUND (1u << 20)

static void start(struct vhd_new *p)
{
	p->time = time(NULL);
	vhd_new_id(p->id);
}

/* Close what was made, and remove it again if that failed. */
static int finish(struct vhd_io *io, const char *name, bool made, int rc)
{
	struct vhd_files *files = vhd_cmd_files();

	io->close(io);
	if (rc && made)
		(void)files->remove(files, name); /* it is rc that counts */
	return rc;
}

int vhd_cmd_create(int argc, char **argv)
{
	struct vhd_new p = { .type = VHD_DYNAMIC };
	const char *name = NULL;
	bool sized = false, overwrite = false, made;
	struct err err = { 0 };
	struct vhd_io *io;
	int c, rc = 0;

	while ((c = getopt_long(argc, argv, "n:s:S:rh", longopts, NULL)) !=
	       -1) {
		if (c == 'n')
			name = optarg;
		else if (c == 's')
			rc = vhd_cmd_size(&p.size, optarg), sized = true;
		else if (c == 'S')
			rc = vhd_cmd_size(&p.max_size, optarg);
		else if (c == 'r')
			p.type = VHD_FIXED;
		else if (c == 'o')
			overwrite = true;
		else if (c == 'z')
			p.sparse = true;
		else if (c == 'A')
			p.type = VHD_FIXED, p.sparse = true;
		else
			return vhd_cmd_usage("create");
		if (rc)
			return vhd_cmd_usage("create");
	}
	if (!name || !sized || optind != argc)
		return vhd_cmd_usage("create");
	start(&p);
	rc = vhd_cmd_new(&io, name, NULL, overwrite, &made, &err);
	if (!rc)
		rc = finish(io, name, made, vhd_create(io, &p, &err));
	return rc ? vhd_cmd_fail("error creating", name, rc, &err) : 0;
}

static int check_depth(const char *parent, uint64_t limit, struct err *err)
{
	unsigned depth;
	int rc = vhd_chain_depth(vhd_cmd_files(), parent, &depth, err);

	if (rc || depth < limit)
		return rc;
	(void)printf("snapshot depth exceeded: current depth: %u, limit: "
		     "%llu\n",
		     depth, (unsigned long long)limit);
	return -ENOSPC;
}

static int snapshot(const struct vhd_snapshot *snap, struct vhd_new *p,
		    bool overwrite)
{
	struct err err = { 0 };
	struct vhd_io *io;
	bool made;
	int rc;

	start(p);
	rc = vhd_cmd_new(&io, snap->name, snap->parent, overwrite, &made, &err);
	if (!rc)
		rc = finish(io, snap->name, made,
			    vhd_snapshot(io, vhd_cmd_files(), snap, p, &err));
	return rc ? vhd_cmd_fail("error creating", snap->name, rc, &err) : 0;
}

int vhd_cmd_snapshot(int argc, char **argv)
{
	struct vhd_snapshot snap = { 0 };
	struct vhd_new p = { 0 };
	bool overwrite = false;
	uint64_t limit = 0;
	struct err err = { 0 };
	int c, rc = 0;

	while ((c = getopt_long(argc, argv, "n:p:S:l:meh", longopts, NULL)) !=
	       -1) {
		if (c == 'n')
			snap.name = optarg;
		else if (c == 'p')
			snap.parent = optarg;
		else if (c == 'S')
			rc = vhd_cmd_size(&p.max_size, optarg);
		else if (c == 'l')
			rc = parse_uint(&limit, optarg, 0, VHD_CHAIN_MAX);
		else if (c == 'm')
			snap.raw = true;
		else if (c == 'e')
			snap.empty = true;
		else if (c == 'o')
			overwrite = true;
		else
			return vhd_cmd_usage("snapshot"),
			       c == 'h' ? 0 : -EINVAL;
		if (rc)
			return vhd_cmd_usage("snapshot");
	}
	if (!snap.name || !snap.parent || optind != argc)
		return vhd_cmd_usage("snapshot");
	if (limit && !snap.raw)
		rc = check_depth(snap.parent, limit, &err);
	if (rc && err.msg[0])
		return vhd_cmd_fail("error creating", snap.name, rc, &err);
	return rc ? rc : snapshot(&snap, &p, overwrite);
}
