/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-open.c - disks whose tapdisk nobody starts but us.
 *
 * Where xen-blkback is not loaded, the lines of its disks are served by us,
 * and the toolstack's script knows nothing of tapdisks.  So when the guest
 * has a ring a program is run, "OPENER open PATH", that writes pid and minor
 * below PATH ("backend/vbd/5/51712"), and "OPENER close PATH MINOR" when the
 * guest is done.  The link counts as busy meanwhile.
 */
#include "xenio/device-impl.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"

static void end_open(struct device *dev, bool ok)
{
	struct err why;

	/* It has written pid and minor. */
	if (ok && device_store_read(dev) >= 0 && dev->view.tapdisk) {
		device_look_in(dev, 0);
		return;
	}
	(void)err_set(&why, -EIO,
		      "%s has failed; the log and hotplug-error say why",
		      dev->env->opener);
	device_fail(dev, &why);
}

static void end_close(struct device *dev, bool ok)
{
	struct device_nodes nodes = { .count = 0 };

	if (!ok)
		log_warn("%s: minor %d could not be closed", dev->name,
			 dev->minor);
	dev->self.opened = false;
	dev->pid = 0;
	if (dev->view.present) {
		device_store_drop(&nodes, "pid");
		device_store_drop(&nodes, "minor");
		/* Else it is closed once more. */
		(void)device_store_write(dev, &nodes);
	}
	device_look_in(dev, 0);
}

static void ended(struct device *dev, bool ok)
{
	dev->self.link = XENBUS_LINK_NONE;
	if (dev->opening)
		end_open(dev, ok);
	else
		end_close(dev, ok);
}

void device_open_forget(struct device *dev)
{
	if (dev->child.fd < 0)
		return;
	loop_unwatch(dev->env->loop, &dev->child);
	(void)close(dev->child.fd); /* a pidfd */
	dev->child.fd = -1;
}

static void child_ended(struct watch *w, uint32_t events)
{
	struct device *dev = container_of(w, struct device, child);
	int status = -1;

	(void)events;
	if (waitpid(dev->child_pid, &status, WNOHANG) == 0)
		return;
	device_open_forget(dev);
	ended(dev, status == 0);
}

/* With the signals as they are for a program, and none of our descriptors. */
static int spawn(struct device *dev, char *const argv[])
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, pipe;
	int rc;

	(void)sigemptyset(&none);
	(void)sigemptyset(&pipe);
	(void)sigaddset(&pipe, SIGPIPE);
	rc = posix_spawn_file_actions_init(&files);
	if (rc)
		return -rc;
	rc = posix_spawnattr_init(&attr);
	if (!rc) {
		(void)posix_spawnattr_setsigmask(&attr, &none);
		(void)posix_spawnattr_setsigdefault(&attr, &pipe);
		(void)posix_spawnattr_setflags(
			&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
		rc = posix_spawn_file_actions_addclosefrom_np(&files, 3);
		if (!rc)
			rc = posix_spawn(&dev->child_pid, argv[0], &files,
					 &attr, argv, environ);
		(void)posix_spawnattr_destroy(&attr);
	}
	(void)posix_spawn_file_actions_destroy(&files);
	return -rc;
}

static int start(struct device *dev, char *const argv[])
{
	int rc = spawn(dev, argv);

	if (rc < 0)
		return rc;
	dev->child.fd = (int)syscall(SYS_pidfd_open, dev->child_pid, 0);
	if (dev->child.fd < 0)
		return -errno;
	rc = loop_watch(dev->env->loop, &dev->child, EPOLLIN);
	if (rc < 0) {
		(void)close(dev->child.fd); /* a pidfd */
		dev->child.fd = -1;
	}
	return rc;
}

void device_open_run(struct device *dev, bool open)
{
	char path[96], minor[16], program[DEVICE_PATH_MAX];
	char verb_open[] = "open", verb_close[] = "close";
	char *const argv[] = { program, open ? verb_open : verb_close, path,
			       open ? NULL : minor, NULL };
	int rc;

	(void)snprintf(program, sizeof(program), "%s", dev->env->opener);
	(void)snprintf(path, sizeof(path), "backend/%s", dev->name);
	(void)snprintf(minor, sizeof(minor), "%d", dev->minor);
	dev->opening = open;
	dev->self.link = XENBUS_LINK_BUSY;
	rc = start(dev, argv);
	if (rc < 0) {
		log_warn("%s: %s: %s", dev->name, program, strerror(-rc));
		ended(dev, false);
	}
}

void device_open_learn(struct device *dev)
{
	if (dev->self.opens && dev->view.tapdisk)
		dev->self.opened = true;
}

void device_open_init(struct device *dev)
{
	dev->child.fd = -1;
	dev->child.ready = child_ended;
	dev->self.opens = dev->env->opener && !dev->id.marked &&
			  strcmp(dev->id.type, "vbd") == 0;
}
