/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * parse.h - numbers from strings, strictly.
 *
 * The whole string is the number: no blanks, no sign where none is allowed,
 * nothing after it.  0, or -EINVAL, or -ERANGE when outside min..max; *out is
 * untouched on failure.
 */
#ifndef LIB_PARSE_H
#define LIB_PARSE_H

#include <stdint.h>

int parse_uint(uint64_t *out, const char *s, uint64_t min, uint64_t max);
int parse_int(int64_t *out, const char *s, int64_t min, int64_t max);

/* len bytes from 2 * len hexadecimal digits. */
int parse_hex(uint8_t *out, unsigned len, const char *s);

#endif /* LIB_PARSE_H */
