/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* utf16.c - UTF-16 of either byte order, to and from UTF-8. */
#include "vhd/utf16.h"

#include <errno.h>
#include <string.h>

#include "lib/bytes.h"

#define NO_CHARACTER 0xfffdu

static uint16_t load(const uint8_t *p, bool big_endian)
{
	return big_endian ? bytes_be16(p) : bytes_le16(p);
}

static void store(uint8_t *p, uint16_t v, bool big_endian)
{
	if (big_endian)
		bytes_put_be16(p, v);
	else
		bytes_put_le16(p, v);
}

/* The character at *at, which moves behind it; 0 at the end. */
static uint32_t next_utf16(const uint8_t *in, size_t len, size_t *at,
			   bool big_endian)
{
	uint32_t c, low;

	if (*at + 2 > len)
		return 0;
	c = load(in + *at, big_endian);
	*at += 2;
	if (c < 0xd800 || c > 0xdfff)
		return c;
	if (c > 0xdbff || *at + 2 > len)
		return NO_CHARACTER;
	low = load(in + *at, big_endian);
	if (low < 0xdc00 || low > 0xdfff)
		return NO_CHARACTER;
	*at += 2;
	return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

static size_t put_utf8(char out[4], uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

int vhd_utf16_decode(char *out, size_t size, const uint8_t *in, size_t len,
		     bool big_endian)
{
	size_t at = 0, n = 0;
	uint32_t c;

	while ((c = next_utf16(in, len, &at, big_endian))) {
		char utf8[4];
		size_t k = put_utf8(utf8, c);

		if (n + k >= size)
			return -ENAMETOOLONG;
		memcpy(out + n, utf8, k);
		n += k;
	}
	if (n >= size)
		return -ENAMETOOLONG;
	out[n] = '\0';
	return (int)n;
}

/* The character at *in, which moves behind it; UINT32_MAX: none. */
static uint32_t next_utf8(const char **in)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *s = (const uint8_t *)*in;
	unsigned n = s[0] < 0x80             ? 1
		     : (s[0] & 0xe0) == 0xc0 ? 2
		     : (s[0] & 0xf0) == 0xe0 ? 3
		     : (s[0] & 0xf8) == 0xf0 ? 4
					     : 0;
	uint32_t c = n == 1 ? s[0] : s[0] & (0x7fu >> n);

	if (!n)
		return UINT32_MAX;
	for (unsigned i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return UINT32_MAX;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return UINT32_MAX;
	*in += n;
	return c;
}

int vhd_utf16_encode(uint8_t *out, size_t size, const char *in, bool big_endian)
{
	size_t n = 0;

	memset(out, 0, size);
	while (*in) {
		uint32_t c = next_utf8(&in);
		size_t k = c > 0xffff ? 4 : 2;

		if (c == UINT32_MAX)
			return -EILSEQ;
		if (n + k > size)
			return -ENAMETOOLONG;
		if (k == 4) {
			c -= 0x10000;
			store(out + n, (uint16_t)(0xd800 + (c >> 10)),
			      big_endian);
			store(out + n + 2, (uint16_t)(0xdc00 + (c & 0x3ff)),
			      big_endian);
		} else {
			store(out + n, (uint16_t)c, big_endian);
		}
		n += k;
	}
	return (int)n;
}
