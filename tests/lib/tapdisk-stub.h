/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tapdisk-stub.h - a tapdisk as the xenio daemon sees it.
 *
 * It has a process of its own, which only waits to be killed, and a control
 * socket that is served by the test's loop.  It keeps account of the rings it
 * was asked to serve, the way a real one does, and can be told to be an older
 * one, to fail, to hang, or to have requests in flight.
 */
#ifndef TESTS_LIB_TAPDISK_STUB_H
#define TESTS_LIB_TAPDISK_STUB_H

#include <stdbool.h>
#include <sys/types.h>

#include "control/wire.h"

struct loop;
struct stub;

#define STUB_RINGS 64

struct stub *stub_new(struct loop *loop, const char *dir);
void stub_free(struct stub *stub);

pid_t stub_pid(const struct stub *stub);

/* Its process is gone, and its socket answers nobody. */
void stub_kill(struct stub *stub);

void stub_disk(struct stub *stub, uint64_t sectors, uint32_t info,
	       uint32_t discard);
void stub_older(struct stub *stub); /* knows no message of ours */

/* Answer type with this errno (positive) from now on; 0: no more. */
void stub_fail(struct stub *stub, enum wire_type type, int error);
/* The same, for one queue's CONNECT_QUEUE. */
void stub_fail_queue(struct stub *stub, unsigned queue, int error);
/* Do not answer type; 0: answer everything again. */
void stub_hang(struct stub *stub, enum wire_type type);
/* While true, DISCONNECT is not answered: something is in flight. */
void stub_in_flight(struct stub *stub, bool in_flight);

/* Rings served now; messages of a type so far; the last one that connected. */
unsigned stub_rings(const struct stub *stub);
unsigned stub_count(const struct stub *stub, enum wire_type type);
const struct wire_msg *stub_last(const struct stub *stub);

#endif /* TESTS_LIB_TAPDISK_STUB_H */
