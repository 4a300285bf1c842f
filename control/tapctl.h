/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tapctl.h - libtapctl: start, direct and list tapdisk processes.
 *
 * A call blocks until it is done or its deadline is over, so that one tapdisk
 * that hangs concerns nobody else. pid is a tapdisk's, minor a disk's; dir is
 * the control directory, NULL for TAPCTL_DIR. What returns an int returns 0
 * or -errno if it does not say otherwise, with a sentence in err unless that
 * is NULL. Nothing is printed, and no variable is shared between calls. What
 * may be asked of a tapdisk, and its answers, are in wire.h.
 */
#ifndef CONTROL_TAPCTL_H
#define CONTROL_TAPCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/wire.h"

#ifdef __cplusplus
extern "C" {
#endif

struct err;

#define TAPCTL_DIR "/run/blktap-control"

/* What an exchange may take, unless it says so itself. */
#define TAPCTL_TIMEOUT_MS 10000
#define TAPCTL_SLOW_MS    120000 /* open, close, pause, resume, disconnect */

#define TAPCTL_MINORS 16384 /* minors are 0 to one less */

/*
 * One request and what ends it. Zeroed memory means: no extras. A trailer is
 * what an OPEN carries by its flags: for ADD_LOG, the log's path in
 * WIRE_LOG_TRAILER bytes; then, for OPEN_ENCRYPTED, a byte that says how long
 * the key is, and the key.
 */
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

/* How a minor's disk is served to its main client. */
enum tapctl_kind {
	TAPCTL_KIND_XENIO,   /* a guest's ring */
	TAPCTL_KIND_BLKTAP2, /* the kernel's block device */
};

/* A disk of a tapdisk, or a marker without one, or a tapdisk without disks. */
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

/* Make the control directory, and the one of the markers, if need be. */
int tapctl_make_dirs(const char *dir, struct err *err);

/* Remove sockets and metrics of a process that is no more; else -EBUSY. */
int tapctl_clean(const char *dir, pid_t pid);

/* The same for whatever process has left something. */
void tapctl_clean_all(const char *dir);

#ifdef __cplusplus
}
#endif

#endif /* CONTROL_TAPCTL_H */
