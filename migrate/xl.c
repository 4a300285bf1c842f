/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xl.c - the toolstack's program, run to its end.
 */
#include "migrate/xl.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

extern char **environ;

static const char *program(void)
{
	const char *name = getenv("BLKTAP_MIGRATE_XL");

	return name && *name ? name : "xl";
}

/* What it says last is what it failed for. */
static void last_line(int fd, char *to, size_t size)
{
	char text[4096];
	size_t len = 0;
	size_t at;
	ssize_t n;

	while ((n = read(fd, text + len, sizeof(text) - len)) > 0) {
		len += (size_t)n;
		if (len > sizeof(text) / 2) {
			memmove(text, text + len / 2, len - len / 2);
			len -= len / 2;
		}
	}
	while (len && text[len - 1] == '\n')
		len--;
	for (at = len; at && text[at - 1] != '\n';)
		at--;
	if (len - at >= size)
		len = at + size - 1;
	memcpy(to, text + at, len - at);
	to[len - at] = '\0';
}

static int start(pid_t *pid, const char *const *words, int to)
{
	posix_spawn_file_actions_t files;
	int rc = posix_spawn_file_actions_init(&files);

	if (rc)
		return -rc;
	rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY,
					      0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&files, to, 1);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&files, to, 2);
	if (!rc)
		rc = posix_spawnp(pid, words[0], &files, NULL,
				  (char *const *)words, environ);
	(void)posix_spawn_file_actions_destroy(&files); /* cannot fail */
	return -rc;
}

int xl_run(const char *const *words, struct err *err)
{
	char said[160];
	int ends[2];
	int status;
	pid_t pid;
	int rc;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	rc = start(&pid, words, ends[1]);
	(void)close(ends[1]); /* ours; the child has its own */
	if (rc) {
		(void)close(ends[0]); /* nothing was read */
		return err_set(err, rc, "%s: %s", words[0], strerror(-rc));
	}
	last_line(ends[0], said, sizeof(said));
	(void)close(ends[0]); /* read to its end */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return err_set(err, -EIO, "%s %s: %s", words[0], words[1], said);
}

bool xl_is_there(void)
{
	const char *const words[] = { program(), "help", NULL };

	return xl_run(words, NULL) != -ENOENT;
}

int xl_accepts(const char *path, struct err *err)
{
	const char *const words[] = { program(), "create", "-n", path, NULL };

	return xl_run(words, err);
}
