/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hold.h - a driver that does what the test says: "hold:" of hold.size bytes.
 *
 * It keeps each request until hold_answer(), or answers at once if pass is
 * set, with err. Data lies in memory. There is one of them at a time; the
 * variables are the test's to set, hold_reset() puts them back. Those that
 * open() and close() change are atomic: a worker runs them.
 */
#ifndef TESTS_HOLD_H
#define TESTS_HOLD_H

#include <stdatomic.h>

#include "lib/list.h"
#include "tapdisk/driver.h"

#define HOLD_SIZE (1u << 20)

struct hold {
	uint64_t size; /* at most HOLD_SIZE */
	uint32_t block_size;
	unsigned caps;
	atomic_uint fail_opens; /* so many opens fail, with -ENODEV */
	uint8_t id[16];
	bool pass;
	int err;

	struct image *img; /* while it is open */
	struct list held;  /* requests, by answer.link */
	unsigned count;    /* of them */
	unsigned most;     /* there were at once */
	unsigned ops[REQ_RESIZE + 1];
	unsigned fua;
	atomic_uint opens, closes;
	uint64_t off, len; /* of the last request */
	uint8_t data[HOLD_SIZE];
};

extern struct hold hold;
extern const struct driver hold_driver;

void hold_reset(void);

/* Answer the oldest request held; false if there is none. */
bool hold_answer(int err);

#endif /* TESTS_HOLD_H */
