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

#define TAPCTL_DIR "/run/blktap-control"

/* What an exchange may take, unless it says so itself. */
#define TAPCTL_TIMEOUT_MS 10000
#define TAPCTL_SLOW_MS    120000 /* open, close, pause, resume, disconnect */

#define TAPCTL_MINORS 16384 /* minors are 0 to one less */
#define TAPCTL_PATH   108   /* no name in the control directory is longer */

/* One request and what ends it. Zeroed memory means: no extras. */
struct tapctl_request {
	const char *dir;
	pid_t pid;
	struct wire_msg msg;
	const void *trailer; /* sent right behind the message */
	size_t trailer_len;
	int fd; /* passed along when pass_fd is true */
	bool pass_fd;
	unsigned timeout_ms;       /* 0: as above */
	enum wire_lineage lineage; /* the tapdisk's; zero: of our kind */
};

struct tapctl_call;

/*
 * Start an exchange on a loop. reply() is called for each message that comes
 * (LIST sends many; others one); end() is called once, last, with 0 or
 * -errno: -ETIMEDOUT, -ENOENT or -ECONNREFUSED (no such tapdisk), -EPROTO (a
 * list broke off), -EIO (any other did), -EINVAL (another reply than was asked
 * for), -EPROTONOSUPPORT (an older lineage, and not the one that was said; or
 * one that lacks the message), or what an ERROR reply says, with its sentence
 * in err. The request is
 * copied; fd stays the caller's. data() has the JSON of STATS; it and reply()
 * may be NULL, and both may cancel the call.
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

/*
 * Of which lineage a tapdisk is. It is asked what changes nothing in any of
 * them, so that nothing else is sent before this is known; one that knows
 * what only ours do is WIRE_OURS after one question.
 */
int tapctl_lineage(enum wire_lineage *out, const char *dir, pid_t pid,
		   unsigned timeout_ms, struct err *err);

/*
 * One exchange to its end; *rsp is the first reply, may be NULL. The lineage
 * is found out first; the request's is ignored.
 */
int tapctl_exchange(const struct tapctl_request *req, struct wire_msg *rsp,
		    struct err *err);

/* The statistics of a disk as JSON, NUL-terminated, the caller's to free. */
int tapctl_stats(const char *dir, pid_t pid, int minor, char **json,
		 struct err *err);

/* A disk of a tapdisk, or a marker without one, or a tapdisk without disks. */
/* How a minor's disk is served to its main client. */
enum tapctl_kind {
	TAPCTL_KIND_XENIO,   /* a guest's ring */
	TAPCTL_KIND_BLKTAP2, /* the kernel's block device */
};

struct tapctl_disk {
	enum tapctl_kind kind;
	pid_t pid;  /* -1: none */
	int minor;  /* -1: none */
	int state;  /* -1: none; else the bits that old tools read */
	char *type; /* NULL: none */
	char *path; /* NULL: none */
};

struct tapctl_disks {
	struct tapctl_disk *disk;
	size_t count;
};

/*
 * All of the host's disks (pid and minor >= 0 restrict), for
 * tapctl_list_free(). All tapdisks are asked at once. silent, if not NULL, is
 * called for each that did not answer in time. What a dead one has left in
 * the control directory is removed on the way; its markers stay.
 */
int tapctl_list(struct tapctl_disks *out, const char *dir, pid_t pid, int minor,
		void (*silent)(pid_t pid));
void tapctl_list_free(struct tapctl_disks *disks);

/*
 * Take and give back a minor; -ENOSPC, -ENOENT, -EWOULDBLOCK while held. There
 * is one space of numbers: where the blktap2 module is loaded each minor comes
 * from it, whatever its kind; -ENODEV for the kernel's kind where it is not.
 */
int tapctl_allocate(const char *dir, enum tapctl_kind kind, int *minor,
		    struct err *err);
int tapctl_free(const char *dir, int minor, struct err *err);

/* What the marker says; a minor without one, but with a kernel device, is
 * one that an older tool has taken. -ENOENT: neither is there. */
int tapctl_kind(const char *dir, int minor);

/* Make the marker that such a minor lacks; -ENOENT if it is no minor. */
int tapctl_adopt(const char *dir, int minor);

/*
 * Start a tapdisk; *pid is its id, once it serves its control socket. The
 * program is $TAPDISK, else the installed one. It inherits no descriptor.
 * What a tapdisk that could not start has printed is in err, and its exit
 * status is the error; one that did may have a warning there.
 */
int tapctl_spawn(const char *dir, pid_t *pid, struct err *err);

/* dir/NAME, NAME being printf'ed; -ENAMETOOLONG. */
int tapctl_path(char out[TAPCTL_PATH], const char *dir, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Make the control directory, and the one of the markers, if need be. */
int tapctl_make_dirs(const char *dir, struct err *err);

/* Remove sockets and metrics of a process that is no more; else -EBUSY. */
int tapctl_clean(const char *dir, pid_t pid);

/* The same for whatever process has left something. */
void tapctl_clean_all(const char *dir);

#endif /* CONTROL_CLIENT_H */
