/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client-clean.c - remove what a killed tapdisk has left behind.
 *
 * Its sockets and its metrics go; its markers stay, for they say that the
 * minor is taken, and whoever took it gives it back. A guest's metrics may
 * already be another tapdisk's: a living one holds a lock on them.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/cleanup.h"

#define SHM "/dev/shm"

static void remove_matching(const char *pattern)
{
	glob_t found = { 0 };

	if (!glob(pattern, 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			(void)unlink(found.gl_pathv[i]); /* another may have */
	}
	globfree(&found);
}

/* The metrics of a guest's disk, unless a tapdisk that lives has them. */
static void remove_guest(const char *name)
{
	char path[TAPCTL_PATH];
	cleanup_fd int fd = -1;

	if (tapctl_path(path, SHM, "vbd3-%s/statistics", name) < 0)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	(void)unlink(path); /* all of these */
	(void)tapctl_path(path, SHM, "vbd3-%s/io_ring", name); /* may have */
	(void)unlink(path);                            /* been removed */
	(void)tapctl_path(path, SHM, "vbd3-%s", name); /* by another */
	(void)rmdir(path);
}

static void remove_metrics(pid_t pid)
{
	char path[TAPCTL_PATH];
	glob_t found = { 0 };

	(void)tapctl_path(path, SHM, "td3-%d/vbd-*", (int)pid); /* it fits */
	if (!glob(path, 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			remove_guest(strstr(found.gl_pathv[i], "/vbd-") + 5);
	}
	globfree(&found);
	(void)tapctl_path(path, SHM, "td3-%d/*", (int)pid); /* it fits */
	remove_matching(path);
	(void)tapctl_path(path, SHM, "td3-%d", (int)pid); /* it fits */
	(void)rmdir(path);                                /* another may have */
}

int tapctl_clean(const char *dir, pid_t pid)
{
	static const char *const per_disk[] = { "nbd", "nbd-old", "nbdserver",
						"nbdserver-new" };
	char path[TAPCTL_PATH];

	if (pid <= 0)
		return -EINVAL;
	if (!kill(pid, 0) || errno != ESRCH)
		return -EBUSY;
	for (size_t i = 0; i < sizeof(per_disk) / sizeof(*per_disk); i++) {
		if (!tapctl_path(path, dir, "%s%d.*", per_disk[i], (int)pid))
			remove_matching(path);
	}
	if (!tapctl_path(path, dir, "nbdclient%d", (int)pid))
		(void)unlink(path); /* it need not be there */
	remove_metrics(pid);
	/* Last: this is what it is found by. */
	if (!tapctl_path(path, dir, "ctl%d", (int)pid))
		(void)unlink(path); /* another may have */
	return 0;
}

void tapctl_clean_all(const char *dir)
{
	char path[TAPCTL_PATH];
	glob_t found = { 0 };
	int pid;

	if (tapctl_path(path, dir, "ctl*") < 0)
		return;
	(void)glob(path, 0, NULL, &found); /* none is fine */
	(void)glob(SHM "/td3-*", found.gl_pathc ? GLOB_APPEND : 0, NULL,
		   &found); /* likewise */
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *name = strrchr(found.gl_pathv[i], '/');

		if (sscanf(name, "/ctl%d", &pid) == 1 ||
		    sscanf(name, "/td3-%d", &pid) == 1)
			(void)tapctl_clean(dir, pid); /* if it is dead */
	}
	globfree(&found);
}
