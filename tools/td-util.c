/* SPDX-License-Identifier: GPL-2.0-or-later */
/* td-util.c - images by their type, for callers of before vhd-util. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/parse.h"
#include "lib/streams.h"
#include "vhd/chain.h"
#include "vhd/vhd.h"

#define USAGE   255
#define MIB     (UINT64_C(1) << 20)
#define MAX_MIB (UINT64_C(1) << 34)

/* What a command line came to; the words behind the options are in argv. */
struct args {
	bool vhd; /* or aio: a plain file or device */
	bool reserve, raw, backup;
	uint64_t depth; /* 0: any */
	bool size, parent, fields, chain;
	char **argv;
	int argc;
};

struct command {
	const char *name;
	const char *letters;
	int words; /* that are wanted */
	int (*run)(struct args *a, struct err *err);
	const char *usage;
};

/* A new file, or one that is empty, or a device. */
static int open_new(struct vhd_io **io, const char *name, bool *made,
		    struct err *err)
{
	struct vhd_files *files = vhd_files_local();
	uint64_t size = 0;
	int rc = files->open(files, io, name, VHD_FILES_CREATE, err);

	*made = !rc;
	if (rc != -EEXIST)
		return rc;
	rc = files->open(files, io, name, VHD_FILES_WRITE, err);
	if (rc)
		return rc;
	rc = (*io)->size(*io, &size);
	if (!rc && (*io)->resize && size)
		rc = -EEXIST;
	if (rc)
		(*io)->close(*io);
	return rc ? err_set(err, rc, "%s: %s", name, strerror(-rc)) : 0;
}

static int close_new(struct vhd_io *io, const char *name, bool made, int rc)
{
	struct vhd_files *files = vhd_files_local();

	io->close(io);
	if (rc && made)
		(void)files->remove(files, name); /* it is rc that counts */
	return rc;
}

/* --- create and snapshot -------------------------------------------------- */

static int write_plain(struct vhd_io *io, uint64_t size, bool reserve)
{
	uint8_t *zero = calloc(1, MIB);
	uint64_t off = 0;
	int rc = zero ? 0 : -ENOMEM;

	if (!rc && io->resize)
		rc = io->resize(io, size);
	for (; !rc && reserve && off < size; off += MIB)
		rc = io->pwrite(io, zero, MIB, off);
	free(zero);
	return rc ? rc : io->sync(io);
}

static int create(struct args *a, struct err *err)
{
	struct vhd_new p = { .type = a->reserve ? VHD_FIXED : VHD_DYNAMIC,
			     .time = time(NULL) };
	const char *name = a->argv[1];
	struct vhd_io *io;
	uint64_t mb;
	bool made;
	int rc;

	if (parse_uint(&mb, a->argv[0], 1, MAX_MIB))
		return err_set(err, -EINVAL, "%s: no size in MB", a->argv[0]);
	rc = open_new(&io, name, &made, err);
	if (rc)
		return rc;
	vhd_new_id(p.id);
	p.size = (mb + mb % 2) * MIB;
	rc = a->vhd ? vhd_create(io, &p, err)
		    : write_plain(io, mb * MIB, a->reserve);
	if (rc && !err->msg[0])
		err_set(err, rc, "%s: %s", name, strerror(-rc));
	return close_new(io, name, made, rc);
}

static int limit_depth(const struct args *a, struct err *err)
{
	unsigned depth = 1;
	int rc = 0;

	if (!a->depth)
		return 0;
	if (!a->raw)
		rc = vhd_chain_depth(vhd_files_local(), a->argv[1], &depth,
				     err);
	if (rc || depth < a->depth)
		return rc;
	(void)printf("snapshot depth exceeded: current depth: %u, "
		     "limit: %llu\n",
		     depth, (unsigned long long)a->depth);
	return err_set(err, -ENOSPC, "%s: too many parents", a->argv[1]);
}

static int snapshot(struct args *a, struct err *err)
{
	struct vhd_snapshot snap = { .name = a->argv[0],
				     .parent = a->argv[1],
				     .raw = a->raw };
	struct vhd_new p = { .time = time(NULL) };
	struct vhd_io *io;
	bool made;
	int rc;

	if (!a->vhd)
		return err_set(err, -EINVAL, "a plain file has no snapshots");
	rc = limit_depth(a, err);
	if (!rc && vhd_chain_holds(vhd_files_local(), snap.parent, snap.name))
		rc = err_set(err, -EINVAL, "%s is or has it as a parent",
			     snap.parent);
	if (!rc)
		rc = open_new(&io, snap.name, &made, err);
	if (rc)
		return rc;
	vhd_new_id(p.id);
	rc = vhd_snapshot(io, vhd_files_local(), &snap, &p, err);
	return close_new(io, snap.name, made, rc);
}

/* --- query and set -------------------------------------------------------- */

static int open_vhd(struct vhd **vhd, struct vhd_io **io, const char *name,
		    unsigned flags, struct err *err)
{
	struct vhd_files *files = vhd_files_local();
	int rc = files->open(files, io, name,
			     flags & VHD_OPEN_WRITE ? VHD_FILES_WRITE : 0, err);

	if (!rc) {
		rc = vhd_open_flags(vhd, *io, flags, err);
		if (rc)
			(*io)->close(*io);
	}
	if (rc)
		(void)printf("failed opening %s: %d\n", name, rc);
	return rc;
}

static int put_parent(struct vhd *vhd, const char *name, struct err *err)
{
	char *path;
	int rc;

	if (!vhd || vhd_footer(vhd)->type != VHD_DIFFERENCING) {
		(void)printf("%s has no parent\n", name);
		return 0;
	}
	rc = vhd_parent_path(vhd, name, vhd_files_local(), &path, err);
	if (rc) {
		(void)printf("query failed\n");
		return rc;
	}
	(void)puts(path);
	free(path);
	return 0;
}

