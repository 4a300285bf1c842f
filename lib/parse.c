/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * parse.c - numbers from strings, strictly.
 */
#include "lib/parse.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/* The digits of s, all of it, saturated: -ERANGE if they do not fit. */
static int digits(uint64_t *out, const char *s)
{
	uint64_t v = 0;
	int err = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, *s - '0', &v))
			err = -ERANGE;
	}
	*out = v;
	return err;
}

int parse_uint(uint64_t *out, const char *s, uint64_t min, uint64_t max)
{
	uint64_t v;
	int err = digits(&v, s);

	if (err)
		return err;
	if (v < min || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int parse_int(int64_t *out, const char *s, int64_t min, int64_t max)
{
	bool minus = *s == '-';
	uint64_t v;
	int64_t n;
	int err = digits(&v, s + minus);

	if (err)
		return err;
	if (v > (uint64_t)INT64_MAX + minus)
		return -ERANGE;
	n = minus ? (int64_t)(0 - v) : (int64_t)v;
	if (n < min || n > max)
		return -ERANGE;
	*out = n;
	return 0;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int parse_hex(uint8_t *out, unsigned len, const char *s)
{
	size_t i, n = 2 * (size_t)len;

	for (i = 0; i < n; i++) {
		if (nibble(s[i]) < 0) /* also at the end of s */
			return -EINVAL;
	}
	if (s[n])
		return -EINVAL;
	for (i = 0; i < len; i++)
		out[i] =
			(uint8_t)(nibble(s[2 * i]) << 4 | nibble(s[2 * i + 1]));
	return 0;
}
