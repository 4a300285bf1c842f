/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-set.c - vhd-util set, modify and repair: changes of metadata. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/parse.h"
#include "vhd/cmd.h"

int vhd_cmd_set(int argc, char **argv)
{
	const char *name = NULL, *field = NULL, *value = NULL;
	struct vhd_cmd_image img;
	struct err err = { 0 };
	uint64_t v;
	int c, rc;

	while ((c = getopt(argc, argv, "n:f:v:h")) != -1) {
		if (c == 'n')
			name = optarg;
		else if (c == 'f')
			field = optarg;
		else if (c == 'v')
			value = optarg;
		else
			return vhd_cmd_usage("set");
	}
	if (!name || !field || !value || optind != argc)
		return vhd_cmd_usage("set");
	if (strcmp(field, "hidden") && strcmp(field, "marker")) {
		(void)fprintf(stderr, "invalid field %s\n", field);
		return -EINVAL;
	}
	if (parse_uint(&v, value, 0, *field == 'h' ? 1 : 255))
		return vhd_cmd_usage("set");
	rc = vhd_cmd_open(&img, name, VHD_OPEN_WRITE);
	if (rc)
		return rc;
	rc = *field == 'h' ? vhd_set_hidden(img.vhd, (uint8_t)v, &err)
			   : vhd_marker_set(img.vhd, (uint8_t)v, &err);
	if (!rc)
		rc = img.io->sync(img.io);
	if (rc)
		(void)vhd_cmd_fail("error setting", name, rc, &err);
	vhd_cmd_close(&img);
	return rc;
}

struct modify {
	const char *name;
	const char *parent;
	const char *size;
	const char *type;
	bool raw;
	bool kill;
};

static int set_size(struct vhd *vhd, const char *text, struct err *err)
{
	uint64_t bytes = 0;
	int rc = parse_uint(&bytes, text, 0, UINT64_MAX);

	if (!rc)
		rc = vhd_set_physical(vhd, bytes, err);
	if (rc)
		(void)printf("failed to set physical size to %s: %d\n", text,
			     rc);
	return rc;
}

static int set_type(struct vhd *vhd, const char *text, struct err *err)
{
	bool diff = !strcmp(text, "differencing");
	int rc;

	if (!strcmp(text, "original"))
		diff = vhd_header(vhd) && vhd_header(vhd)->parent_name[0];
	else if (!diff && strcmp(text, "dynamic"))
		return vhd_cmd_usage("modify");
	rc = vhd_set_type(vhd, diff ? VHD_DIFFERENCING : VHD_DYNAMIC, err);
	if (rc)
		(void)printf("failed to set type to %s: %d\n", text, rc);
	return rc;
}

static int set_parent(const struct modify *m, struct vhd *vhd, struct err *err)
{
	struct vhd_reparent p = {
		.name = m->name,
		.files = vhd_cmd_files(),
		.parent = m->parent,
		.raw = m->raw,
		.fault = vhd_cmd_fault,
	};

	return vhd_set_parent(vhd, &p, err);
}

static int modify(const struct modify *m, struct vhd *vhd, struct err *err)
{
	int rc = 0;

	if (m->size)
		rc = set_size(vhd, m->size, err);
	if (!rc && m->parent) {
		rc = set_parent(m, vhd, err);
		if (rc)
			(void)printf("failed to set parent to '%s': %d\n",
				     m->parent, rc);
	}
	if (!rc && m->type)
		rc = set_type(vhd, m->type, err);
	if (!rc && m->kill) {
		rc = vhd_kill_data(vhd, err);
		if (rc)
			(void)printf("failed to kill data: %d\n", rc);
	}
	return rc;
}

int vhd_cmd_modify(int argc, char **argv)
{
	struct modify m = { 0 };
	struct vhd_cmd_image img;
	struct err err = { 0 };
	int c, rc;

	while ((c = getopt(argc, argv, "n:p:s:t:mzh")) != -1) {
		if (c == 'n')
			m.name = optarg;
		else if (c == 'p')
			m.parent = optarg;
		else if (c == 's')
			m.size = optarg;
		else if (c == 't')
			m.type = optarg;
		else if (c == 'm')
			m.raw = true;
		else if (c == 'z')
			m.kill = true;
		else
			return vhd_cmd_usage("modify");
	}
	if (!m.name || optind != argc)
		return vhd_cmd_usage("modify");
	rc = vhd_cmd_open(&img, m.name, VHD_OPEN_WRITE);
	if (rc)
		return rc;
	rc = modify(&m, img.vhd, &err);
	if (rc && err.msg[0])
		(void)fprintf(stderr, "%s: %s\n", m.name, err.msg);
	vhd_cmd_close(&img);
	return rc;
}

static int get_keyhash(struct vhd_keyhash *kh, const char *hash,
		       const char *nonce)
{
	int rc = parse_hex(kh->hash, sizeof(kh->hash), hash);

	if (!rc && nonce)
		rc = parse_hex(kh->nonce, sizeof(kh->nonce), nonce);
	kh->set = true;
	return rc;
}

int vhd_cmd_repair(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "keyhash", required_argument, NULL, 'H' },
		{ "nonce", required_argument, NULL, 'N' },
		{ 0 },
	};
	const char *name = NULL, *hash = NULL, *nonce = NULL;
	unsigned flags = VHD_OPEN_WRITE;
	struct vhd_keyhash kh = { 0 };
	struct vhd_cmd_image img;
	struct err err = { 0 };
	int c, rc;

	while ((c = getopt_long(argc, argv, "n:bh", longopts, NULL)) != -1) {
		if (c == 'n')
			name = optarg;
		else if (c == 'b')
			flags |= VHD_OPEN_BACKUP;
		else if (c == 'H')
			hash = optarg;
		else if (c == 'N')
			nonce = optarg;
		else
			return vhd_cmd_usage("repair");
	}
	if (!name || optind != argc || (nonce && !hash))
		return vhd_cmd_usage("repair");
	if (hash && get_keyhash(&kh, hash, nonce))
		return vhd_cmd_usage("repair");
	rc = vhd_cmd_open(&img, name, flags);
	if (rc)
		return rc;
	rc = vhd_repair(img.vhd, hash ? &kh : NULL, &err);
	if (rc)
		(void)vhd_cmd_fail("error repairing", name, rc, &err);
	vhd_cmd_close(&img);
	return rc;
}
