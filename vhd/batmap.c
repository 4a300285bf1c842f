/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * batmap.c - the map of complete blocks, and what lives in its header.
 *
 * A map that is damaged is taken for empty, which is always true, and said
 * so in the image's note.  Old writers zeroed the first sector of the map
 * when they rewrote the header; so the header is written as one sector, and
 * the map before the header that has its checksum.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/image.h"

#define ATTR_PREFIX    "user.com.citrix.xenclient.backend."
#define ATTR_MARKER    ATTR_PREFIX "marker"
#define ATTR_KEYHASH   ATTR_PREFIX "keyhash"
#define KEYHASH_RECORD 65

uint64_t vhd_batmap_bytes(uint32_t max_bat)
{
	return bytes_round_up(((uint64_t)max_bat + 7) / 8, VHD_SECTOR);
}

bool vhd_batmap_get(const struct vhd_batmap *bm, uint32_t block)
{
	return block / 8 < bm->len &&
	       (bm->map[block / 8] & (0x80u >> (block % 8)));
}

bool vhd_block_full(const struct vhd *vhd, uint32_t block)
{
	return vhd->batmap.there && vhd_bitmap_off(vhd, block) &&
	       vhd_batmap_get(&vhd->batmap, block);
}

void vhd_block_set_full(struct vhd *vhd, uint32_t block)
{
	struct vhd_batmap *bm = &vhd->batmap;

	if (!bm->there || block / 8 >= bm->len || vhd_batmap_get(bm, block))
		return;
	bm->map[block / 8] |= (uint8_t)(0x80u >> (block % 8));
	bm->dirty = true;
}

static void distrust(struct vhd *vhd, const char *why)
{
	(void)snprintf(vhd->note, sizeof(vhd->note),
		       "batmap ignored, bitmaps are used: %s", why);
}

static int read_header(struct vhd *vhd, struct vhd_batmap_header *hdr,
		       struct err *why)
{
	struct vhd_batmap *bm = &vhd->batmap;
	uint8_t buf[VHD_SECTOR];
	int rc;

	bm->at = vhd->header.table_off + vhd_table_bytes(vhd->header.max_bat);
	if (!bytes_within(bm->at, sizeof(buf), vhd->file_size))
		return err_set(why, -EINVAL, "header outside the file");
	rc = vhd->io->pread(vhd->io, buf, sizeof(buf), bm->at);
	if (rc)
		return err_set(why, rc, "error reading batmap header");
	rc = vhd_batmap_decode(hdr, buf, why);
	if (rc)
		return rc;
	if (hdr->secs < vhd_batmap_bytes(vhd->blocks) / VHD_SECTOR)
		return err_set(why, -EINVAL, "batmap-BAT size mismatch");
	if (hdr->off < bm->at + VHD_SECTOR ||
	    !bytes_within(hdr->off, (uint64_t)hdr->secs * VHD_SECTOR,
			  vhd->file_size))
		return err_set(why, -EINVAL, "invalid batmap offset");
	return 0;
}

int vhd_batmap_load(struct vhd *vhd, struct err *err)
{
	struct vhd_batmap *bm = &vhd->batmap;
	struct err why = { 0 };
	int rc;

	if (!vhd_footer_has_batmap(&vhd->footer))
		return 0;
	rc = read_header(vhd, &bm->hdr, &why);
	if (rc) {
		/* Version 1.1 has one only if it looks like one. */
		if (vhd->footer.creator_version >= VHD_CREATOR_1_2)
			distrust(vhd, why.msg);
		return 0;
	}
	bm->len = (size_t)bm->hdr.secs * VHD_SECTOR;
	bm->map = malloc(bm->len);
	if (!bm->map)
		return err_set(err, -ENOMEM, "allocating the batmap");
	bm->there = true;
	vhd_bat_scan(vhd);
	rc = vhd->io->pread(vhd->io, bm->map, bm->len, bm->hdr.off);
	bm->trusted =
		!rc && vhd_checksum_like(bm->hdr.checksum, bm->map, bm->len,
					 VHD_NO_SUM) == bm->hdr.checksum;
	if (!bm->trusted) {
		memset(bm->map, 0, bm->len);
		distrust(vhd, "invalid checksum");
	}
	return 0;
}

/* Its 512 bytes and nothing behind them. */
static int write_header(struct vhd *vhd, struct err *err)
{
	uint8_t buf[VHD_SECTOR];
	int rc;

	vhd_batmap_encode(buf, &vhd->batmap.hdr);
	rc = vhd->io->pwrite(vhd->io, buf, sizeof(buf), vhd->batmap.at);
	return rc ? err_set(err, rc, "error writing batmap header: %s",
			    strerror(-rc))
		  : 0;
}

