/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * channel-suite.h - what every transport must do, as tests.
 *
 * A transport's test fills in a kit, which is the client's end, and calls
 * suite_run(). The suite brings the disk: a "hold:" of 1 MiB.
 */
#ifndef TESTS_CHANNEL_SUITE_H
#define TESTS_CHANNEL_SUITE_H

#include "tests/lib/rig.h"

struct suite_kit {
	const char *name;
	unsigned depth; /* requests that the client may have out */
	bool discards;  /* the client can ask for REQ_DISCARD too, one */

	/* Connect to rig->vbd, which is open. The client, or NULL. */
	void *(*join)(struct rig *rig);

	/*
	 * Ask. Read, write and flush (and discard, if it can) are used, of
	 * 4096 bytes, and no more than depth at once. buf is the client's
	 * until the answer.
	 */
	void (*ask)(void *client, unsigned tag, enum req_op op, uint64_t off,
		    void *buf);

	/* The next answer that the client has seen; false: none yet. */
	bool (*answer)(void *client, unsigned *tag, bool *ok);

	/* Go away without a word; the channel must notice by itself. */
	void (*leave)(void *client);

	/* Free it; the channel is gone. */
	void (*free)(void *client);
};

/* For main(): runs them all, returns how many failed. */
int suite_run(const struct suite_kit *kit);

#endif /* TESTS_CHANNEL_SUITE_H */
