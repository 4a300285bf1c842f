/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* format-header.c - the header of a dynamic image, and that of its batmap. */
#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/format.h"
#include "vhd/utf16.h"

#define HEADER_VERSION 0x00010000u
#define NAME_AT        64
#define NAME_BYTES     512
#define LOCATOR_AT     576
#define LOCATOR_BYTES  24
#define MAX_BLOCK_SIZE (2u << 20)

static const uint8_t cookie[8] = "cxsparse";
static const uint8_t batmap_cookie[8] = "tdbatmap";

static bool zero_from(const uint8_t *buf, size_t from, size_t to)
{
	while (from < to) {
		if (buf[from++])
			return false;
	}
	return true;
}

static bool sum_fits(const uint8_t *buf)
{
	uint32_t have = bytes_be32(buf + VHD_HEADER_SUM_AT);

	return have == vhd_checksum_like(have, buf, VHD_HEADER_BYTES,
					 VHD_HEADER_SUM_AT);
}

static int header_needs(const uint8_t *buf, struct err *err)
{
	uint64_t table_off = bytes_be64(buf + 16);
	uint32_t block = bytes_be32(buf + 32);

	if (memcmp(buf, cookie, 8))
		return err_set(err, -EINVAL, "invalid cookie");
	if (!sum_fits(buf))
		return err_set(err, -EINVAL, "invalid checksum");
	if (bytes_be32(buf + 24) != HEADER_VERSION)
		return err_set(err, -EINVAL, "invalid header version");
	if (table_off % 512 || table_off < VHD_FOOTER_BYTES ||
	    table_off > INT64_MAX)
		return err_set(err, -EINVAL, "invalid table offset");
	if (block < 4096 || block > MAX_BLOCK_SIZE || (block & (block - 1)))
		return err_set(err, -EINVAL, "invalid block size");
	return 0;
}

static void locator_decode(struct vhd_locator *loc, const uint8_t *buf)
{
	loc->code = bytes_be32(buf);
	loc->space = bytes_be32(buf + 4);
	loc->len = bytes_be32(buf + 8);
	loc->off = bytes_be64(buf + 16);
}

static const uint8_t *locator_at(const uint8_t *buf, unsigned i)
{
	return buf + LOCATOR_AT + i * LOCATOR_BYTES;
}

uint64_t vhd_locator_room(const struct vhd_locator *loc)
{
	uint64_t room = loc->space;

	/* The published format counts sectors; the writers know better. */
	if (room < VHD_SECTOR || room < loc->len)
		room *= VHD_SECTOR;
	return room;
}

static int locator_check(const struct vhd_locator *loc, const uint8_t *raw,
			 struct err *err)
{
	static const uint32_t codes[] = {
		VHD_CODE_MACX, VHD_CODE_W2KU, VHD_CODE_W2RU, /* and old ones */
		0x4d616320,    0x57693272,    0x5769326b,
	};
	size_t i = 0;

	if (!loc->code) {
		if (!zero_from(raw, 0, LOCATOR_BYTES))
			return err_set(err, -EINVAL, "non-zero locator");
		return 0;
	}
	while (i < ARRAY_SIZE(codes) && codes[i] != loc->code)
		i++;
	if (i == ARRAY_SIZE(codes))
		return err_set(err, -EINVAL, "invalid platform code");
	if (loc->off > INT64_MAX)
		return err_set(err, -EINVAL, "invalid data offset");
	if (!loc->space)
		return err_set(err, -EINVAL, "invalid space");
	if (!loc->len || loc->len > vhd_locator_room(loc))
		return err_set(err, -EINVAL, "invalid length");
	if (!zero_from(raw, 12, 16))
		return err_set(err, -EINVAL, "invalid reserved bits");
	return 0;
}

static int check_locators(const uint8_t *buf, const struct vhd_footer *footer,
			  struct err *err)
{
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		struct vhd_locator loc;
		int rc;

		locator_decode(&loc, locator_at(buf, i));
		if (footer->type != VHD_DIFFERENCING && loc.code)
			return err_set(err, -EINVAL,
				       "invalid non-null parent locators");
		rc = locator_check(&loc, locator_at(buf, i), err);
		if (rc)
			return rc;
	}
	return 0;
}

int vhd_header_check(const uint8_t buf[1024], struct err *err)
{
	int rc = header_needs(buf, err);

	if (rc)
		return rc;
	if (bytes_be64(buf + 8) != VHD_ALL_ONES)
		return err_set(err, -EINVAL, "invalid data offset");
	if (!zero_from(buf, 60, 64) || !zero_from(buf, 768, 1024))
		return err_set(err, -EINVAL, "invalid reserved bits");
	return 0;
}