/* A line each, in this order. */
static int put_answers(const struct args *a, uint64_t bytes, struct vhd *vhd,
		       struct err *err)
{
	const char *name = a->argv[0];
	unsigned depth = 1;
	int rc = 0;

	if (a->size)
		(void)printf("%llu\n", (unsigned long long)(bytes / MIB));
	if (a->parent)
		rc = put_parent(vhd, name, err);
	if (a->fields)
		(void)printf("hidden: %d\n", vhd ? vhd_footer(vhd)->hidden : 0);
	if (!rc && a->chain && vhd)
		rc = vhd_chain_depth(vhd_files_local(), name, &depth, err);
	if (!rc && a->chain)
		(void)printf("chain depth: %u\n", depth);
	return rc;
}

static int query_plain(const struct args *a, struct err *err)
{
	struct vhd_files *files = vhd_files_local();
	const char *name = a->argv[0];
	struct vhd_io *io;
	uint64_t bytes = 0;
	int rc = files->open(files, &io, name, 0, err);

	if (rc) {
		(void)printf("failed opening %s: %d\n", name, rc);
		return rc;
	}
	rc = io->size(io, &bytes);
	io->close(io);
	return rc ? err_set(err, rc, "%s: size", name)
		  : put_answers(a, bytes, NULL, err);
}

static int query(struct args *a, struct err *err)
{
	struct vhd_io *io;
	struct vhd *vhd;
	int rc;

	if (!a->vhd)
		return query_plain(a, err);
	rc = open_vhd(&vhd, &io, a->argv[0],
		      VHD_OPEN_FAST | (a->backup ? VHD_OPEN_BACKUP : 0), err);
	if (rc)
		return rc;
	rc = put_answers(a, vhd_size(vhd), vhd, err);
	vhd_close(vhd);
	io->close(io);
	return rc;
}

static int set(struct args *a, struct err *err)
{
	struct vhd_io *io;
	struct vhd *vhd;
	uint64_t value;
	int rc;

	if (!a->vhd || strcmp(a->argv[1], "hidden"))
		return err_set(err, -EINVAL, "invalid field %s", a->argv[1]);
	if (parse_uint(&value, a->argv[2], 0, 1))
		return err_set(err, -EINVAL, "hidden: %s is not 0 or 1",
			       a->argv[2]);
	rc = open_vhd(&vhd, &io, a->argv[0], VHD_OPEN_WRITE, err);
	if (rc)
		return rc;
	rc = vhd_set_hidden(vhd, (uint8_t)value, err);
	vhd_close(vhd);
	io->close(io);
	return rc;
}

/* --- the command line ----------------------------------------------------- */

static const struct command commands[] = {
	{ "create", "rbh", 2, create,
	  "[-r reserve] [-b file size fixed] <MB> <FILENAME>" },
	{ "snapshot", "mbl:h", 2, snapshot,
	  "[-m parent is raw] [-b file size fixed] [-l max depth] "
	  "<FILENAME> <PARENT>" },
	{ "query", "vpfdbh", 1, query,
	  "[-v virtual size (MB)] [-p parent] [-f fields] [-d chain depth] "
	  "[-b backup footer] <FILENAME>" },
	{ "set", "h", 3, set, "<FILENAME> <FIELD> <VALUE>" },
	{ NULL, NULL, 0, NULL, NULL },
};

static int usage(void)
{
	(void)printf("Tapdisk Utilities: v1.0.0\n");
	(void)printf("usage: td-util COMMAND TYPE [OPTIONS] ARGUMENTS\n");
	(void)printf("TYPE is one of: vhd aio\nCOMMAND is one of:\n");
	for (const struct command *c = commands; c->name; c++)
		(void)printf("  %s TYPE %s\n", c->name, c->usage);
	return USAGE;
}

static bool option(struct args *a, int c)
{
	switch (c) {
	case 'r':
		a->reserve = true;
		return true;
	case 'm':
		a->raw = true;
		return true;
	case 'b': /* the file keeps its size: it always may */
		a->backup = true;
		return true;
	case 'l':
		return !parse_uint(&a->depth, optarg, 1, 1000000);
	case 'v':
		a->size = true;
		return true;
	case 'p':
		a->parent = true;
		return true;
	case 'f':
		a->fields = true;
		return true;
	case 'd':
		a->chain = true;
		return true;
	default:
		return false;
	}
}

/* argv[0] is the type. */
static int run(const struct command *cmd, int argc, char **argv)
{
	struct args a = { 0 };
	struct err err = { 0 };
	int c, rc;

	if (argc < 1 || (strcmp(argv[0], "vhd") && strcmp(argv[0], "aio")))
		return usage();
	a.vhd = *argv[0] == 'v';
	while ((c = getopt(argc, argv, cmd->letters)) != -1) {
		if (!option(&a, c))
			return usage();
	}
	a.argv = argv + optind;
	a.argc = argc - optind;
	if (a.argc != cmd->words)
		return usage();
	rc = cmd->run(&a, &err);
	if (rc)
		(void)fprintf(stderr, "td-util: %s\n", err.msg);
	return abs(streams_finish(rc)) & 0xff;
}

int main(int argc, char **argv)
{
	streams_open();
	for (const struct command *c = commands; argc > 1 && c->name; c++) {
		if (!strcmp(c->name, argv[1]))
			return run(c, argc - 2, argv + 2);
	}
	return usage();
}
