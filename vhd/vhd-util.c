/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhd-util.c - makes, shows, checks and changes VHD images. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/streams.h"
#include "vhd/cmd.h"

#define SERVER     "LIBVHD_ICBINN_VHD_SERVER"
#define KEY_SERVER "LIBVHD_ICBINN_KEY_SERVER"

/* Where images and keys are: here, or on the servers that were named. */
static struct vhd_files *files, *key_files;

struct vhd_files *vhd_cmd_files(void)
{
	return files ? files : vhd_files_local();
}

struct vhd_files *vhd_cmd_key_files(void)
{
	return key_files ? key_files : vhd_files_local();
}

const struct vhd_cmd vhd_cmds[] = {
	{ "create", vhd_cmd_create,
	  "<-n name> <-s size (MB)> [-r fixed] [-S max size (MB)] "
	  "[--sparse] [--azure] [--overwrite] [-h help]" },
	{ "snapshot", vhd_cmd_snapshot,
	  "<-n name> <-p parent> [-l max depth] [-m parent is raw] "
	  "[-S max size (MB)] [-e link to an empty parent] [--overwrite] "
	  "[-h help]" },
	{ "query", vhd_cmd_query,
	  "<-n name> [-v virtual size (MB)] [-s physical size (bytes)] "
	  "[-p parent] [-f hidden] [-m marker] [-d chain depth] "
	  "[-a allocated blocks] [-S max size for fast resize (MB)] "
	  "[-u parent unresolved] [-b backup footer] [--json] [-h help]" },
	{ "read", vhd_cmd_read,
	  "<-n name> [-p metadata] [-t sector] [-b block] [-B BAT as bitmap] "
	  "[-m block, its bitmap] [-i sector, its bit] [-e sector, extents] "
	  "[-a batmap] [-j block, its batmap bit] [-d block, its data] "
	  "[-c count] [-r sectors] [-R bytes] [-x hex] [-h help]" },
	{ "set", vhd_cmd_set,
	  "<-n name> <-f field: hidden or marker> <-v value> [-h help]" },
	{ "repair", vhd_cmd_repair,
	  "<-n name> [-b use the backup footer] [--keyhash hash [--nonce "
	  "nonce]] [-h help]" },
	{ "resize", vhd_cmd_resize,
	  "<-n name> <-s size (MB)> <-j journal | -f fast> [-h help]" },
	{ "revert", vhd_cmd_revert, "<-n name> <-j journal> [-h help]" },
	{ "fill", vhd_cmd_fill,
	  "<-n name> [-b BAT and bitmaps only] [-f from sector] "
	  "[-t to sector] [-p progress] [-h help]" },
	{ "coalesce", vhd_cmd_coalesce,
	  "<-n name> [-s sparse] [-p progress] [-h help]" },
	{ "modify", vhd_cmd_modify,
	  "<-n name> [-p new parent [-m parent is raw]] "
	  "[-s new physical size (bytes)] "
	  "[-t type: differencing, dynamic or original] [-z kill data] "
	  "[-h help]" },
	{ "key", vhd_cmd_key,
	  "<-C -k key file [-N nonce] | -s -n name <-k key file | -H hash> "
	  "[-N nonce] | -c -n name -k key file | -p -n name> [-h help]" },
	{ "scan", vhd_cmd_scan,
	  "[-m filter] [-f fast] [-c continue on failure] [-l volume group] "
	  "[-p pretty print] [-a scan ancestors] [-v full names] "
	  "[-M marker and key hash] [--json] [-h help] FILE..." },
	{ "check", vhd_cmd_check,
	  "<-n name> [-i ignore missing primary footers] "
	  "[-I ignore parent uuids] [-t ignore timestamps] "
	  "[-B do not check for blocks that overlap] [-p check parents] "
	  "[-b check bitmaps] [-s statistics] [--json] [-h help]" },
	{ "copy", vhd_cmd_copy,
	  "<-n name> <-N new name> [-k key file | -E key from stdin] "
	  "[--overwrite] [-h help]" },
	{ "convert", vhd_cmd_convert,
	  "<-n name> <-N new name> <-O dynamic, fixed, azure or raw> "
	  "[-I vhd or raw] [--overwrite] [-h help]" },
	{ "clone-metadata", vhd_cmd_clone,
	  "<-i name or -> <-o new name> [-q quiet] [-h help]" },
	{ "dm-decrypt", vhd_cmd_decrypt,
	  "<-i device> <-I name> <-o new name or -> [-p progress] "
	  "[--keep-keyhash] [-h help]" },
	{ "dm-encrypt", vhd_cmd_encrypt,
	  "<-i name or -> <-o device> [-c new name -C command] "
	  "[-p progress] [-h help]" },
	{ "stream-coalesce", vhd_cmd_stream,
	  "<-o new name | -i information> [-D do not compare uuids] "
	  "[-p progress] [-x] [-h help] CHILD PARENT..." },
	{ NULL, NULL, NULL },
};

static int usage(void)
{
	(void)printf("usage: vhd-util COMMAND [OPTIONS]\n");
	(void)printf("COMMAND is one of:");
	for (const struct vhd_cmd *c = vhd_cmds; c->name; c++)
		(void)printf(" %s", c->name);
	(void)printf("\n");
	return 0;
}

/* "--debug" may stand anywhere; the old tools logged more with it. */
static int drop_debug(int argc, char **argv)
{
	int n = 0;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--debug"))
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	return n;
}

/* Never a local file instead of one that somebody wanted elsewhere. */
static int find_server(struct vhd_files **out, const char *var)
{
	const char *spec = getenv(var);
	struct err err = { 0 };
	int rc = spec ? vhd_files_icbinn(out, spec, &err) : 0;

	if (rc)
		(void)fprintf(stderr, "%s: %s\n", var, err.msg);
	return rc;
}

static int run(const struct vhd_cmd *c, int argc, char **argv)
{
	int rc = find_server(&files, SERVER);

	if (!rc)
		rc = find_server(&key_files, KEY_SERVER);
	if (!rc)
		rc = c->run(argc, argv);
	vhd_files_icbinn_free(files);
	vhd_files_icbinn_free(key_files);
	return abs(streams_finish(rc)) & 0xff;
}

int main(int argc, char **argv)
{
	streams_open();
	argc = drop_debug(argc, argv);
	if (argc < 2)
		return usage();
	for (const struct vhd_cmd *c = vhd_cmds; c->name; c++) {
		if (!strcmp(c->name, argv[1]))
			return run(c, argc - 1, argv + 1);
	}
	(void)fprintf(stderr, "invalid COMMAND %s\n", argv[1]);
	return usage();
}
