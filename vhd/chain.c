/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chain.c - an image and its parents. */
#include "vhd/chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "vhd/data.h"
#include "vhd/image.h"

#define MAX_BITMAP 512u /* bytes: of a block of 2 MiB */

static int open_layer(struct vhd_layer *l, struct vhd_files *files, bool raw,
		      unsigned flags, struct err *err)
{
	int rc = files->open(files, &l->io, l->name,
			     flags & VHD_OPEN_WRITE ? VHD_FILES_WRITE : 0, err);

	if (rc)
		return rc;
	if (raw) {
		rc = l->io->size(l->io, &l->size);
		return rc ? err_set(err, rc, "%s: size", l->name) : 0;
	}
	rc = vhd_open_flags(&l->vhd, l->io, flags, err);
	if (rc)
		return err_wrap(err, "%s", l->name);
	l->size = vhd_size(l->vhd);
	return 0;
}

static void close_layer(struct vhd_layer *l)
{
	vhd_close(l->vhd);
	if (l->io)
		l->io->close(l->io);
	free(l->name);
	*l = (struct vhd_layer){ 0 };
}

/* Open the parent of the layer before it. */
static int open_parent(struct vhd_layer *l, const struct vhd_layer *child,
		       struct vhd_files *files, unsigned flags, struct err *err)
{
	bool raw = vhd_parent_is_raw(child->vhd);
	int rc = vhd_parent_path(child->vhd, child->name, files, &l->name, err);

	return rc ? rc : open_layer(l, files, raw, flags, err);
}

static bool has_parent(const struct vhd_layer *l)
{
	return l->vhd && l->vhd->footer.type == VHD_DIFFERENCING;
}

static int fill_chain(struct vhd_chain *c, struct vhd_files *files,
		      const char *name, unsigned flags, struct err *err)
{
	struct vhd_layer *l = c->layer;
	int rc;

	l->name = strdup(name);
	c->n = 1;
	if (!l->name)
		return err_set(err, -ENOMEM, "%s", name);
	rc = open_layer(l, files, false, flags, err);
	for (; !rc && has_parent(l); l++) {
		if (c->n == VHD_CHAIN_MAX)
			return err_set(err, -ELOOP, "%s: more than %u parents",
				       name, VHD_CHAIN_MAX - 1);
		c->n++;
		rc = open_parent(l + 1, l, files, 0, err);
		if (!rc && l[1].vhd &&
		    memcmp(l[1].vhd->footer.id, l->vhd->header.parent_id, 16))
			rc = err_set(err, -EINVAL, "%s: invalid parent uuid",
				     l->name);
	}
	return rc;
}

int vhd_chain_open(struct vhd_chain **out, struct vhd_files *files,
		   const char *name, unsigned flags, struct err *err)
{
	struct vhd_chain *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return err_set(err, -ENOMEM, "%s", name);
	rc = fill_chain(c, files, name, flags, err);
	if (rc) {
		vhd_chain_close(c);
		return rc;
	}
	*out = c;
	return 0;
}

void vhd_chain_close(struct vhd_chain *chain)
{
	if (!chain)
		return;
	for (unsigned i = 0; i < chain->n; i++)
		close_layer(&chain->layer[i]);
	free(chain);
}

/* The layer's parent in its place. */
static int step(struct vhd_layer *l, struct vhd_files *files, struct err *err)
{
	struct vhd_layer next = { 0 };
	int rc = open_parent(&next, l, files, VHD_OPEN_FAST, err);

	close_layer(l);
	*l = next;
	return rc;
}

int vhd_chain_depth(struct vhd_files *files, const char *name, unsigned *out,
		    struct err *err)
{
	struct vhd_layer l = { .name = strdup(name) };
	unsigned n = 1;
	int rc;

	if (!l.name)
		return err_set(err, -ENOMEM, "%s", name);
	rc = open_layer(&l, files, false, VHD_OPEN_FAST, err);
	while (!rc && has_parent(&l))
		rc = n++ < VHD_CHAIN_MAX
			     ? step(&l, files, err)
			     : err_set(err, -ELOOP, "%s: too many parents",
				       name);
	close_layer(&l);
	*out = n;
	return rc;
}

static bool is_same(struct vhd_files *files, const char *a, const char *b)
{
	char *x, *y;
	bool same;

	if (files->same)
		return files->same(files, a, b);
	x = files->resolve(files, a);
	y = files->resolve(files, b);
	same = x && y && !strcmp(x, y);
	free(x);
	free(y);
	return same;
}

