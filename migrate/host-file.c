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

#define MOST (64u << 20) /* no file that is read is larger */

static void note(struct host *host, const char *path, int error)
{
	if (error != ENOENT && error != ENOTDIR)
		mem_list_add(&host->unread, "%s: %s", path, strerror(error));
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
	cleanup_free char *full = mem_printf("%s%s", host->root, path);
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
	cleanup_free char *full = mem_printf("%s%s", host->root, path);
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

bool host_is_device(const struct host *host, const char *path)
{
	cleanup_free char *full = mem_printf("%s%s", host->root, path);
	struct stat st;

	if (!host->live)
		return !strncmp(path, "/dev/", 5);
	return stat(full, &st) == 0 && S_ISBLK(st.st_mode);
}
