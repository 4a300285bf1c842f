/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-chain.c - images with all their parents, and how they are.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/list.h"
#include "migrate/host-int.h"
#include "vhd/vhd.h"

#define DEEPEST 64

/* Local files under a root. */
struct files {
	struct vhd_files files;
	const char *root;
};

static int open_under(struct vhd_files *files, struct vhd_io **out,
		      const char *name, unsigned flags, struct err *err)
{
	struct files *f = container_of(files, struct files, files);
	cleanup_free char *real = host_resolve(f->root, name);
	cleanup_free char *path =
		mem_printf("%s%s", f->root, real ? real : name);

	return vhd_files_local()->open(vhd_files_local(), out, path, flags,
				       err);
}

static int remove_none(struct vhd_files *files, const char *name)
{
	(void)files;
	(void)name;
	return -EROFS;
}

static char *resolve_under(struct vhd_files *files, const char *name)
{
	struct files *f = container_of(files, struct files, files);
	cleanup_free char *real = host_resolve(f->root, name);
	cleanup_free char *path = mem_printf("%s%s", f->root, real ? real : "");
	struct stat st;

	return real && stat(path, &st) == 0 ? strdup(real) : NULL;
}

/* Writers kill the footer at the end and write it anew when they close. */
static bool is_open(struct vhd_io *io)
{
	struct vhd *vhd;

	if (vhd_open_flags(&vhd, io, VHD_OPEN_FOOTER | VHD_OPEN_STRICT, NULL))
		return true;
	vhd_close(vhd);
	return false;
}

/* One layer; its parent's path, malloc'd, or NULL at the end. */
static char *take_layer(struct host_chain *chain, struct files *f,
			const char *path, struct err *err)
{
	struct vhd_io *io;
	struct vhd *vhd;
	char *spec = NULL;
	uint8_t id[16];

	if (f->files.open(&f->files, &io, path, 0, err) < 0)
		return NULL;
	if (vhd_open_flags(&vhd, io, VHD_OPEN_FAST, err) == 0) {
		if (!chain->layers.count)
			chain->dirty = is_open(io);
		mem_list_add(&chain->layers, "vhd:%s", path);
		if (vhd_footer(vhd)->type == VHD_DIFFERENCING)
			(void)vhd_parent(vhd, path, &f->files, &spec, id, err);
		vhd_close(vhd);
	}
	io->close(io);
	return spec;
}

static void take_vhd(struct host_chain *chain, struct files *f,
		     const char *path)
{
	struct err err = { 0 };
	char *spec = take_layer(chain, f, path, &err);

	while (spec && !strncmp(spec, "vhd:", 4) &&
	       chain->layers.count < DEEPEST) {
		char *next = take_layer(chain, f, spec + 4, &err);

		free(spec);
		spec = next;
	}
	if (spec && strncmp(spec, "vhd:", 4) != 0)
		mem_list_add(&chain->layers, "%s", spec);
	free(spec);
	/* A tapdisk kills the primary footer while it has the image open. */
	if (!err.code)
		(void)vhd_check(&f->files, path,
				VHD_CHECK_PARENTS | VHD_CHECK_NO_PRIMARY |
					VHD_CHECK_NO_TIME,
				(int64_t)time(NULL), &err);
	if (err.msg[0])
		chain->problem = mem_dup(err.msg);
}

#define STATE_PAUSED 0x20

/* Two names of one file. */
static bool is_same(const struct host *host, const char *a, const char *b)
{
	cleanup_free char *x = host_resolve(host->root, a);
	cleanup_free char *y = host_resolve(host->root, b);

	return !strcmp(a, b) || (x && y && !strcmp(x, y));
}

/* One that is paused has its image closed, and may open it again. */
static void count_openers(const struct host *host, struct host_chain *chain,
			  const char *path)
{
	for (size_t i = 0; i < host->tapdisk_count; i++) {
		const struct host_tapdisk *t = &host->tapdisks[i];

		for (size_t j = 0; j < t->count; j++) {
			const struct host_image *image = &t->images[j];

			if (!image->path || !is_same(host, image->path, path))
				continue;
			chain->openers++;
			chain->paused += image->state > 0 &&
					 (image->state & STATE_PAUSED);
		}
	}
}

/*
 * Whether somebody holds a lock on a file, by "FLOCK ADVISORY WRITE 1 fd:00:7
 * ...": to try and take one could be in the way of somebody who opens it.
 */
static bool is_locked(struct host *host, const char *path)
{
	char *locks = host_slurp(host, "/proc/locks", NULL);
	cleanup_free char *name = NULL;
	struct stat st;
	bool found = false;

	if (locks && stat(path, &st) == 0) {
		name = mem_printf(" %02x:%02x:%llu ", major(st.st_dev),
				  minor(st.st_dev),
				  (unsigned long long)st.st_ino);
		found = strstr(locks, name) != NULL;
	}
	free(locks);
	return found;
}

static void take(struct host *host, const char *type, const char *path)
{
	cleanup_free char *real = host_resolve(host->root, path ? path : "");
	cleanup_free char *full =
		mem_printf("%s%s", host->root, real ? real : "");
	struct files f = { { open_under, remove_none, resolve_under, NULL },
			   host->root };
	struct host_chain *chain;
	struct statvfs fs;

	if (!type || !path || path[0] != '/' || host_chain(host, path))
		return;
	chain = mem_add(&host->chains, &host->chain_count,
			sizeof(*host->chains));
	if (statvfs(full, &fs) == 0)
		chain->room = (uint64_t)fs.f_bavail * fs.f_frsize;
	count_openers(host, chain, path);
	chain->locked = host->live && is_locked(host, full);
	if (!strcmp(type, "vhd") && host_is_there(host, path))
		take_vhd(chain, &f, path);
	else if (!host_is_there(host, path) && !host_is_device(host, path))
		chain->missing = true;
	if (chain->missing)
		chain->problem = mem_dup("it is not there");
	/* The first layer is the image itself, readable or not. */
	if (!chain->layers.count)
		mem_list_add(&chain->layers, "%s:%s", type, path);
}

static const char *path_of(const struct host_chain *chain)
{
	return strchr(chain->layers.item[0], ':') + 1;
}

const struct host_chain *host_chain(const struct host *host, const char *path)
{
	for (size_t i = 0; path && i < host->chain_count; i++) {
		if (!strcmp(path_of(&host->chains[i]), path))
			return &host->chains[i];
	}
	return NULL;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(path_of(a), path_of(b));
}

/* In a script's target the type is before the path. */
static void take_conf(struct host *host, const struct conf_disk *disk)
{
	const char *colon = disk->target ? strchr(disk->target, ':') : NULL;
	char *type;

	if (disk->problem || !disk->target)
		return;
	if (!disk->script || !colon || disk->target[0] == '/') {
		take(host, disk->type, disk->target);
		return;
	}
	type = mem_ndup(disk->target, (size_t)(colon - disk->target));
	take(host, type, colon + 1);
	free(type);
}

void host_chains_read(struct host *host)
{
	for (size_t i = 0; i < host->vm_count; i++) {
		if (host->vms[i].problem)
			continue;
		for (size_t j = 0; j < host->vms[i].count; j++)
			take_conf(host, &host->vms[i].disks[j]);
	}
	for (size_t i = 0; i < host->tapdisk_count; i++) {
		const struct host_tapdisk *t = &host->tapdisks[i];

		for (size_t j = 0; j < t->count; j++)
			take(host, t->images[j].type, t->images[j].path);
	}
	if (host->chain_count)
		qsort(host->chains, host->chain_count, sizeof(*host->chains),
		      by_path);
}
