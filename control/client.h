/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client.h - libtapctl: talk to tapdisk processes, never for longer than asked.
 *
 * Every exchange has a deadline, so that one tapdisk that hangs concerns
 * nobody else.  The asynchronous form is for daemons; the functions below it
 * run one exchange to its end and are for tools.  dir is the control
 * directory, NULL for /run/blktap-control.
 */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/wire.h"

struct err;
struct loop;

#define TAPCTL_DIR        "/run/blktap-control"
#define TAPCTL_TIMEOUT_MS 10000

/* One request and what ends it. Zeroed memory means: no extras. */
struct tapctl_request {
	const char *dir;
	pid_t pid;
	struct wire_msg msg;
	const void *trailer; /* sent right behind the message */
	size_t trailer_len;
	int fd; /* passed along when pass_fd is true */
	bool pass_fd;
	unsigned timeout_ms; /* 0: TAPCTL_TIMEOUT_MS */
};

struct tapctl_call;

/*
 * Start an exchange on a loop. reply() is called for each message that comes
 * (LIST sends many; others one); end() is called once, last, with 0 or
 * -errno: -ETIMEDOUT, -ENOENT (no such tapdisk), -EPROTO, or what an ERROR
 * reply says, with its sentence in err. The request is copied; fd stays the
 * caller's.
 */
struct tapctl_events {
	void (*reply)(void *arg, const struct wire_msg *msg);
	void (*end)(void *arg, int error, const struct err *err);
	void *arg;
};

int tapctl_start(struct tapctl_call **out, struct loop *loop,
		 const struct tapctl_request *req,
		 const struct tapctl_events *events, struct err *err);

/* Forget a call; end() will not be called. */
void tapctl_cancel(struct tapctl_call *call);

/* One exchange to its end; *rsp is the first reply, may be NULL. */
int tapctl_exchange(const struct tapctl_request *req, struct wire_msg *rsp,
		    struct err *err);

/* A disk of a tapdisk, or a marker without one, or a tapdisk without disks. */
struct tapctl_disk {
	pid_t pid;  /* -1: none */
	int minor;  /* -1: none */
	int state;  /* -1: none; else the bits that old tools read */
	char *type; /* NULL: none */
	char *path; /* NULL: none */
};

/*
 * All of the host's disks (pid and minor >= 0 restrict), malloc'd in one
 * piece for tapctl_list_free(). silent, if not NULL, is called for each
 * tapdisk that did not answer in time.
 */
int tapctl_list(const char *dir, pid_t pid, int minor, struct tapctl_disk **out,
		size_t *count, void (*silent)(pid_t pid, int error));
void tapctl_list_free(struct tapctl_disk *disks, size_t count);

/* Take and give back a minor; -ENOSPC, -ENOENT, -EWOULDBLOCK while held. */
int tapctl_allocate(const char *dir, int *minor, struct err *err);
int tapctl_free(const char *dir, int minor, struct err *err);

/* Start a tapdisk; *pid is its id, once it serves its control socket. */
int tapctl_spawn(const char *dir, pid_t *pid, struct err *err);

#endif /* CONTROL_CLIENT_H */
