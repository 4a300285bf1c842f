/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-query.c - vhd-util query: what an image says of itself, a line each.
 *
 * The lines come in one order, whatever the order of the options: callers
 * count them.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "vhd/chain.h"
#include "vhd/cmd.h"

#define ORDER "vspfmdaS"

struct answer {
	uint64_t mb;
	uint64_t bytes;
	char *parent; /* NULL: none */
	unsigned hidden;
	unsigned marker;
	unsigned depth;
	uint32_t blocks;
	uint64_t max_mb;
};

static const struct option longopts[] = {
	{ "json", no_argument, NULL, 'J' },
	{ 0 },
};

static uint64_t physical(struct vhd_cmd_image *img)
{
	/* On a device, what would still be needed of it. */
	if (!img->io->resize && vhd_header(img->vhd))
		return vhd_end(img->vhd) + VHD_SECTOR;
	return vhd_file_size(img->vhd);
}

static uint64_t most(const struct vhd *vhd)
{
	const struct vhd_header *h = vhd_header(vhd);

	return h ? (uint64_t)h->max_bat * h->block_size : vhd_size(vhd);
}

static int find_parent(struct vhd_cmd_image *img, bool plain, char **out,
		       struct err *err)
{
	if (vhd_footer(img->vhd)->type != VHD_DIFFERENCING)
		return 0;
	if (plain)
		return vhd_parent_locator(img->vhd, out, err);
	return vhd_parent_path(img->vhd, img->name, vhd_cmd_files(), out, err);
}

static int ask(struct vhd_cmd_image *img, const char *what, struct answer *a,
	       struct err *err)
{
	const struct vhd *vhd = img->vhd;
	uint8_t marker = 0;
	int rc = 0;

	a->mb = vhd_size(vhd) >> 20;
	a->bytes = physical(img);
	a->hidden = vhd_footer(vhd)->hidden;
	a->max_mb = most(vhd) >> 20;
	if (strchr(what, 'a'))
		a->blocks = vhd_allocated(vhd);
	if (strchr(what, 'p'))
		rc = find_parent(img, strchr(what, 'u'), &a->parent, err);
	if (!rc && strchr(what, 'm'))
		rc = vhd_marker(vhd, &marker);
	a->marker = marker;
	if (!rc && strchr(what, 'd'))
		rc = vhd_chain_depth(vhd_cmd_files(), img->name, &a->depth,
				     err);
	return rc;
}

static void print_one(char flag, const char *name, const struct answer *a)
{
	switch (flag) {
	case 'v':
		(void)printf("%llu\n", (unsigned long long)a->mb);
		break;
	case 's':
		(void)printf("%llu\n", (unsigned long long)a->bytes);
		break;
	case 'p':
		if (a->parent)
			(void)printf("%s\n", a->parent);
		else
			(void)printf("%s has no parent\n", name);
		break;
	case 'f':
		(void)printf("hidden: %u\n", a->hidden);
		break;
	case 'm':
		(void)printf("marker: %u\n", a->marker);
		break;
	case 'd':
		(void)printf("chain depth: %u\n", a->depth);
		break;
	case 'a':
		(void)printf("%u\n", a->blocks);
		break;
	default:
		(void)printf("%llu\n", (unsigned long long)a->max_mb);
		break;
	}
}

static int print_json(const char *name, const char *what,
		      const struct answer *a)
{
	struct json *j = json_new();

	if (!j)
		return -ENOMEM;
	json_object(j, NULL);
	json_string(j, "name", name);
	json_uint(j, "virtual_mb", a->mb);
	json_uint(j, "physical_bytes", a->bytes);
	json_bool(j, "hidden", a->hidden);
	json_uint(j, "max_mb", a->max_mb);
	if (a->parent)
		json_string(j, "parent", a->parent);
	if (strchr(what, 'm'))
		json_uint(j, "marker", a->marker);
	if (strchr(what, 'd'))
		json_uint(j, "depth", a->depth);
	if (strchr(what, 'a'))
		json_uint(j, "allocated_blocks", a->blocks);
	json_end(j);
	return vhd_cmd_json(j);
}

static int query(const char *name, const char *what, unsigned flags, bool json)
{
	struct answer a = { 0 };
	struct vhd_cmd_image img;
	struct err err = { 0 };
	int rc = vhd_cmd_open(&img, name, flags);

	if (rc)
		return rc;
	rc = ask(&img, what, &a, &err);
	if (rc) {
		(void)printf("query failed\n");
		(void)fprintf(stderr, "%s: %s\n", name,
			      err.msg[0] ? err.msg : strerror(-rc));
	} else if (json) {
		rc = print_json(name, what, &a);
	} else {
		for (const char *f = ORDER; *f; f++) {
			if (strchr(what, *f))
				print_one(*f, name, &a);
		}
	}
	free(a.parent);
	vhd_cmd_close(&img);
	return rc;
}

int vhd_cmd_query(int argc, char **argv)
{
	char what[sizeof(ORDER) + 1] = "";
	const char *name = NULL;
	unsigned flags = VHD_OPEN_POISONED;
	bool json = false;
	size_t n = 0;
	int c;

	while ((c = getopt_long(argc, argv, "n:vspfmdaSubh", longopts, NULL)) !=
	       -1) {
		if (c == 'n')
			name = optarg;
		else if (c == 'J')
			json = true;
		else if (c == 'b')
			flags |= VHD_OPEN_BACKUP;
		else if (c == 'u' || (c != '?' && strchr(ORDER, c)))
			n += !strchr(what, c) ? (what[n] = (char)c, 1) : 0;
		else
			return vhd_cmd_usage("query"), c == 'h' ? 0 : -EINVAL;
	}
	if (!name || optind != argc)
		return vhd_cmd_usage("query");
	/* A damaged table shall not hide the rest. */
	if (!strpbrk(what, "sma") && !json)
		flags |= VHD_OPEN_FAST;
	return query(name, what, flags, json);
}
