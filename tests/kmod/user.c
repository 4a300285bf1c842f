/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * user.c - the disk's user: one request in a child.
 */
#include "tests/kmod/user.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

void user_start(struct user *u, int (*fn)(const char *node), const char *node)
{
	fflush(stdout);
	u->pid = fork();
	if (!u->pid)
		_exit(fn(node));
}

int user_end(struct user *u, int timeout_ms)
{
	int status;

	for (; timeout_ms > 0; timeout_ms -= 10) {
		if (waitpid(u->pid, &status, WNOHANG) == u->pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
		usleep(10000);
	}
	return -1;
}

void user_wait_disk(const char *node)
{
	int fd = -1;

	for (int i = 0; i < 6000 && fd < 0; i++, usleep(10000))
		fd = open(node, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
}

static int transfer(const char *node, int flags, size_t len, off_t off)
{
	void *buf = NULL;
	ssize_t n;
	int fd = open(node, flags | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		return errno;
	if (posix_memalign(&buf, 4096, len))
		return ENOMEM;
	memset(buf, 0x5a, len);
	n = (flags & O_WRONLY) ? pwrite(fd, buf, len, off)
			       : pread(fd, buf, len, off);
	if (n < 0)
		return errno;
	if (!(flags & O_WRONLY) && ((uint8_t *)buf)[len - 1] != 0xa5)
		return EBADMSG;
	return 0;
}

int user_read(const char *node)
{
	return transfer(node, O_RDONLY, 4096, 8 * 512);
}

int user_read_big(const char *node)
{
	return transfer(node, O_RDONLY, 64 * 1024, 0);
}

int user_write(const char *node)
{
	return transfer(node, O_WRONLY, 1024, 3 * 512);
}

int user_fsync(const char *node)
{
	int fd = open(node, O_WRONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) ? errno : 0;
}

int user_discard(const char *node)
{
	uint64_t range[2] = { 1 << 20, 1 << 20 };
	int fd = open(node, O_WRONLY | O_CLOEXEC);

	return fd < 0 || ioctl(fd, BLKDISCARD, range) ? errno : 0;
}

bool user_file_has(const char *path, const char *word)
{
	char text[8192];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = '\0';
	if (f)
		fclose(f);
	return strstr(text, word) != NULL;
}

void user_teardown(struct tap *tap, int control)
{
	int err = -EBUSY;

	for (int i = 0; err == -EBUSY && i < 500; i++) {
		err = tap_ioctl(tap->fd, ABI_REMOVE, 0);
		if (err)
			usleep(10000);
	}
	tap_check(err == 0, "REMOVE ends once the disk is closed");
	tap_close(tap);
	tap_check(tap_ioctl(control, ABI_FREE_TAP, tap->h.minor) == 0,
		  "FREE of an idle minor");
}
