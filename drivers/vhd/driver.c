/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * driver.c - VHD images: fixed, dynamic and differencing.
 *
 * open() reads all metadata but the bitmaps through libvhd, waiting for it;
 * from then on everything is asynchronous.  The leaf of a chain, opened for
 * writing, has its primary footer killed until it is closed: others see that
 * it is in use or was not closed, and open it by the copy at its start.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/vhd/layer.h"
#include "drivers/vhd/meta.h"
#include "lib/err.h"
#include "lib/json.h"
#include "tapdisk/keys.h"
#include "vhd/crypt.h"

const struct driver vhd_driver;

/* The file that holds the image, whatever filters lie between. */
static const struct image *bottom(const struct image *img)
{
	const struct image *file = img->file;

	while (file->file)
		file = file->file;
	return file;
}

/*
 * A layer with a key hash needs its key, for reading too. A pushed key is
 * for every layer, so one that has no hash is not what was meant.
 */
static int find_key(struct layer *l, struct err *err)
{
	const struct keys *keys = l->img->keys;
	enum keys_from from = keys_from(keys);
	uint8_t key[KEYS_MAX];
	struct vhd_keyhash kh;
	size_t len = 0;
	int ret = vhd_keyhash(l->vhd, &kh);

	if (ret)
		return err_set(err, ret, "key hash: %s", strerror(-ret));
	if (from == KEYS_NONE)
		return kh.set ? err_set(err, -ENOKEY, "encrypted, and no key")
			      : 0;
	ret = keys_find(keys, l->bottom->name, key, &len, err);
	if (ret == -ENOENT && !kh.set)
		return 0;
	if (ret == -ENOENT)
		return err_set(err, -ENOKEY, "encrypted, and no key for it");
	if (ret)
		return ret;
	if (!kh.set)
		ret = err_set(err, from == KEYS_PUSHED ? -EINVAL : -EACCES,
			      "there is a key for it, but it is not encrypted");
	else if (!vhd_keyhash_match(&kh, key, len))
		ret = err_set(err, -ENOKEY, "encrypted with another key");
	else
		ret = vhd_crypt_new(&l->crypt, key, len, err);
	explicit_bzero(key, sizeof(key));
	return ret;
}

/*
 * With keys in folders a child without a hash is encrypted like the nearest
 * ancestor that has one. Ancestors are opened after it: this is known when
 * the first request comes.
 */
static void inherit_key(struct layer *l)
{
	const struct image *img = l->img->parent;

	l->may_inherit = false;
	for (; img && img->drv == &vhd_driver; img = img->parent) {
		const struct layer *parent = img->state;

		if (parent->crypt) {
			l->crypt = parent->crypt;
			l->inherited = true;
			return;
		}
	}
}

static int find_parent(struct layer *l, struct err *err)
{
	static const uint8_t none[16];
	struct image *img = l->img;
	uint8_t id[16];
	char *spec;
	int ret;

	l->has_parent = vhd_footer(l->vhd)->type == VHD_DIFFERENCING;
	if (!l->has_parent)
		return 0;
	ret = vhd_parent(l->vhd, l->bottom->name, vhd_files_local(), &spec, id,
			 err);
	if (ret)
		return ret;
	ret = image_set_parent(img, spec, memcmp(id, none, 16) ? id : NULL);
	free(spec);
	return ret ? err_set(err, ret, "no memory") : 0;
}

static void describe(struct layer *l)
{
	struct image *img = l->img;
	const struct image_info *file = &img->file->info;
	const unsigned pass = IMAGE_CAN_FLUSH | IMAGE_CAN_DISCARD;
	struct image_info *info = &img->info;

	info->size = vhd_size(l->vhd);
	info->block_size = 512;
	info->phys_block_size = file->phys_block_size;
	info->caps = (file->caps & (pass | IMAGE_FENCED)) | IMAGE_CAN_EXTENTS;
	if (!l->has_parent && !l->crypt)
		info->caps |= file->caps & IMAGE_CAN_ZERO;
	memcpy(info->id, vhd_footer(l->vhd)->id, sizeof(info->id));
}

