/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhd-make.h - VHDs in a folder of the test's own.
 *
 * Names are paths within it: "base.vhd". What fails ends the test.
 */
#ifndef TESTS_VHD_MAKE_H
#define TESTS_VHD_MAKE_H

#include <stdint.h>

/* Files in memory from here on, for tests that make thousands of them. */
void vhd_make_quick(void);

/* A new folder; the process works in it from here on. */
void vhd_make_folder(void);
void vhd_make_gone(void); /* it, and all in it */

void vhd_make(const char *name, uint64_t size);
void vhd_make_fixed(const char *name, uint64_t size);
void vhd_make_child(const char *name, const char *parent);

/* From now on its data is encrypted; it must be empty. */
void vhd_make_encrypted(const char *name, const uint8_t *key, unsigned len);

/* The image is clean: no line of vhd_check() says otherwise. */
void vhd_make_check(const char *name);

#endif /* TESTS_VHD_MAKE_H */
