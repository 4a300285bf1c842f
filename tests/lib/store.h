/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store.h - a medium in memory that answers in any order and keeps a log.
 *
 * "store:" is the one there is; the test makes and frees it. Requests are
 * kept and, turn by turn, some of them are answered, picked by a seed. A
 * write changes the bytes when it is answered.  The log says what was asked
 * for and answered, and what else the test wants noted in between: so what
 * the medium may hold after a cut at any entry can be made again.
 */
#ifndef TESTS_STORE_H
#define TESTS_STORE_H

#include "tapdisk/driver.h"

#define STORE_MAX (UINT64_C(128) << 20)

enum store_what {
	STORE_ASKED,
	STORE_ANSWERED, /* entry: the index of what was asked */
	STORE_NOTE,     /* of the test's own */
};

struct store_entry {
	enum store_what what;
	enum req_op op;
	uint64_t off;
	uint64_t len;
	uint8_t *data; /* of a write */
	unsigned entry;
	int note;
	unsigned arg;
};

struct store {
	uint8_t *data; /* STORE_MAX bytes of room */
	uint64_t size;
	unsigned caps;
	uint64_t seed;
	bool at_once; /* answer all in the order of asking */
	bool lazy;    /* zeroing takes many turns */

	struct store_entry *log;
	unsigned entries;
	unsigned room;

	struct image *img;
	struct list held;
	unsigned count;
	struct timer timer;
};

extern struct store store;
extern const struct driver store_driver;

/* A store with the bytes of a file. */
void store_new(const char *path, uint64_t seed);
void store_free(void);
void store_note(int note, unsigned arg);

/* The next of a row of numbers that a seed begins. */
uint64_t store_random(uint64_t *seed);

#endif /* TESTS_STORE_H */
