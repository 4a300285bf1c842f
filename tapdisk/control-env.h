/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control-env.h - what control works on, and whom it tells of its end.
 */
#ifndef TAPDISK_CONTROL_ENV_H
#define TAPDISK_CONTROL_ENV_H

#include <sys/types.h>

struct metrics;
struct server;
struct vbd_env;
struct xen;

struct control_env {
	const struct vbd_env *vbd;
	struct server *server;
	struct metrics *metrics; /* NULL: there are none */
	struct xen *xen;         /* NULL: opened when it is needed */
	const char *dir;         /* the control directory */
	pid_t pid;

	/* The last disk is detached, or control_stop() is done. */
	void (*ended)(void *arg);
	void *arg;
};

#endif /* TAPDISK_CONTROL_ENV_H */
