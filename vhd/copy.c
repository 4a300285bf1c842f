/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copy.c - what a guest would read, into another image.
 *
 * Sectors that are present in no layer stay absent; so are, in what is not
 * encrypted, whole 4 KiB of zeroes.
 */
#include "vhd/copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/chain.h"
#include "vhd/crypt.h"
#include "vhd/data.h"
#include "vhd/image.h"
#include "vhd/merge.h"

#define MAX_BITMAP   512u
#define MAX_RANGE    (2u << 20)
#define PAGE_SECTORS 8u

struct copy {
	struct vhd_source source;
	struct vhd_chain *from; /* or plain */
	struct vhd_io *plain;
	uint64_t size;
	struct vhd_crypt *crypt;
	uint8_t buf[MAX_RANGE];
};

/* One layer's bits of sector..sector+count, over those of the ones before. */
static int add_layer(struct vhd_layer *l, uint64_t sector, uint32_t count,
		     uint8_t *map, struct err *err)
{
	uint8_t have[MAX_BITMAP];
	uint32_t done = 0;

	if (!l->vhd || !vhd_header(l->vhd)) {
		vhd_bits_set(map, 0, count);
		return 0;
	}
	while (done < count) {
		uint32_t secs = vhd_block_sectors(l->vhd);
		uint32_t block = (uint32_t)((sector + done) / secs);
		uint32_t at = (uint32_t)((sector + done) % secs);
		uint32_t end =
			secs - at < count - done ? secs : at + count - done;
		int rc = vhd_bitmap_read(l->vhd, block, have, err);

		if (rc)
			return rc;
		for (uint32_t i = at; i < end; i++) {
			if (vhd_bit(have, i))
				vhd_bits_set(map, done + i - at, 1);
		}
		done += end - at;
	}
	return 0;
}

static int read_plain(struct copy *c, uint64_t sector, uint32_t count,
		      uint8_t *buf, struct err *err)
{
	uint64_t off = sector * VHD_SECTOR;
	size_t len = (size_t)count * VHD_SECTOR;
	size_t have = c->size - off < len ? (size_t)(c->size - off) : len;
	int rc = c->plain->pread(c->plain, buf, have, off);

	memset(buf + have, 0, len - have);
	return rc ? err_set(err, rc, "error reading data: %s", strerror(-rc))
		  : 0;
}

static int read_any(struct copy *c, uint64_t sector, uint32_t count, void *buf,
		    struct err *err)
{
	return c->from ? vhd_chain_read(c->from, buf, sector, count, err)
		       : read_plain(c, sector, count, buf, err);
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return !*p && !memcmp(p, p + 1, len - 1);
}

/* Take out of map what is nothing but zeroes. */
static int leave_out_zeroes(struct copy *c, uint64_t sector, uint32_t count,
			    uint8_t *map, struct err *err)
{
	uint8_t all[MAX_BITMAP];
	int rc;

	memcpy(all, map, sizeof(all));
	memset(map, 0, MAX_BITMAP);
	if (vhd_bit_next(all, 0, count, true) == count)
		return 0;
	rc = read_any(c, sector, count, c->buf, err);
	for (uint32_t i = 0; !rc && i < count; i += PAGE_SECTORS) {
		uint32_t n =
			count - i < PAGE_SECTORS ? count - i : PAGE_SECTORS;

		if (!is_zero(c->buf + (size_t)i * VHD_SECTOR,
			     (size_t)n * VHD_SECTOR))
			vhd_bits_set(map, i, n);
	}
	return rc;
}

static int copy_bits(struct vhd_source *s, uint64_t sector, uint32_t count,
		     uint8_t *map, struct err *err)
{
	struct copy *c = (struct copy *)s;
	int rc = 0;

	memset(map, 0, MAX_BITMAP);
	if (!c->from)
		vhd_bits_set(map, 0, count);
	for (unsigned i = 0; !rc && c->from && i < c->from->n; i++)
		rc = add_layer(&c->from->layer[i], sector, count, map, err);
	if (rc || c->crypt)
		return rc;
	return leave_out_zeroes(c, sector, count, map, err);
}

/* What is marked present is encrypted, whatever it is. */
static int copy_read(struct vhd_source *s, uint64_t sector, uint32_t count,
		     void *buf, struct err *err)
{
	struct copy *c = (struct copy *)s;
	int rc = read_any(c, sector, count, buf, err);

	if (rc || !c->crypt)
		return rc;
	rc = vhd_crypt_encrypt(c->crypt, sector, buf, buf,
			       (size_t)count * VHD_SECTOR);
	return rc ? err_set(err, rc, "sector %llu cannot be encrypted",
			    (unsigned long long)sector)
		  : 0;
}

int vhd_copy(const struct vhd_copy *p, struct err *err)
{
	struct copy *c = calloc(1, sizeof(*c));
	struct vhd_merge m = { .progress = p->progress, .fresh = true };
	int rc;

	if (!c)
		return err_set(err, -ENOMEM, "allocating memory");
	c->source = (struct vhd_source){ .bits = copy_bits, .read = copy_read };
	c->from = p->chain;
	c->plain = p->plain;
	c->size = p->size;
	c->crypt = p->crypt;
	m.from = &c->source;
	m.count = (p->size + VHD_SECTOR - 1) / VHD_SECTOR;
	if (p->to)
		rc = vhd_merge(p->to, &m, err);
	else
		rc = vhd_merge_plain(p->to_plain, p->size, &m, err);
	explicit_bzero(c->buf, sizeof(c->buf));
	free(c);
	return rc;
}
