/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon.h - being a daemon: alone, in the background, and saying when ready.
 */
#ifndef XENIO_DAEMON_H
#define XENIO_DAEMON_H

#include <stdbool.h>

struct err;

#define DAEMON_RUN_DIR "/run"

/*
 * Hold type for one domain, or for all with only < 0, until *fd is closed.
 * -EBUSY, and a sentence that names the holder, when it is held; one that
 * serves all excludes one that serves a single domain.
 */
int daemon_lock(int *fd, const char *dir, const char *type, long only,
		struct err *err);

/*
 * -EBUSY if pidfile is of a process that runs and is called name. Anything
 * else, a file that cannot be read included, is 0.
 */
int daemon_other(const char *pidfile, const char *name, struct err *err);

/*
 * Go to the background. In the new process 0, and *ready is to be given to
 * daemon_ready(). The caller's own process does not come back: it exits
 * with 0 once the new one is ready, or as it does.
 */
int daemon_detach(int *ready, struct err *err);

/*
 * Tell whoever waits: the process that was started (ready >= 0, and closed)
 * or the service manager. In the background, the terminal is let go.
 */
void daemon_ready(int ready);

/* Write our pid. */
int daemon_pidfile(const char *path, struct err *err);

#endif /* XENIO_DAEMON_H */
