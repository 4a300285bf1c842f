/* SPDX-License-Identifier: GPL-2.0-or-later */
/* live-impl.h - what the files of live share. */
#ifndef MIGRATE_LIVE_IMPL_H
#define MIGRATE_LIVE_IMPL_H

#include "migrate/live.h"
#include "xenio/xenbus.h"

#define LIVE_PATH     512
#define LIVE_LIMIT_MS 30000
#define LIVE_STEPS    6

/* Nodes of B that belong to us; xenio serves a disk that has the first. */
#define LIVE_OWNER  "xenio-owner"
#define LIVE_STATUS "xenio-status"
#define LIVE_LIMIT  "xenio-limit-ms"
#define LIVE_ENDS   "xenio-ends" /* ours goes with the disk */

struct live {
	const struct live_env *env;
	unsigned domid;
	unsigned devid;
	unsigned limit_ms;
	char name[32];   /* vbd-D-ID, as the kernel calls it */
	char back[128];  /* B */
	char front[256]; /* F */
	char *spec;      /* what ours opens */
	char device[64]; /* of blkback: loop0, tdA, dm-3 */
	unsigned major;  /* its numbers */
	unsigned minor;
	enum live_kind kind;
	bool readonly;
	uint64_t sectors; /* of 512 bytes */
	uint32_t sector_size;
	pid_t old_pid;  /* who was behind the tapdev; 0: not known yet */
	unsigned ports; /* how many are known; they stay while it runs */
	uint32_t port[XENBUS_QUEUES_MAX];
	uint64_t gone_ms; /* when the guest lost its backend; 0: it has one */
	uint64_t back_ms; /* when it had one again; 0: not yet */
	unsigned took_ms[LIVE_STEPS];
};

/* --- live-look.c --------------------------------------------------------- */

/* A node of B or F, the caller's to free; NULL: none. */
char *live_node(const struct live *l, const char *name);
char *live_front_node(const struct live *l, const char *name);
/* As a number; -1: none, or it is none. */
long live_number(const struct live *l, const char *name);
long live_front_number(const struct live *l, const char *name);

/* A file below the root, its first line, the caller's to free; NULL: none. */
char *live_file(const struct live *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The last part of where a link leads; false: no such link. */
bool live_link(const struct live *l, char *out, size_t size, const char *fmt,
	       ...) __attribute__((format(printf, 4, 5)));

/* Whether the kernel has a driver bound to the disk. */
bool live_bound(const struct live *l);

/* The layout of F's rings, and their ports. */
int live_ring(const struct live *l, struct xenbus_ring *ring, struct err *err);

/* Both sides connected and online. */
int live_steady(const struct live *l, struct err *err);

/* --- live-tap.c ---------------------------------------------------------- */

extern const struct live_ops live_tap_ops;

/* The tapdisk that B/pid and B/minor name; pid -1: none. */
int live_tap_ours(const struct live *l, struct live_tap *tap);
/* The one behind a tapdev. */
int live_tap_old(struct live *l, struct live_tap *tap);

/* Whether it has an image open and running; whether it is paused. */
bool live_tap_runs(const struct live_tap *tap);
bool live_tap_paused(const struct live_tap *tap);

int live_tap_simple(const struct live *l, const struct live_tap *tap,
		    enum wire_type type, struct err *err);

/* Open the image, see that it is the disk, or close it again. */
int live_tap_open(const struct live *l, const struct live_tap *tap,
		  bool readonly, struct err *err);

/* The same of one that cannot be asked what it has opened. */
int live_tap_open_old(const struct live *l, const struct live_tap *tap,
		      bool readonly, struct err *err);

/* Whether it can read the image, which is open elsewhere; closed again. */
int live_tap_try(const struct live *l, const struct live_tap *tap,
		 struct err *err);

#endif /* MIGRATE_LIVE_IMPL_H */
