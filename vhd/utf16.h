/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * utf16.h - names as VHD stores them, and as we do.
 *
 * Names come from whoever wrote the disk: what is no character is replaced,
 * nothing is read or written past the sizes given.
 */
#ifndef VHD_UTF16_H
#define VHD_UTF16_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * UTF-16 of len bytes, ended by a zero if shorter, to UTF-8; out is always
 * ended. The length without the end, or -ENAMETOOLONG.
 */
int vhd_utf16_decode(char *out, size_t size, const uint8_t *in, size_t len,
		     bool big_endian);

/*
 * UTF-8 to UTF-16 without an end; the rest of out is zeroed. The length in
 * bytes; -ENAMETOOLONG, or -EILSEQ if it is no UTF-8.
 */
int vhd_utf16_encode(uint8_t *out, size_t size, const char *in,
		     bool big_endian);

#endif /* VHD_UTF16_H */
