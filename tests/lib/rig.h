/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rig.h - a whole stack in a few lines: clients, a disk, its images.
 *
 *	struct rig *rig = rig_new(NULL);
 *	assert_int_equal(rig_open(rig, "ram:1048576"), 0);
 *	assert_int_equal(rig_write(rig, 512, "abc...", 512), 0);
 *	rig_free(rig);
 *
 * Time stands still and is moved by rig_pass(). Every wait gives up, and
 * fails the test, after some seconds of real time.
 */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "lib/err.h"
#include "lib/loop.h"
#include "tapdisk/channel.h"
#include "tapdisk/vbd.h"
#include "tests/lib/transport-mem.h"

#define RIG_SECOND UINT64_C(1000000000)

struct rig {
	struct loop *loop;
	struct work *work;
	struct io *io;
	struct vbd *vbd;
	struct mem_client client; /* rig_read() and others are its */
	struct err err;           /* of what failed last */
	uint64_t now_ns;
};

/* A call under way, to be waited for. */
struct rig_call {
	struct vbd_call call;
	bool done;
	struct err err;
};

/* client's settings are taken over; NULL: as they come. */
struct rig *rig_new(const struct mem_client *client);

/* Closes by force what is open. */
void rig_free(struct rig *rig);

/* Open the disk and, if it is not open, the client's channel. */
int rig_open(struct rig *rig, const char *spec);
int rig_open_with(struct rig *rig, const struct vbd_open *args);
int rig_join(struct rig *rig, struct mem_client *client);

int rig_pause(struct rig *rig);
int rig_resume(struct rig *rig, const char *spec);
int rig_close(struct rig *rig, bool force);

/* The same without the wait: pass call on, then rig_wait() for it. */
struct vbd_call *rig_call(struct rig_call *call);
int rig_called(struct rig *rig, struct rig_call *call);

/* One request, from ask to answer. */
int rig_read(struct rig *rig, uint64_t off, void *buf, uint64_t len);
int rig_write(struct rig *rig, uint64_t off, const void *buf, uint64_t len);
int rig_flush(struct rig *rig);
int rig_op(struct rig *rig, struct mem_op *op);

/* Turn the loop until it has nothing to do, or until flag. */
void rig_settle(struct rig *rig);
void rig_wait(struct rig *rig, const bool *flag);
void rig_pass(struct rig *rig, uint64_t ns);

#endif /* TESTS_RIG_H */
