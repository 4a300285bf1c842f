/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-check.c - vhd-util check: is an image what it should be? */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/json.h"
#include "vhd/chain.h"
#include "vhd/cmd.h"

static const struct option longopts[] = {
	{ "json", no_argument, NULL, 'J' },
	{ 0 },
};

static double percent(uint64_t part, uint64_t all)
{
	return all ? (double)part * 100 / (double)all : 0;
}

static int print_stats(const char *name)
{
	struct vhd_chain *chain;
	struct vhd_stats s;
	struct err err = { 0 };
	int rc = vhd_chain_open(&chain, vhd_cmd_files(), name, 0, &err);

	if (!rc) {
		rc = vhd_stats(chain, &s, &err);
		if (!rc)
			(void)printf("%s: secs allocated: 0x%llx secs "
				     "written: 0x%llx (%.2f%%)",
				     name, (unsigned long long)s.allocated,
				     (unsigned long long)s.written,
				     percent(s.written, s.allocated));
		if (!rc && chain->n > 1)
			(void)printf(" secs not in parent: 0x%llx (%.2f%%) "
				     "secs not in ancestors: 0x%llx (%.2f%%)",
				     (unsigned long long)s.not_in_parent,
				     percent(s.not_in_parent, s.written),
				     (unsigned long long)s.not_in_ancestors,
				     percent(s.not_in_ancestors, s.written));
		(void)printf("\n");
		vhd_chain_close(chain);
	}
	return rc ? vhd_cmd_fail("error reading", name, rc, &err) : 0;
}

static int report_json(const char *name, int rc, const struct err *err)
{
	struct json *j = json_new();
	int bad;

	if (!j)
		return -ENOMEM;
	json_object(j, NULL);
	json_string(j, "name", name);
	json_bool(j, "valid", !rc);
	if (rc)
		json_string(j, "reason", err->msg);
	json_end(j);
	bad = vhd_cmd_json(j);
	return bad ? bad : rc;
}

static int report(const char *name, int rc, const struct err *err)
{
	if (!rc) {
		(void)printf("%s is valid\n", name);
		return 0;
	}
	(void)printf("%s\n%s appears invalid; dumping metadata\n", err->msg,
		     name);
	(void)vhd_cmd_dump(name); /* as much of it as there is */
	return rc;
}

static bool is_there(const char *name)
{
	struct vhd_files *files = vhd_cmd_files();
	struct vhd_io *io;
	struct stat st;
	int rc;

	if (files == vhd_files_local())
		return !stat(name, &st);
	rc = files->open(files, &io, name, 0, NULL);
	if (!rc)
		io->close(io);
	return rc != -ENOENT;
}

int vhd_cmd_check(int argc, char **argv)
{
	static const char letters[] = "iItBpb";
	static const unsigned bits[] = {
		VHD_CHECK_NO_PRIMARY, VHD_CHECK_NO_ID,   VHD_CHECK_NO_TIME,
		VHD_CHECK_NO_OVERLAP, VHD_CHECK_PARENTS, VHD_CHECK_BITMAPS,
	};
	bool stats = false, json = false;
	const char *name = NULL, *at;
	struct err err = { 0 };
	unsigned flags = 0;
	int c, rc;

	while ((c = getopt_long(argc, argv, "n:iItBpbsh", longopts, NULL)) !=
	       -1) {
		if (c == 'n')
			name = optarg;
		else if (c == 's')
			stats = true;
		else if (c == 'J')
			json = true;
		else if (c != '?' && (at = strchr(letters, c)))
			flags |= bits[at - letters];
		else
			return vhd_cmd_usage("check"), c == 'h' ? 0 : -EINVAL;
	}
	if (!name || optind != argc)
		return vhd_cmd_usage("check");
	if (!is_there(name)) {
		(void)printf("cannot stat %s: %d\n", name, ENOENT);
		return -ENOENT;
	}
	rc = vhd_check(vhd_cmd_files(), name, flags, time(NULL), &err);
	rc = json ? report_json(name, rc, &err) : report(name, rc, &err);
	return !rc && stats ? print_stats(name) : rc;
}
