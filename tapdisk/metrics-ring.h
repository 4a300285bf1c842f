/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics-ring.h - the file io_ring of a guest's device: where its ring is.
 *
 * Eight bytes, the text's CRC-32 as a number of 64 bits; then the text, three
 * lines of indices in the form that collectors know. It is renamed into place
 * when it is complete, and then written over.
 */
#ifndef TAPDISK_METRICS_RING_H
#define TAPDISK_METRICS_RING_H

#include <stdbool.h>

#include "control/client.h"

struct err;
struct ring_indices;

struct metrics_ring {
	char path[TAPCTL_PATH];
	bool made;
	int fd;
};

/* In this folder; zeroed memory, or one that is closed. */
int metrics_ring_open(struct metrics_ring *file, const char *dir,
		      struct err *err);
void metrics_ring_write(const struct metrics_ring *file,
			const struct ring_indices *at);
/* Removes it, unless it is another process's by now. May be called twice. */
void metrics_ring_close(struct metrics_ring *file);

#endif /* TAPDISK_METRICS_RING_H */
