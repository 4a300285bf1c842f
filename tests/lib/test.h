/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test.h - what every cmocka program includes, in the order cmocka wants.
 */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif /* TESTS_TEST_H */
