/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-scan.c - vhd-util scan: a line for each of many images.
 *
 * A damaged image, or none at all, is a line like the others.  Lines are
 * sorted by name.  Names are the last parts of paths, unless -v asks for all
 * of it; parents likewise.
 */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "vhd/cmd-scan.h"
#include "vhd/cmd.h"
#include "vhd/names.h"

static int fail(struct vhd_scan *s, int rc, const char *text)
{
	s->error = rc;
	(void)snprintf(s->text, sizeof(s->text), "%s", text);
	return rc;
}

static int get_parent(struct vhd_scan *s, struct vhd *vhd, unsigned flags)
{
	struct err err = { 0 };
	char *path;
	int rc;

	if (vhd_footer(vhd)->type != VHD_DIFFERENCING)
		return 0;
	if (flags & VHD_SCAN_FAST)
		rc = vhd_parent_locator(vhd, &path, &err);
	else
		rc = vhd_parent_path(vhd, s->path, vhd_cmd_files(), &path,
				     &err);
	if (rc)
		return fail(s, rc, "getting parent");
	s->parent = path;
	return 0;
}

static int get_marks(struct vhd_scan *s, struct vhd *vhd)
{
	struct vhd_keyhash kh;
	int rc = vhd_marker(vhd, &s->marker);

	if (!rc)
		rc = vhd_keyhash(vhd, &kh);
	if (rc)
		return fail(s, rc, "checking markers");
	if (kh.set)
		vhd_cmd_hex(s->keyhash, kh.hash, 32);
	return 0;
}

static void scan_open(struct vhd_scan *s, struct vhd_io *io, unsigned flags)
{
	unsigned open = flags & VHD_SCAN_FAST ? VHD_OPEN_FAST : 0;
	struct err err = { 0 };
	struct vhd *vhd;
	int rc;

	if (flags & VHD_SCAN_MARKS)
		open = 0;
	rc = vhd_open_flags(&vhd, io, open | VHD_OPEN_POISONED, &err);
	if (rc) {
		bool footer = strstr(err.msg, "footer");
		bool small = strstr(err.msg, "too small");

		/* What has no footer's length could not be read, as ever. */
		fail(s, small ? -EIO : rc,
		     small    ? "device too small"
		     : footer ? "invalid footer"
			      : "reading header");
		(void)snprintf(s->why, sizeof(s->why), "%s", err.msg);
		return;
	}
	s->capacity = vhd_size(vhd);
	s->size = vhd_file_size(vhd);
	s->hidden = vhd_footer(vhd)->hidden;
	if (!get_parent(s, vhd, flags) && flags & VHD_SCAN_MARKS)
		(void)get_marks(s, vhd); /* it is in s */
	vhd_close(vhd);
}

void vhd_cmd_scan_one(struct vhd_scan *s, unsigned flags)
{
	struct vhd_files *files = vhd_cmd_files();
	struct vhd_io *io;
	struct err err = { 0 };
	int rc = files->open(files, &io, s->path, 0, &err);

	if (rc) {
		fail(s, rc,
		     rc == -ENOENT ? "failure scanning target"
				   : "opening file");
		return;
	}
	scan_open(s, io, flags);
	io->close(io);
}

static const char *name_of(const char *path, unsigned flags)
{
	return flags & VHD_SCAN_FULL ? path : vhd_name_base(path);
}

/* A line is one, whatever a file or a locator is called. */
static void put_name(const char *key, const char *name)
{
	(void)printf("%s=", key);
	for (; *name; name++)
		(void)putchar((unsigned char)*name < ' ' || *name == 0x7f
				      ? '?'
				      : *name);
}

static void print_error(const struct vhd_scan *s)
{
	put_name("vhd", s->path);
	(void)printf(" scan-error=%d error-message='%s'\n", s->error, s->text);
	if (s->why[0])
		(void)fprintf(stderr, "%s: %s\n", s->path, s->why);
}

static void print_line(const struct vhd_scans *all, const struct vhd_scan *s,
		       unsigned depth)
{
	unsigned flags = all->flags;
	const char *parent = "none", *gone = "";

	if (s->parent) {
		parent = name_of(s->parent, flags);
		if (flags & VHD_SCAN_TREE && !s->found)
			gone = " (not found in scan)";
	}
	(void)printf("%*s", (int)depth * 3, "");
	put_name("vhd", name_of(s->path, flags));
	(void)printf(" capacity=%llu size=%llu hidden=%u",
		     (unsigned long long)s->capacity,
		     (unsigned long long)s->size, s->hidden);
	if (flags & VHD_SCAN_MARKS)
		(void)printf(" marker=%u keyhash=%s", s->marker, s->keyhash);
	put_name(" parent", parent);
	(void)printf("%s\n", gone);
}

/* Children under their parents; each is printed once. */
static void print_tree(struct vhd_scans *all, const struct vhd_scan *parent,
		       unsigned depth)
{
	for (size_t i = 0; i < all->n && depth < 256; i++) {
		struct vhd_scan *s = &all->scan[i];

		if (s->found != parent || s->error || s->printed)
			continue;
		s->printed = true;
		print_line(all, s, depth);
		print_tree(all, s, depth + 1);
	}
}

static void find_parents(struct vhd_scans *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct vhd_scan *s = &all->scan[i];

		for (size_t j = 0; s->parent && j < all->n; j++) {
			const char *a = vhd_name_base(all->scan[j].path);

			if (i != j && !strcmp(a, vhd_name_base(s->parent)))
				s->found = &all->scan[j];
		}
	}
}

