/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * full.h - a filter for the tests, "full:LIMIT:raw:/x": a file system that has
 * no space past LIMIT bytes of the file.
 */
#ifndef TESTS_FULL_H
#define TESTS_FULL_H

#include "tapdisk/driver.h"

extern const struct driver full_driver;

#endif /* TESTS_FULL_H */
