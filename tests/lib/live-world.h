/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live-world.h - a host with a running guest's disk on blkback, in a folder.
 *
 * XenStore is xen-fake's; /proc, /sys and /run are files; the kernel, xenio
 * and the tapdisks are played by the test: bind and unbind do what blkback
 * would, xenio answers when time passes, and time passes when somebody waits.
 */
#ifndef TESTS_LIB_LIVE_WORLD_H
#define TESTS_LIB_LIVE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "migrate/live.h"
#include "tests/lib/xen-fake.h"

#define WORLD_DOM  1u
#define WORLD_DEV  51712u
#define WORLD_TAPS 4

struct world_tap {
	struct live_tap tap; /* pid 0: none */
	bool attached;       /* of those that were only spawned */
	bool writable;
	bool ring; /* it serves the guest's */
	bool old;  /* of another lineage */
};

struct world {
	char root[64];
	struct xen_fake *fake;
	struct live_env env;
	uint64_t now_ms;
	enum live_kind kind;
	int lock; /* xenio's; -1: it does not run */
	struct world_tap tap[WORLD_TAPS];
	uint64_t sectors; /* of the image */

	/* What the kernel does. */
	unsigned drain_ms;   /* after unbind blkback has the ports so long */
	uint64_t drained_ms; /* until then; 0: it has let go */
	int bound_port;
	int unbind_state; /* what unbind leaves; 4 on kernels that can */
	int bind_state;   /* and bind */
	int put_error;    /* of the next write to sysfs */

	/* What goes wrong. */
	int fail[128];      /* by message: -errno */
	int fail_ours_open; /* for writing, of ours alone */
	int start_error;
	unsigned seats_busy; /* so often attaching finds another's ring */
	const char *refusal; /* xenio answers with this; NULL: it obeys */

	/* What was done. */
	unsigned puts;
	unsigned starts;
	unsigned kills;
	unsigned held; /* hold_seconds when a tapdisk was killed */
	unsigned syncs;
	unsigned writers_most; /* that had the image open at once */
};

void world_new(struct world *w, enum live_kind kind);
void world_free(struct world *w);

/* A node of B, or of F with "F/"; NULL removes. */
void world_node(struct world *w, const char *name, const char *value);
/* malloc'd; NULL: none. */
char *world_read(struct world *w, const char *name);
/* A file below the root, with its folders; NULL removes it. */
void world_file(struct world *w, const char *path, const char *text);
void world_link(struct world *w, const char *path, const char *to);

/* The kernel's driver has the disk. */
bool world_bound(struct world *w);
/* Our tapdisk, the old one; NULL: none. */
struct world_tap *world_ours(struct world *w);
struct world_tap *world_old(struct world *w);

/* Who has a minor; NULL: nobody. */
struct world_tap *world_minor(struct world *w, int minor);

/* As live_ops has them; and the message. */
int world_start(void *arg, struct live_tap *tap, struct err *err);
int world_who(void *arg, const struct live_tap *tap, struct live_who *who);
int world_spawn(void *arg, const char *program, pid_t *pid, struct err *err);
void world_kill(void *arg, const struct live_tap *tap);
int world_attach(struct world *w, const struct live_tap *tap, struct err *err);

void world_xenio(struct world *w, bool runs);

/* All that could be changed: nodes and calls, for a comparison. */
unsigned world_changes(struct world *w);

#endif /* TESTS_LIB_LIVE_WORLD_H */