/* In one write where they are neighbours, as they are everywhere. */
static int write_both(struct vhd *vhd)
{
	struct vhd_batmap *bm = &vhd->batmap;
	bool beside = bm->hdr.off == bm->at + VHD_SECTOR;
	uint8_t *buf = malloc(VHD_SECTOR + bm->len);
	int rc = 0;

	if (!buf)
		return -ENOMEM;
	vhd_batmap_encode(buf, &bm->hdr);
	memcpy(buf + VHD_SECTOR, bm->map, bm->len);
	if (!beside)
		rc = vhd->io->pwrite(vhd->io, bm->map, bm->len, bm->hdr.off);
	if (!rc)
		rc = vhd->io->pwrite(vhd->io, buf,
				     VHD_SECTOR + (beside ? bm->len : 0),
				     bm->at);
	free(buf);
	return rc;
}

int vhd_batmap_write(struct vhd *vhd, struct err *err)
{
	struct vhd_batmap *bm = &vhd->batmap;
	int rc;

	if (!bm->there)
		return 0;
	bm->hdr.checksum = vhd_checksum(bm->map, bm->len, VHD_NO_SUM);
	rc = write_both(vhd);
	if (rc)
		return err_set(err, rc, "error writing batmap: %s",
			       strerror(-rc));
	bm->trusted = true;
	bm->dirty = false;
	return 0;
}

static int get_attr(const struct vhd *vhd, const char *name, void *buf,
		    size_t len)
{
	if (!vhd->io->get_attr)
		return -ENODATA;
	return vhd->io->get_attr(vhd->io, name, buf, len);
}

static int set_attr(const struct vhd *vhd, const char *name, const void *buf,
		    size_t len)
{
	if (!vhd->io->set_attr)
		return -EOPNOTSUPP;
	return vhd->io->set_attr(vhd->io, name, buf, len);
}

int vhd_keyhash(const struct vhd *vhd, struct vhd_keyhash *out)
{
	uint8_t rec[KEYHASH_RECORD];
	int rc;

	memset(out, 0, sizeof(*out));
	if (vhd->batmap.there) {
		*out = vhd->batmap.hdr.keyhash;
		return 0;
	}
	/* Whether this one is encrypted cannot be known any more. */
	if (vhd->footer.creator_version >= VHD_CREATOR_1_2 &&
	    vhd_footer_has_batmap(&vhd->footer))
		return -EINVAL;
	rc = get_attr(vhd, ATTR_KEYHASH, rec, sizeof(rec));
	if (rc)
		return rc == -ENODATA ? 0 : rc;
	out->set = rec[0] != 0;
	memcpy(out->nonce, rec + 1, 32);
	memcpy(out->hash, rec + 33, 32);
	return 0;
}

int vhd_keyhash_set(struct vhd *vhd, const struct vhd_keyhash *kh,
		    struct err *err)
{
	uint8_t rec[KEYHASH_RECORD] = { kh->set };
	int rc = vhd_may_write(vhd, err);

	if (rc)
		return rc;
	if (vhd->batmap.there) {
		vhd->batmap.hdr.keyhash = *kh;
		return write_header(vhd, err);
	}
	memcpy(rec + 1, kh->nonce, 32);
	memcpy(rec + 33, kh->hash, 32);
	rc = set_attr(vhd, ATTR_KEYHASH, rec, sizeof(rec));
	return rc ? err_set(err, rc, "key hash: %s", strerror(-rc)) : 0;
}

int vhd_marker(const struct vhd *vhd, uint8_t *out)
{
	int rc;

	*out = 0;
	if (vhd->batmap.there) {
		*out = vhd->batmap.hdr.marker;
		return 0;
	}
	rc = get_attr(vhd, ATTR_MARKER, out, 1);
	return rc == -ENODATA || rc == -EOPNOTSUPP ? 0 : rc;
}

int vhd_marker_set(struct vhd *vhd, uint8_t marker, struct err *err)
{
	int rc = vhd_may_write(vhd, err);

	if (rc)
		return rc;
	if (vhd->batmap.there) {
		vhd->batmap.hdr.marker = marker;
		return write_header(vhd, err);
	}
	rc = set_attr(vhd, ATTR_MARKER, &marker, 1);
	return rc ? err_set(err, rc, "marker: %s", strerror(-rc)) : 0;
}
