/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * work.h - a few threads for what may block: opening, closing, odd files.
 *
 * run() is called on a worker and touches only what its job points to;
 * done() is called later on the loop's thread, at depth one.  The job is the
 * caller's memory and must live until done().
 */
#ifndef LIB_WORK_H
#define LIB_WORK_H

#include "lib/list.h"
#include "lib/loop.h"

struct err;
struct work;

struct job {
	void (*run)(struct job *job);
	void (*done)(struct job *job);
	struct list link;
	struct deferred back;
	struct work *work;
};

int work_new(struct work **out, struct loop *loop, unsigned threads,
	     struct err *err);

/* Waits for jobs that run; none may be queued any more. */
void work_free(struct work *work);

/* Jobs start in the order of submission. */
void work_submit(struct work *work, struct job *job);

#endif /* LIB_WORK_H */
