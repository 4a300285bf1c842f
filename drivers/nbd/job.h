/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * job.h - a request of ours, as commands to an NBD server.
 *
 * libnbd's callbacks are made with its lock held, so they take notes only:
 * a job whose commands have all ended is put on finished, and dealt with when
 * the call into libnbd has returned.
 */
#ifndef DRIVERS_NBD_JOB_H
#define DRIVERS_NBD_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"
#include "tapdisk/req.h"

struct nbd_handle;

struct job {
	struct list link;
	struct req *req;
	struct nbd_handle *h;
	struct list *finished;
	uint64_t command_max; /* bytes of data of a command */
	uint64_t covers;      /* the owner's */
	int err;              /* -ENOTCONN: the server is gone */

	/* Its own. */
	unsigned out;  /* commands, and one while they are being made */
	uint64_t at;   /* of a request that is one command after the other */
	uint64_t from; /* where its last command began */
};

/* Ask the server for the whole request, or for the next piece of it. */
void job_issue(struct job *job);

/* It has finished: whether there is another piece to issue. */
bool job_goes_on(struct job *job);

#endif /* DRIVERS_NBD_JOB_H */
