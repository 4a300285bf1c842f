/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-resize.c - vhd-util resize and revert. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vhd/cmd.h"

static int open_journal(struct vhd_io **out, const char *name,
			const char *image, bool *made)
{
	struct err err = { 0 };
	int rc = vhd_cmd_new(out, name, image, false, made, &err);

	return rc ? vhd_cmd_fail("error creating journal", name, rc, &err) : 0;
}

/* Whether the image came through, with no journal needed any more. */
static bool is_whole(const char *name)
{
	struct vhd_cmd_image img;

	if (vhd_cmd_try(&img, name, 0, NULL))
		return false;
	vhd_cmd_close(&img);
	return true;
}

static int resize(struct vhd_cmd_image *img, struct vhd_resize *r,
		  const char *journal)
{
	struct vhd_files *files = vhd_cmd_files();
	struct err err = { 0 };
	bool made = false;
	int rc = 0;

	if (journal)
		rc = open_journal(&r->journal, journal, img->name, &made);
	if (rc)
		return rc;
	rc = vhd_resize(img->vhd, r, &err);
	if (r->journal)
		r->journal->close(r->journal);
	/* The device's own; and what a test wants to go back with. */
	if (made && is_whole(img->name) &&
	    !(rc && getenv(VHD_CMD_FAULT "RESIZE_END")))
		(void)files->remove(files, journal); /* or it is stale */
	if (rc == -ENOSYS)
		(void)printf("%s\n", err.msg);
	else if (rc && err.msg[0])
		(void)fprintf(stderr, "%s: %s\n", img->name, err.msg);
	if (rc)
		(void)printf("resize failed: %d\n", rc);
	return rc;
}

int vhd_cmd_resize(int argc, char **argv)
{
	const char *name = NULL, *size = NULL, *journal = NULL;
	struct vhd_resize r = { .fault = vhd_cmd_fault };
	struct vhd_cmd_image img;
	bool fast = false;
	int c, rc;

	while ((c = getopt(argc, argv, "n:s:j:fh")) != -1) {
		if (c == 'n')
			name = optarg;
		else if (c == 's')
			size = optarg;
		else if (c == 'j')
			journal = optarg;
		else if (c == 'f')
			fast = true;
		else
			return vhd_cmd_usage("resize");
	}
	if (!name || !size || fast == (journal != NULL) || optind != argc ||
	    vhd_cmd_size(&r.size, size))
		return vhd_cmd_usage("resize");
	rc = vhd_cmd_open(&img, name, VHD_OPEN_WRITE);
	if (rc)
		return rc;
	rc = resize(&img, &r, journal);
	vhd_cmd_close(&img);
	return rc;
}

int vhd_cmd_revert(int argc, char **argv)
{
	struct vhd_files *files = vhd_cmd_files();
	const char *name = NULL, *journal = NULL;
	struct vhd_io *io = NULL, *jio = NULL;
	struct err err = { 0 };
	int c, rc;

	while ((c = getopt(argc, argv, "n:j:h")) != -1) {
		if (c == 'n')
			name = optarg;
		else if (c == 'j')
			journal = optarg;
		else
			return vhd_cmd_usage("revert");
	}
	if (!name || !journal || optind != argc)
		return vhd_cmd_usage("revert");
	rc = files->open(files, &io, name, VHD_FILES_WRITE, &err);
	if (!rc)
		rc = files->open(files, &jio, journal, VHD_FILES_WRITE, &err);
	if (!rc)
		rc = vhd_revert(io, jio, &err);
	if (!rc && jio->resize)
		rc = files->remove(files, journal);
	if (jio)
		jio->close(jio);
	if (io)
		io->close(io);
	return rc ? vhd_cmd_fail("error reverting", name, rc, &err) : 0;
}