static int print_json(const struct vhd_scans *all)
{
	struct json *j = json_new();

	if (!j)
		return -ENOMEM;
	json_array(j, NULL);
	for (size_t i = 0; i < all->n; i++) {
		const struct vhd_scan *s = &all->scan[i];

		json_object(j, NULL);
		json_string(j, "vhd", name_of(s->path, all->flags));
		if (s->error) {
			json_int(j, "error", s->error);
			json_string(j, "message", s->text);
		} else {
			json_uint(j, "capacity", s->capacity);
			json_uint(j, "size", s->size);
			json_bool(j, "hidden", s->hidden);
			if (s->parent)
				json_string(j, "parent", s->parent);
		}
		json_end(j);
	}
	json_end(j);
	return vhd_cmd_json(j);
}

static int add(struct vhd_scans *all, const char *path)
{
	struct vhd_scan *s;

	for (size_t i = 0; i < all->n; i++) {
		if (!strcmp(all->scan[i].path, path))
			return 0;
	}
	if (all->n == all->room) {
		size_t room = all->room * 2 + 64;

		s = realloc(all->scan, room * sizeof(*s));
		if (!s)
			return -ENOMEM;
		all->scan = s;
		all->room = room;
	}
	s = &all->scan[all->n];
	*s = (struct vhd_scan){ .path = strdup(path) };
	if (!s->path)
		return -ENOMEM;
	all->n++;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct vhd_scan *)a)->path,
		      ((const struct vhd_scan *)b)->path);
}

static int add_glob(struct vhd_scans *all, const char *pattern)
{
	glob_t found = { 0 };
	int rc = 0;

	if (vhd_cmd_files() != vhd_files_local()) {
		(void)fprintf(stderr,
			      "%s: names on a server are not matched; "
			      "list them\n",
			      pattern);
		return -EOPNOTSUPP;
	}
	if (!glob(pattern, GLOB_BRACE, NULL, &found)) {
		for (size_t i = 0; !rc && i < found.gl_pathc; i++)
			rc = add(all, found.gl_pathv[i]);
	}
	globfree(&found);
	return rc;
}

/* A parent, unless it is there under this or another name. */
static int add_ancestor(struct vhd_scans *all, const char *path)
{
	struct vhd_files *files = vhd_cmd_files();
	char *real = files->resolve(files, path);
	size_t n = all->n;
	int rc;

	for (size_t i = 0; real && i < all->n; i++) {
		if (all->scan[i].real && !strcmp(all->scan[i].real, real)) {
			free(real);
			return 0;
		}
	}
	rc = add(all, path);
	if (rc || all->n == n) {
		free(real);
		return rc;
	}
	all->scan[n].real = real;
	vhd_cmd_scan_one(&all->scan[n], all->flags);
	return 0;
}

/* Ancestors are behind the list, each read once. */
static int add_ancestors(struct vhd_scans *all)
{
	struct vhd_files *files = vhd_cmd_files();
	int rc = 0;

	for (size_t i = 0; i < all->n; i++)
		all->scan[i].real = files->resolve(files, all->scan[i].path);
	for (size_t i = 0; !rc && i < all->n; i++) {
		char *full;

		if (!all->scan[i].parent)
			continue;
		full = vhd_name_beside(all->scan[i].path, all->scan[i].parent);
		rc = full ? add_ancestor(all, full) : -ENOMEM;
		free(full);
	}
	return rc;
}

static int scan_all(struct vhd_scans *all)
{
	int rc = 0;

	qsort(all->scan, all->n, sizeof(*all->scan), by_path);
	vhd_cmd_scan_many(all);
	for (size_t i = 0; i < all->n; i++) {
		if (all->scan[i].error && !rc)
			rc = all->scan[i].error;
	}
	if (all->flags & VHD_SCAN_ANCESTORS && add_ancestors(all))
		return -ENOMEM;
	return all->flags & VHD_SCAN_CONTINUE ? 0 : rc;
}

static int report(struct vhd_scans *all, bool json)
{
	if (json)
		return print_json(all);
	if (all->flags & VHD_SCAN_TREE) {
		find_parents(all);
		print_tree(all, NULL, 0);
	}
	for (size_t i = 0; i < all->n; i++) {
		if (all->scan[i].error)
			print_error(&all->scan[i]);
		else if (!all->scan[i].printed)
			print_line(all, &all->scan[i], 0);
	}
	return 0;
}

int vhd_cmd_scan(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "json", no_argument, NULL, 'J' },
		{ 0 },
	};
	static const char letters[] = "fcpavM";
	struct vhd_scans all = { 0 };
	const char *filter = NULL, *group = NULL, *at;
	bool json = false;
	int c, rc = 0;

	while ((c = getopt_long(argc, argv, "m:fcl:pavMh", longopts, NULL)) !=
	       -1) {
		if (c == 'm')
			filter = optarg;
		else if (c == 'l')
			group = optarg;
		else if (c == 'J')
			json = true;
		else if (c != '?' && (at = strchr(letters, c)))
			all.flags |= 1u << (at - letters);
		else
			return vhd_cmd_usage("scan"), c == 'h' ? 0 : -EINVAL;
	}
	if (!filter && !group && optind == argc)
		return vhd_cmd_usage("scan");
	if (all.flags & VHD_SCAN_TREE)
		all.flags &= ~VHD_SCAN_FAST;
	if (group)
		rc = vhd_cmd_scan_volumes(&all, group, filter, add);
	else if (filter)
		rc = add_glob(&all, filter);
	for (int i = optind; !rc && i < argc; i++)
		rc = add(&all, argv[i]);
	if (!rc) {
		rc = scan_all(&all);
		(void)report(&all, json); /* what stdout takes is its own */
	}
	for (size_t i = 0; i < all.n; i++) {
		free(all.scan[i].path);
		free(all.scan[i].real);
		free(all.scan[i].parent);
	}
	free(all.scan);
	return rc;
}
