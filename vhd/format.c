/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* format.c - the footer: bytes in, checked numbers out, and back. */
#include "vhd/format.h"

#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"

#define FEATURE_TEMPORARY 1u
#define FEATURE_RESERVED  2u
#define FORMAT_VERSION    0x00010000u

static const uint8_t cookie[8] = "conectix";
static const uint8_t poison[8] = "v_poison";

static uint32_t sum(const uint8_t *buf, size_t len, size_t at, bool is_signed)
{
	uint32_t s = 0;

	for (size_t i = 0; i < len; i++) {
		if (i >= at && i < at + 4)
			continue;
		s += is_signed ? (uint32_t)(int32_t)(int8_t)buf[i] : buf[i];
	}
	return ~s;
}

uint32_t vhd_checksum(const uint8_t *buf, size_t len, size_t at)
{
	if (at == VHD_NO_SUM)
		at = len;
	return sum(buf, len, at, false);
}

/* Version 1.1 of the "tap" writers added up signed characters. */
uint32_t vhd_checksum_like(uint32_t have, const uint8_t *buf, size_t len,
			   size_t at)
{
	if (have == sum(buf, len, at == VHD_NO_SUM ? len : at, true))
		return have;
	return vhd_checksum(buf, len, at);
}

static bool sum_fits(const uint8_t *buf, size_t len, size_t at)
{
	uint32_t have = bytes_be32(buf + at);

	return have == vhd_checksum_like(have, buf, len, at);
}

static bool all_zero(const uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (buf[i])
			return false;
	}
	return true;
}

static bool is_tap(const uint8_t *buf)
{
	return !memcmp(buf + 28, "tap", 3);
}

/* What the rest of the library relies upon. */
static int footer_needs(const uint8_t *buf, struct err *err)
{
	uint64_t data_off = bytes_be64(buf + 16);
	uint32_t type = bytes_be32(buf + 60);

	if (memcmp(buf, cookie, 8))
		return err_set(err, -EINVAL, "invalid cookie");
	if (!sum_fits(buf, VHD_FOOTER_BYTES, VHD_FOOTER_SUM_AT))
		return err_set(err, -EINVAL, "invalid checksum");
	if (bytes_be32(buf + 12) != FORMAT_VERSION)
		return err_set(err, -EINVAL, "invalid file format version");
	if (type != VHD_FIXED && type != VHD_DYNAMIC &&
	    type != VHD_DIFFERENCING)
		return err_set(err, -EINVAL, "invalid type");
	if (type != VHD_FIXED && (data_off == VHD_ALL_ONES || data_off % 512))
		return err_set(err, -EINVAL, "invalid data offset");
	if (bytes_be64(buf + 48) > INT64_MAX)
		return err_set(err, -EINVAL, "invalid size");
	return 0;
}

static bool geometry_too_large(const uint8_t *buf)
{
	uint64_t chs = (uint64_t)bytes_be16(buf + 56) * buf[58] * buf[59];

	/* How others say that the geometry is not to be looked at. */
	if (!is_tap(buf) && chs == 65535ull * 16 * 255)
		return false;
	return chs * VHD_SECTOR > bytes_be64(buf + 48);
}

/* What says that somebody wrote it who should not have. */
static int footer_strict(const uint8_t *buf, int64_t now, struct err *err)
{
	uint32_t features = bytes_be32(buf + 8);
	uint32_t version = bytes_be32(buf + 32);
	uint32_t type = bytes_be32(buf + 60);

	if (!(features & FEATURE_RESERVED))
		return err_set(err, -EINVAL, "invalid 'reserved' feature");
	if (features & ~(FEATURE_RESERVED | FEATURE_TEMPORARY))
		return err_set(err, -EINVAL, "invalid extra features");
	if (type == VHD_FIXED && bytes_be64(buf + 16) != VHD_ALL_ONES &&
	    bytes_be64(buf + 16) != UINT32_MAX)
		return err_set(err, -EINVAL, "invalid data offset");
	if (now && bytes_be32(buf + 24) > now - VHD_EPOCH)
		return err_set(err, -EINVAL, "creation time in future");
	if (is_tap(buf) &&
	    (version < VHD_CREATOR_1_1 || version > VHD_CREATOR_1_3))
		return err_set(err, -EINVAL, "unsupported tap creator version");
	if (geometry_too_large(buf))
		return err_set(err, -EINVAL, "geometry too large");
	if (buf[84] > 1)
		return err_set(err, -EINVAL, "invalid 'saved' state");
	if (buf[85] > 1)
		return err_set(err, -EINVAL, "invalid 'hidden' state");
	if (!all_zero(buf + 86, VHD_FOOTER_BYTES - 86))
		return err_set(err, -EINVAL, "invalid 'reserved' bits");
	if (all_zero(buf + 68, 16))
		return err_set(err, -EINVAL, "invalid (NULL) uuid");
	return 0;
}

