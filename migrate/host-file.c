/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-file.c - files, folders and links of a host, under its root. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "migrate/host-int.h"

#define MOST  (64u << 20) /* no file that is read is larger */
#define LINKS 40          /* as the kernel has it */

static void note(struct host *host, const char *path, int error)
{
	if (error != ENOENT && error != ENOTDIR)
		mem_list_add(&host->unread, "%s: %s", path, strerror(error));
}

/* One name more on a path; the path's last one less. */
static void go(char **path, const char *name, size_t len)
{
	char *more;

	if (len == 2 && !strncmp(name, "..", 2)) {
		char *slash = strrchr(*path, '/');

		if (slash)
			*slash = '\0';
		return;
	}
	if (!len || (len == 1 && *name == '.'))
		return;
	more = mem_printf("%s/%.*s", *path, (int)len, name);
	free(*path);
	*path = more;
}

char *host_resolve(const char *root, const char *path)
{
	char *done = mem_dup(""), *left = mem_dup(path);
	unsigned links = 0;

	while (*left) {
		size_t len = strcspn(left, "/");
		cleanup_free char *rest = mem_dup(left + len + !!left[len]);
		cleanup_free char *at =
			mem_printf("%s%s/%.*s", root, done, (int)len, left);
		char to[4096];
		ssize_t n = len ? readlink(at, to, sizeof(to) - 1) : -1;

		if (n >= 0 && ++links > LINKS) {
			free(done);
			free(left);
			return NULL;
		}
		to[n < 0 ? 0 : n] = '\0';
		if (n < 0)
			go(&done, left, len);
		else if (to[0] == '/')
			done[0] = '\0';
		free(left);
		left = mem_printf("%s/%s", to, rest);
		if (n < 0)
			memmove(left, left + 1, strlen(left));
	}
	free(left);
	return done;
}

/* A path of the host as one of this machine; in a tree no link leads out. */
static char *full_path(const struct host *host, const char *path)
{
	char *inside, *full;

	if (host->live)
		return mem_dup(path);
	inside = host_resolve(host->root, path);
	full = mem_printf("%s%s", host->root, inside ? inside : path);
	free(inside);
	return full;
}

/* All that can be read: what /proc says of a size is nothing. */
static char *read_all(int fd, size_t *len)
{
	size_t have = 0, room = 4096;
	char *buf = mem_zalloc(room);

	for (;;) {
		ssize_t n = read(fd, buf + have, room - have - 1);

		if (n <= 0) {
			buf[have] = '\0';
			*len = have;
			if (!n)
				return buf;
			free(buf);
			return NULL;
		}
		have += (size_t)n;
		if (have > MOST) {
			free(buf);
			errno = EFBIG;
			return NULL;
		}
		if (room - have < 2) {
			char *more = mem_zalloc(room *= 2);

			memcpy(more, buf, have);
			free(buf);
			buf = more;
		}
	}
}

char *host_slurp(struct host *host, const char *path, size_t *len)
{
	cleanup_free char *full = full_path(host, path);
	cleanup_fd int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	size_t n;
	char *text;

	if (fd < 0) {
		note(host, path, errno);
		return NULL;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	text = read_all(fd, len ? len : &n);
	if (!text)
		note(host, path, errno);
	return text;
}

char *host_line(struct host *host, const char *path)
{
	char *text = host_slurp(host, path, NULL);

	if (text)
		text[strcspn(text, "\n")] = '\0';
	return text;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void host_names(struct host *host, const char *path, struct mem_list *out)
{
	cleanup_free char *full = full_path(host, path);
	DIR *dir = opendir(full);
	struct dirent *d;

	*out = (struct mem_list){ 0 };
	if (!dir) {
		note(host, path, errno);
		return;
	}
	while ((d = readdir(dir))) {
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			mem_list_add(out, "%s", d->d_name);
	}
	(void)closedir(dir); /* only read */
	if (out->count)
		qsort(out->item, out->count, sizeof(*out->item), by_name);
}

char *host_link(struct host *host, const char *path)
{
	cleanup_free char *full = mem_printf("%s%s", host->root, path);
	char buf[4096];
	ssize_t n = readlink(full, buf, sizeof(buf) - 1);

	if (n < 0) {
		if (errno != EINVAL)
			note(host, path, errno);
		return NULL;
	}
	return mem_ndup(buf, (size_t)n);
}

bool host_exists(const struct host *host, const char *path)
{
	cleanup_free char *full = mem_printf("%s%s", host->root, path);
	struct stat st;

	return lstat(full, &st) == 0;
}

bool host_is_folder(const struct host *host, const char *path)
{
	cleanup_free char *full = full_path(host, path);
	struct stat st;

	return stat(full, &st) == 0 && S_ISDIR(st.st_mode);
}

bool host_is_there(const struct host *host, const char *path)
{
	cleanup_free char *full = full_path(host, path);
	struct stat st;

	return stat(full, &st) == 0;
}

bool host_is_device(const struct host *host, const char *path)
{
	cleanup_free char *full = mem_printf("%s%s", host->root, path);
	struct stat st;

	if (!host->live)
		return !strncmp(path, "/dev/", 5);
	return stat(full, &st) == 0 && S_ISBLK(st.st_mode);
}
