/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bytes.h - numbers in memory whose byte order is somebody else's.
 *
 * Nothing here needs alignment.
 */
#ifndef LIB_BYTES_H
#define LIB_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define BYTES_ACCESS(name, type, conv_in, conv_out)                            \
	static inline type bytes_##name(const void *p)                         \
	{                                                                      \
		type v;                                                        \
		memcpy(&v, p, sizeof(v));                                      \
		return conv_in(v);                                             \
	}                                                                      \
	static inline void bytes_put_##name(void *p, type v)                   \
	{                                                                      \
		v = conv_out(v);                                               \
		memcpy(p, &v, sizeof(v));                                      \
	}

/* bytes_be32(p), bytes_put_be32(p, v), and so on. */
BYTES_ACCESS(be16, uint16_t, be16toh, htobe16);
BYTES_ACCESS(be32, uint32_t, be32toh, htobe32);
BYTES_ACCESS(be64, uint64_t, be64toh, htobe64);
BYTES_ACCESS(le16, uint16_t, le16toh, htole16);
BYTES_ACCESS(le32, uint32_t, le32toh, htole32);
BYTES_ACCESS(le64, uint64_t, le64toh, htole64);

/* Whether off..off+len lies within size, without wrapping. */
static inline bool bytes_within(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

static inline uint64_t bytes_round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

#endif /* LIB_BYTES_H */