int vhd_header_check_parent(const uint8_t buf[1024],
			    const struct vhd_footer *footer, int64_t now,
			    struct err *err)
{
	if (footer->type == VHD_DIFFERENCING) {
		if (now && bytes_be32(buf + 56) > now - VHD_EPOCH)
			return err_set(err, -EINVAL,
				       "parent creation time in future");
		if (zero_from(buf, NAME_AT, NAME_AT + 2))
			return err_set(err, -EINVAL, "invalid parent name");
		return check_locators(buf, footer, err);
	}
	if (!zero_from(buf, NAME_AT, NAME_AT + NAME_BYTES))
		return err_set(err, -EINVAL, "invalid non-null parent name");
	if (!zero_from(buf, 40, 56))
		return err_set(err, -EINVAL, "invalid non-null parent uuid");
	if (!zero_from(buf, 56, 60))
		return err_set(err, -EINVAL, "non-zero parent timestamp");
	return check_locators(buf, footer, err);
}

int vhd_header_decode(struct vhd_header *out, const uint8_t buf[1024],
		      struct err *err)
{
	struct vhd_header h = {
		.table_off = bytes_be64(buf + 16),
		.max_bat = bytes_be32(buf + 28),
		.block_size = bytes_be32(buf + 32),
		.parent_time = bytes_be32(buf + 56),
	};
	int rc = header_needs(buf, err);

	if (rc)
		return rc;
	memcpy(h.parent_id, buf + 40, 16);
	rc = vhd_utf16_decode(h.parent_name, sizeof(h.parent_name),
			      buf + NAME_AT, NAME_BYTES, true);
	if (rc < 0)
		return err_set(err, -EINVAL, "invalid parent name");
	for (unsigned i = 0; i < VHD_LOCATORS; i++)
		locator_decode(&h.loc[i], locator_at(buf, i));
	*out = h;
	return 0;
}

void vhd_header_encode(uint8_t buf[1024], const struct vhd_header *header)
{
	memset(buf, 0, VHD_HEADER_BYTES);
	memcpy(buf, cookie, 8);
	bytes_put_be64(buf + 8, VHD_ALL_ONES);
	bytes_put_be64(buf + 16, header->table_off);
	bytes_put_be32(buf + 24, HEADER_VERSION);
	bytes_put_be32(buf + 28, header->max_bat);
	bytes_put_be32(buf + 32, header->block_size);
	memcpy(buf + 40, header->parent_id, 16);
	bytes_put_be32(buf + 56, header->parent_time);
	/* Whoever sets a name has made sure that it fits. */
	(void)vhd_utf16_encode(buf + NAME_AT, NAME_BYTES, header->parent_name,
			       true);
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		const struct vhd_locator *loc = &header->loc[i];
		uint8_t *p = buf + LOCATOR_AT + i * LOCATOR_BYTES;

		bytes_put_be32(p, loc->code);
		bytes_put_be32(p + 4, loc->space);
		bytes_put_be32(p + 8, loc->len);
		bytes_put_be64(p + 16, loc->off);
	}
	bytes_put_be32(buf + VHD_HEADER_SUM_AT,
		       vhd_checksum(buf, VHD_HEADER_BYTES, VHD_HEADER_SUM_AT));
}

int vhd_batmap_decode(struct vhd_batmap_header *out, const uint8_t buf[512],
		      struct err *err)
{
	struct vhd_batmap_header h = {
		.off = bytes_be64(buf + 8),
		.secs = bytes_be32(buf + 16),
		.version = bytes_be32(buf + 20),
		.checksum = bytes_be32(buf + 24),
	};

	if (memcmp(buf, batmap_cookie, 8))
		return err_set(err, -EINVAL, "invalid cookie");
	if (h.version > VHD_BATMAP_1_2)
		return err_set(err, -EINVAL, "unsupported batmap version");
	if (!h.secs)
		return err_set(err, -EINVAL, "invalid size zero");
	if (h.off % 512 || h.off > INT64_MAX)
		return err_set(err, -EINVAL, "invalid batmap offset");
	if (h.version == VHD_BATMAP_1_2) {
		h.marker = buf[28];
		h.keyhash.set = buf[29] != 0;
		memcpy(h.keyhash.nonce, buf + 30, 32);
		memcpy(h.keyhash.hash, buf + 62, 32);
	}
	*out = h;
	return 0;
}

void vhd_batmap_encode(uint8_t buf[512], const struct vhd_batmap_header *hdr)
{
	memset(buf, 0, VHD_SECTOR);
	memcpy(buf, batmap_cookie, 8);
	bytes_put_be64(buf + 8, hdr->off);
	bytes_put_be32(buf + 16, hdr->secs);
	bytes_put_be32(buf + 20, VHD_BATMAP_1_2);
	bytes_put_be32(buf + 24, hdr->checksum);
	buf[28] = hdr->marker;
	buf[29] = hdr->keyhash.set;
	memcpy(buf + 30, hdr->keyhash.nonce, 32);
	memcpy(buf + 62, hdr->keyhash.hash, 32);
}