static int prepare(struct layer *l)
{
	int ret;

	if (l->fixed)
		return 0;
	l->blocks = vhd_blocks(l->vhd);
	l->sectors = vhd_block_size(l->vhd) / VHD_SECTOR;
	l->shift = __builtin_ctz(vhd_block_size(l->vhd));
	l->full = calloc(l->blocks / 8 + 1, 1);
	if (!l->full)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->blocks; i++)
		if (vhd_bitmap_off(l->vhd, i) && vhd_block_full(l->vhd, i))
			l->full[i / 8] |= 1u << (i % 8);
	tx_open(l);
	ret = op_open(l);
	return ret ? ret : bitmap_open(l);
}

/*
 * Nobody waits for places to be made ready, and so they may still be; and the
 * loop may not have done with what the last answer left to do.
 */
static void settle(struct layer *l)
{
	do {
		struct req req = { .op = REQ_FLUSH };

		(void)image_wait(l->img->file, &req); /* only to be behind */
	} while (bat_busy(l));
}

static void vhd_close_image(struct image *img)
{
	struct layer *l = img->state;

	if (l->begun && !l->fixed)
		settle(l);
	/* What cannot be put back is found killed by the next to open it. */
	if (l->begun && !img->poisoned)
		(void)vhd_write_end(l->vhd, NULL); /* nobody left to tell */
	if (l->vhd && !l->fixed) {
		op_close(l);
		bitmap_close(l);
		bat_close(l);
	}
	if (!l->inherited)
		vhd_crypt_free(l->crypt);
	vhd_close(l->vhd);
	meta_close(&l->meta);
	free(l->full);
	memset(l, 0, sizeof(*l));
}

static int open_layer(struct layer *l, struct err *err)
{
	struct image *img = l->img;
	int ret = meta_open(&l->meta, img->file, l->bottom);

	if (ret)
		return err_set(err, ret, "no memory");
	ret = vhd_open(&l->vhd, &l->meta.io, !img->readonly, err);
	if (ret)
		return ret;
	l->fixed = vhd_footer(l->vhd)->type == VHD_FIXED;
	ret = find_key(l, err);
	if (!ret && l->fixed && l->crypt)
		ret = err_set(err, -EOPNOTSUPP, "fixed, and encrypted");
	if (!ret)
		ret = find_parent(l, err);
	if (ret)
		return ret;
	l->may_inherit =
		l->has_parent && !l->crypt && keys_from(img->keys) == KEYS_DIRS;
	describe(l);
	if (prepare(l))
		return err_set(err, -ENOMEM, "no memory");
	if (img->readonly) {
		meta_close(&l->meta); /* nothing more to read or write */
		return 0;
	}
	ret = vhd_write_begin(l->vhd, err);
	l->begun = !ret;
	if (!ret && !l->fixed && bat_open(l))
		ret = err_set(err, -ENOMEM, "no memory");
	return ret;
}

static int vhd_open_image(struct image *img, struct err *err)
{
	struct layer *l = img->state;
	int ret;

	l->img = img;
	l->bottom = bottom(img);
	ret = open_layer(l, err);
	if (ret)
		vhd_close_image(img);
	return ret;
}

static void vhd_submit(struct image *img, struct req *req)
{
	struct layer *l = img->state;

	if (l->may_inherit)
		inherit_key(l);
	if (l->fixed || req->op == REQ_FLUSH)
		image_submit(img->file, req);
	else
		op_submit(l, req);
}

static void vhd_stats(const struct image *img, struct json *out)
{
	const struct layer *l = img->state;

	json_uint(out, "passed_on_whole", l->count.whole);
	json_uint(out, "blocks_allocated", l->count.allocated);
	json_uint(out, "bitmap_reads", l->count.bitmap_reads);
	json_uint(out, "bitmap_writes", l->count.bitmap_writes);
	json_uint(out, "table_writes", l->count.table_writes);
}

const struct driver vhd_driver = {
	.name = "vhd",
	.summary = "VHD: fixed, dynamic, differencing; its parents behind it",
	.kind = DRIVER_FORMAT,
	.state_size = sizeof(struct layer),
	.open = vhd_open_image,
	.close = vhd_close_image,
	.submit = vhd_submit,
	.stats = vhd_stats,
};