int vhd_footer_check(const uint8_t buf[512], int64_t now, struct err *err)
{
	int rc = footer_needs(buf, err);

	return rc ? rc : footer_strict(buf, now, err);
}

int vhd_footer_decode(struct vhd_footer *out, const uint8_t buf[512],
		      struct err *err)
{
	struct vhd_footer f = {
		.features = bytes_be32(buf + 8),
		.version = bytes_be32(buf + 12),
		.data_off = bytes_be64(buf + 16),
		.time = bytes_be32(buf + 24),
		.creator_version = bytes_be32(buf + 32),
		.creator_os = bytes_be32(buf + 36),
		.orig_size = bytes_be64(buf + 40),
		.size = bytes_be64(buf + 48),
		.cylinders = bytes_be16(buf + 56),
		.heads = buf[58],
		.sectors_per_track = buf[59],
		.type = (enum vhd_type)bytes_be32(buf + 60),
		.saved = buf[84],
		.hidden = buf[85],
	};
	int rc = footer_needs(buf, err);

	if (rc)
		return rc;
	memcpy(f.creator_app, buf + 28, 4);
	memcpy(f.id, buf + 68, 16);
	*out = f;
	return 0;
}

void vhd_footer_encode(uint8_t buf[512], const struct vhd_footer *footer)
{
	memset(buf, 0, VHD_FOOTER_BYTES);
	memcpy(buf, cookie, 8);
	bytes_put_be32(buf + 8, footer->features);
	bytes_put_be32(buf + 12, footer->version);
	bytes_put_be64(buf + 16, footer->data_off);
	bytes_put_be32(buf + 24, footer->time);
	memcpy(buf + 28, footer->creator_app, 4);
	bytes_put_be32(buf + 32, footer->creator_version);
	bytes_put_be32(buf + 36, footer->creator_os);
	bytes_put_be64(buf + 40, footer->orig_size);
	bytes_put_be64(buf + 48, footer->size);
	bytes_put_be16(buf + 56, footer->cylinders);
	buf[58] = footer->heads;
	buf[59] = footer->sectors_per_track;
	bytes_put_be32(buf + 60, footer->type);
	memcpy(buf + 68, footer->id, 16);
	buf[84] = footer->saved;
	buf[85] = footer->hidden;
	bytes_put_be32(buf + VHD_FOOTER_SUM_AT,
		       sum(buf, VHD_FOOTER_BYTES, VHD_FOOTER_SUM_AT, false));
}

bool vhd_footer_poisoned(const uint8_t buf[512])
{
	return !memcmp(buf, poison, 8);
}

static void set_cookie(uint8_t *buf, const uint8_t *value)
{
	memcpy(buf, value, 8);
	bytes_put_be32(buf + VHD_FOOTER_SUM_AT,
		       sum(buf, VHD_FOOTER_BYTES, VHD_FOOTER_SUM_AT, false));
}

void vhd_footer_poison(uint8_t buf[512])
{
	set_cookie(buf, poison);
}

void vhd_footer_unpoison(uint8_t buf[512])
{
	set_cookie(buf, cookie);
}

bool vhd_footer_has_batmap(const struct vhd_footer *footer)
{
	return footer->type != VHD_FIXED &&
	       !memcmp(footer->creator_app, "tap", 3) &&
	       footer->creator_version >= VHD_CREATOR_1_1;
}

/* The appendix of the published format, "CHS calculation". */
void vhd_footer_geometry(struct vhd_footer *footer)
{
	uint64_t max = 65535ull * 16 * 255;
	uint64_t secs = footer->size / VHD_SECTOR, spt, heads, tracks;

	if (secs > max)
		secs = max;
	if (secs > 65535ull * 16 * 63) {
		spt = 255;
		heads = 16;
		tracks = secs / spt;
	} else {
		spt = 17;
		tracks = secs / spt;
		heads = (tracks + 1023) / 1024;
		if (heads < 4)
			heads = 4;
		if (tracks >= heads * 1024 || heads > 16) {
			spt = 31;
			heads = 16;
			tracks = secs / spt;
		}
		if (tracks >= heads * 1024) {
			spt = 63;
			heads = 16;
			tracks = secs / spt;
		}
	}
	footer->cylinders = (uint16_t)(tracks / heads);
	footer->heads = (uint8_t)heads;
	footer->sectors_per_track = (uint8_t)spt;
}
