/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-lib.c - what the subcommands of vhd-util share. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/json.h"
#include "lib/parse.h"
#include "vhd/chain.h"
#include "vhd/cmd.h"

#define BLOCK_MB 2u

int vhd_cmd_usage(const char *name)
{
	/* As ever; where all messages go to stderr, so does this. */
	bool apart = !strcmp(name, "key") || !strcmp(name, "convert");

	for (const struct vhd_cmd *c = vhd_cmds; c->name; c++) {
		if (!strcmp(c->name, name))
			(void)fprintf(apart ? stderr : stdout,
				      "usage: vhd-util %s %s\n", name,
				      c->usage);
	}
	return -EINVAL;
}

int vhd_cmd_fail(const char *verb, const char *name, int rc,
		 const struct err *err)
{
	(void)printf("%s %s: %d\n", verb, name, rc);
	if (err && err->msg[0])
		(void)fprintf(stderr, "%s: %s\n", name, err->msg);
	return rc;
}

int vhd_cmd_try(struct vhd_cmd_image *img, const char *name, unsigned flags,
		struct err *err)
{
	struct vhd_files *files = vhd_cmd_files();
	int rc;

	*img = (struct vhd_cmd_image){ .name = name };
	rc = files->open(files, &img->io, name,
			 flags & VHD_OPEN_WRITE ? VHD_FILES_WRITE : 0, err);
	if (rc)
		return rc;
	rc = vhd_open_flags(&img->vhd, img->io, flags, err);
	if (rc)
		vhd_cmd_close(img);
	return rc;
}

int vhd_cmd_open(struct vhd_cmd_image *img, const char *name, unsigned flags)
{
	struct err err = { 0 };
	int rc = vhd_cmd_try(img, name, flags, &err);

	if (rc)
		return vhd_cmd_fail("error opening", name, rc, &err);
	if (vhd_note(img->vhd))
		(void)fprintf(stderr, "%s: %s\n", name, vhd_note(img->vhd));
	return 0;
}

void vhd_cmd_close(struct vhd_cmd_image *img)
{
	vhd_close(img->vhd);
	if (img->io)
		img->io->close(img->io);
	img->vhd = NULL;
	img->io = NULL;
}

static int take_over(struct vhd_io *io, const char *name, struct err *err)
{
	uint64_t size;
	int rc = io->size(io, &size);

	if (rc)
		return err_set(err, rc, "%s: %s", name, strerror(-rc));
	if (io->resize && size)
		return err_set(err, -EEXIST,
			       "there is a file already; --overwrite to "
			       "lose what it holds");
	return 0;
}

int vhd_cmd_new(struct vhd_io **out, const char *name, const char *source,
		bool overwrite, bool *made, struct err *err)
{
	struct vhd_files *files = vhd_cmd_files();
	int rc = files->open(files, out, name, VHD_FILES_CREATE, err);

	*made = !rc;
	if (rc != -EEXIST)
		return rc;
	if (source && vhd_chain_holds(files, source, name))
		return err_set(err, -EINVAL, "%s is made from it", name);
	rc = files->open(files, out, name, VHD_FILES_WRITE, err);
	if (rc || overwrite)
		return rc;
	rc = take_over(*out, name, err);
	if (rc)
		(*out)->close(*out);
	return rc;
}

int vhd_cmd_size(uint64_t *bytes, const char *mb)
{
	uint64_t n;
	int rc = parse_uint(&n, mb, 0, UINT64_MAX >> 21);

	if (rc)
		return -EINVAL;
	*bytes = (n + BLOCK_MB - 1) / BLOCK_MB * BLOCK_MB << 20;
	return 0;
}

int vhd_cmd_json(struct json *json)
{
	char *text = json_take(json, NULL);

	json_free(json);
	if (!text)
		return -ENOMEM;
	(void)puts(text);
	free(text);
	return 0;
}

void vhd_cmd_hex(char *out, const uint8_t *in, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", in[i]);
}

void vhd_cmd_progress(void *arg, uint64_t done, uint64_t all)
{
	(void)arg;

	(void)printf("\r%6.2f%%", all ? (double)done * 100 / (double)all : 100);
	(void)fflush(stdout);
}

int vhd_cmd_fault(void *arg, const char *point)
{
	char var[64];

	(void)arg;
	(void)snprintf(var, sizeof(var), VHD_CMD_FAULT "%s", point);
	if (!getenv(var))
		return 0;
	(void)printf("Failing at %s\n", var);
	return -EINVAL;
}
