/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * door.h - a listening socket that brings descriptors.
 *
 * What comes in at a plain door is the connection itself.  At a door for
 * couriers it is what a client's one message carries (SCM_RIGHTS); the
 * message's text is told along.  A courier is kept until its message is here,
 * or ten seconds, and there are at most eight of them at a door.
 */
#ifndef TAPDISK_DOOR_H
#define TAPDISK_DOOR_H

#include <stdbool.h>

struct door;
struct err;
struct loop;

struct door_events {
	/* fd is the callee's now; text is "" at a plain door. */
	void (*arrived)(void *arg, int fd, const char *text);
	void *arg;
};

/*
 * Make the socket, with mode 0600, and listen. What a dead process left at
 * path is replaced; on failure nothing is left there. -ENAMETOOLONG if path
 * is none for a socket.
 */
int door_new(struct door **out, struct loop *loop, const char *path,
	     bool couriers, const struct door_events *events, struct err *err);

/* Remove the socket, and send couriers away; NULL is fine. */
void door_free(struct door *door);

#endif /* TAPDISK_DOOR_H */
