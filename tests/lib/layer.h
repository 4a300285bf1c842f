/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layer.h - a format for the tests: "layer:FILE" is FILE, with a parent if
 * the test says so. It reads its first sector at open and at close, as a
 * format does, and writes down what happens to it.
 */
#ifndef TESTS_LAYER_H
#define TESTS_LAYER_H

#include "tapdisk/driver.h"

#define LAYER_LOG 64

struct layer_world {
	const char *const *parents; /* of the first opened, the second, ... */
	unsigned count;             /* of them */
	unsigned opens;
	unsigned open_now;
	unsigned fail_at; /* this open fails; from 1; 0: none does */
	unsigned fail_attach_at;
	unsigned attached;
	char log[LAYER_LOG]; /* o(pen) a(ttach) d(etach) c(lose) */
	bool wrong_thread;
};

extern struct layer_world layer_world;
extern const struct driver layer_driver;

#endif /* TESTS_LAYER_H */
