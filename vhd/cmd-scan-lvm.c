/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-scan-lvm.c - many images at a time, and those on logical volumes.
 *
 * The names of volumes are asked of lvs, run with an argument vector.
 */
#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vhd/cmd-scan.h"

#define THREADS    4u
#define EACH_LEAST 16u /* images that are worth a thread */

struct pool {
	struct vhd_scans *all;
	atomic_size_t next;
};

static void *scan_some(void *arg)
{
	struct pool *p = arg;
	size_t i;

	while ((i = atomic_fetch_add(&p->next, 1)) < p->all->n)
		vhd_cmd_scan_one(&p->all->scan[i], p->all->flags);
	return NULL;
}

void vhd_cmd_scan_many(struct vhd_scans *all)
{
	struct pool p = { .all = all };
	pthread_t thread[THREADS];
	unsigned n = 0;

	while (n < THREADS && all->n > (n + 1) * EACH_LEAST &&
	       !pthread_create(&thread[n], NULL, scan_some, &p))
		n++;
	(void)scan_some(&p); /* this one takes part */
	while (n--)
		(void)pthread_join(thread[n], NULL); /* was created above */
}

static pid_t start_lvs(const char *group, int *out)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds))
		return -1;
	pid = fork();
	if (!pid) {
		(void)dup2(fds[1], STDOUT_FILENO); /* or lvs fails */
		(void)close(fds[0]);
		(void)close(fds[1]);
		execlp("lvs", "lvs", "--noheadings", "-o", "lv_name", "--",
		       group, (char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]); /* the child's */
	*out = fds[0];
	return pid;
}

static int add_volume(struct vhd_scans *all, const char *group, char *line,
		      const char *filter,
		      int (*add)(struct vhd_scans *all, const char *path))
{
	char *name = line + strspn(line, " \t"), *path;
	int rc;

	name[strcspn(name, " \t\n")] = '\0';
	if (!*name || (filter && fnmatch(filter, name, FNM_EXTMATCH)))
		return 0;
	if (asprintf(&path, "/dev/%s/%s", group, name) < 0)
		return -ENOMEM;
	rc = add(all, path);
	free(path);
	return rc;
}

int vhd_cmd_scan_volumes(struct vhd_scans *all, const char *group,
			 const char *filter,
			 int (*add)(struct vhd_scans *all, const char *path))
{
	int fd, status, rc = 0;
	pid_t pid = start_lvs(group, &fd);
	char *line = NULL;
	size_t room = 0;
	FILE *in;

	if (pid < 0)
		return -errno;
	in = fdopen(fd, "r");
	while (in && !rc && getline(&line, &room, in) > 0)
		rc = add_volume(all, group, line, filter, add);
	free(line);
	if (in)
		(void)fclose(in); /* was read only */
	if ((waitpid(pid, &status, 0) < 0 || status) && !rc) {
		(void)fprintf(stderr, "%s: lvs names no volumes of it\n",
			      group);
		rc = -EIO;
	}
	return rc;
}
