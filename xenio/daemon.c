/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon.c - being a daemon.
 */
#include "xenio/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/parse.h"

#define PATH 256

/* The first line of a file, without its end; false: there is none. */
static bool first_line(int fd, char *out, size_t size)
{
	ssize_t n = pread(fd, out, size - 1, 0);

	if (n <= 0)
		return false;
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return true;
}

static int put_pid(int fd)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return -errno;
	return 0;
}

static int lock_file(int *out, const char *path, int how, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	char pid[16];
	int rc;

	if (fd < 0)
		return err_sys(err, "%s", path);
	if (flock(fd, how | LOCK_NB) == 0) {
		*out = fd;
		return 0;
	}
	if (errno != EWOULDBLOCK)
		rc = err_sys(err, "%s", path);
	else if (first_line(fd, pid, sizeof(pid)))
		rc = err_set(err, -EBUSY, "process %s serves it; %s is locked",
			     pid, path);
	else
		rc = err_set(err, -EBUSY,
			     "another process serves it; %s is "
			     "locked",
			     path);
	(void)close(fd); /* not locked */
	return rc;
}

int daemon_lock(int *fd, const char *dir, const char *type, long only,
		struct err *err)
{
	char path[PATH];
	int all = -1, rc;

	(void)snprintf(path, sizeof(path), "%s/xenio-%s.lock", dir, type);
	rc = lock_file(&all, path, only < 0 ? LOCK_EX : LOCK_SH, err);
	if (rc < 0) {
		(void)err_wrap(err, "backend/%s", type); /* rc is its code */
		return rc;
	}
	if (only < 0) {
		*fd = all;
		return put_pid(all);
	}
	(void)snprintf(path, sizeof(path), "%s/xenio-%s-%ld.lock", dir, type,
		       only);
	rc = lock_file(fd, path, LOCK_EX, err);
	if (rc < 0) {
		(void)close(all); /* the shared lock */
		(void)err_wrap(err, "backend/%s/%ld", type, only); /* as rc */
		return rc;
	}
	/* Shared, and held to the end of the process: nobody closes it. */
	return put_pid(*fd);
}

int daemon_other(const char *pidfile, const char *name, struct err *err)
{
	cleanup_fd int fd = open(pidfile, O_RDONLY | O_CLOEXEC);
	cleanup_fd int comm = -1;
	char text[32], path[PATH];
	uint64_t pid;

	if (fd < 0 || !first_line(fd, text, sizeof(text)) ||
	    parse_uint(&pid, text, 1, INT32_MAX) < 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	comm = open(path, O_RDONLY | O_CLOEXEC);
	if (comm < 0 || !first_line(comm, path, sizeof(path)) ||
	    strcmp(path, name) != 0)
		return 0;
	return err_set(err, -EBUSY,
		       "%s runs as process %d and serves the same disks; stop "
		       "it first",
		       name, (int)pid);
}

/* Wait for the new process to be ready or to end, and end as it did. */
static void wait_for(int fd, pid_t pid) __attribute__((noreturn));

static void wait_for(int fd, pid_t pid)
{
	char byte;
	ssize_t n;
	int status;

	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == 0)
		_exit(1);
	_exit(WEXITSTATUS(status));
}

int daemon_detach(int *ready, struct err *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	pid = fork();
	if (pid < 0)
		return err_sys(err, "fork");
	if (pid > 0) {
		(void)close(fds[1]); /* the new process has it */
		wait_for(fds[0], pid);
	}
	(void)close(fds[0]); /* the old process has it */
	if (setsid() < 0 || chdir("/") < 0)
		return err_sys(err, "setsid");
	*ready = fds[1];
	return 0;
}

/* What sd_notify() does, without its library. */
static void notify_manager(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	static const char text[] = "READY=1";
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	cleanup_fd int fd = -1;

	if (len < 2 || len >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	if (addr.sun_path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* A manager that does not hear it gives us up, and says so. */
	(void)sendto(fd, text, sizeof(text) - 1, MSG_NOSIGNAL,
		     (const struct sockaddr *)&addr,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

static void let_go_of_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd < 3; fd++)
		(void)dup2(null, fd); /* what is left is harmless */
	if (null > 2)
		(void)close(null); /* /dev/null */
}

void daemon_ready(int ready)
{
	ssize_t n;

	notify_manager();
	if (ready < 0)
		return;
	let_go_of_terminal();
	do {
		n = write(ready, "1", 1);
	} while (n < 0 && errno == EINTR);
	(void)close(ready); /* said, or nobody waits */
}

int daemon_pidfile(const char *path, struct err *err)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	int rc;

	if (fd < 0)
		return err_sys(err, "%s", path);
	rc = put_pid(fd);
	return rc < 0 ? err_set(err, rc, "%s: %s", path, strerror(-rc)) : 0;
}
