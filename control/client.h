/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client.h - exchanges with tapdisk processes on an event loop.
 *
 * For daemons of ours: the loop is not installed, so neither is this. What a
 * tool needs, one exchange to its end and the like, is in tapctl.h.
 */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <stddef.h>

#include "control/tapctl.h"

struct err;
struct loop;

#define TAPCTL_PATH 108 /* no name in the control directory is longer */

struct tapctl_call;

/*
 * Start an exchange on a loop. reply() is called for each message that comes
 * (LIST sends many; others one); end() is called once, last, with 0 or
 * -errno: -ETIMEDOUT, -ENOENT or -ECONNREFUSED (no such tapdisk), -EPROTO (a
 * list broke off), -EIO (any other did), -EINVAL (another reply than was asked
 * for), -EPROTONOSUPPORT (an older lineage, and not the one that was said; or
 * one that lacks the message), or what an ERROR reply says, with its sentence
 * in err. The request is copied; fd stays the caller's. data() has the JSON of
 * STATS; it and reply() may be NULL, and both may cancel the call.
 */
struct tapctl_events {
	void (*reply)(void *arg, const struct wire_msg *msg);
	void (*data)(void *arg, const char *text, size_t len);
	void (*end)(void *arg, int error, const struct err *err);
	void *arg;
};

int tapctl_start(struct tapctl_call **out, struct loop *loop,
		 const struct tapctl_request *req,
		 const struct tapctl_events *events, struct err *err);

/* Forget a call; end() will not be called. */
void tapctl_cancel(struct tapctl_call *call);

/* dir/NAME, NAME being printf'ed; -ENAMETOOLONG. */
int tapctl_path(char out[TAPCTL_PATH], const char *dir, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* CONTROL_CLIENT_H */
