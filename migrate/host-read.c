/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-read.c - reads all of a host, in the order in which things are needed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/err.h"
#include "migrate/host-int.h"

void host_version(struct host_version *out, const char *text)
{
	*out = (struct host_version){ .text = mem_dup(text) };
	if (text)
		(void)sscanf(text, "%u.%u", &out->major, &out->minor);
}

int host_read(struct host *out, const char *root, struct err *err)
{
	struct stat st;
	int rc;

	*out = (struct host){ 0 };
	out->live = !root || !*root || !strcmp(root, "/");
	out->root = out->live ? mem_dup("") : realpath(root, NULL);
	if (!out->root)
		return err_sys(err, "%s", root);
	if (!out->live && (stat(out->root, &st) < 0 || !S_ISDIR(st.st_mode)))
		return err_set(err, -ENOTDIR, "%s: no folder", root);
	host_items_read(out);
	host_tapdisks_read(out);
	host_tapdevs_read(out);
	rc = host_store_read(out, err);
	if (rc < 0)
		return rc;
	host_disks_read(out);
	host_confs_read(out);
	host_chains_read(out);
	return 0;
}