bool vhd_chain_holds(struct vhd_files *files, const char *name,
		     const char *other)
{
	struct vhd_layer l = { .name = strdup(name) };
	bool found = is_same(files, name, other);
	int rc = -ENOMEM;

	if (l.name && !found)
		rc = open_layer(&l, files, false, VHD_OPEN_FAST, NULL);
	for (unsigned n = 1; !rc && has_parent(&l) && n < VHD_CHAIN_MAX; n++) {
		rc = step(&l, files, NULL);
		found |= l.name && is_same(files, l.name, other);
	}
	close_layer(&l);
	return found;
}

static int read_plain(struct vhd_layer *l, uint8_t *buf, uint64_t sector,
		      uint32_t count, struct err *err)
{
	uint64_t off = sector * VHD_SECTOR;
	uint64_t end = l->size;
	size_t len = (size_t)count * VHD_SECTOR, have = len;
	int rc = 0;

	/* Behind the end of a parent that is smaller there is nothing. */
	if (off >= end)
		have = 0;
	else if (end - off < len)
		have = (size_t)(end - off);
	if (have)
		rc = l->io->pread(l->io, buf, have, off);
	memset(buf + have, 0, len - have);
	return rc ? err_set(err, rc, "%s: error reading data: %s", l->name,
			    strerror(-rc))
		  : 0;
}

static int read_from(struct vhd_chain *c, unsigned i, uint8_t *buf,
		     uint64_t sector, uint32_t count, struct err *err);

/* count sectors within one block of a dynamic layer. */
static int read_block(struct vhd_chain *c, unsigned i, uint8_t *buf,
		      uint64_t sector, uint32_t count, struct err *err)
{
	struct vhd_layer *l = &c->layer[i];
	uint32_t secs = vhd_block_sectors(l->vhd);
	uint32_t block = (uint32_t)(sector / secs);
	uint32_t at = (uint32_t)(sector % secs), end = at + count;
	uint64_t data = vhd_block_off(l->vhd, block);
	uint8_t map[MAX_BITMAP];
	int rc;

	if (!data)
		return read_from(c, i + 1, buf, sector, count, err);
	rc = vhd_bitmap_read(l->vhd, block, map, err);
	while (!rc && at < end) {
		bool mine = vhd_bit(map, at);
		uint32_t to = vhd_bit_next(map, at, end, !mine);
		size_t len = (size_t)(to - at) * VHD_SECTOR;

		if (mine)
			rc = vhd_pread_zero(l->vhd, buf, len,
					    data + (uint64_t)at * VHD_SECTOR);
		else
			rc = read_from(c, i + 1, buf,
				       (uint64_t)block * secs + at, to - at,
				       err);
		buf += len;
		at = to;
	}
	return rc;
}

static int read_from(struct vhd_chain *c, unsigned i, uint8_t *buf,
		     uint64_t sector, uint32_t count, struct err *err)
{
	struct vhd_layer *l = &c->layer[i];
	int rc = 0;

	if (i < c->n && (!l->vhd || l->vhd->footer.type == VHD_FIXED))
		return read_plain(l, buf, sector, count, err);
	while (!rc && count) {
		uint32_t n = count, secs;

		if (i == c->n || sector * VHD_SECTOR >= l->size) {
			memset(buf, 0, (size_t)count * VHD_SECTOR);
			return 0;
		}
		secs = vhd_block_sectors(l->vhd);
		if (n > secs - sector % secs)
			n = (uint32_t)(secs - sector % secs);
		rc = read_block(c, i, buf, sector, n, err);
		buf += (size_t)n * VHD_SECTOR;
		sector += n;
		count -= n;
	}
	return rc;
}

int vhd_chain_read(struct vhd_chain *chain, void *buf, uint64_t sector,
		   uint32_t count, struct err *err)
{
	return read_from(chain, 0, buf, sector, count, err);
}

int vhd_chain_is_clear(const struct vhd_chain *chain, struct err *err)
{
	for (unsigned i = 0; i < chain->n; i++) {
		const struct vhd_layer *l = &chain->layer[i];
		struct vhd_keyhash kh = { 0 };
		int rc = l->vhd ? vhd_keyhash(l->vhd, &kh) : 0;

		if (rc || kh.set)
			return err_set(err, rc ? rc : -ENOKEY,
				       "%s: its data is encrypted", l->name);
	}
	return 0;
}
