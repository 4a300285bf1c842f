/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client-list.c - which disks there are, from sockets and markers.
 *
 * All tapdisks are asked at once, each with its own deadline, so that the
 * whole takes no longer than the slowest may. The result is an outer join:
 * a tapdisk without disks and a marker without tapdisk each give a row.
 * Within a tapdisk the latest disk comes first, as in the older tools.
 *
 * LIST means the same to tapdisks of all lineages, but the answers of some
 * are shorter: such a one is asked again, alone, in its own words.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compat/blktap2/blktap2.h"
#include "control/client.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/parse.h"

struct listing;

/* One tapdisk and what it has told so far. */
struct asked {
	struct listing *all;
	struct tapctl_call *call;
	pid_t pid;
	bool again; /* perhaps of another lineage */
	struct tapctl_disks rows;
};

struct listing {
	const char *dir;
	struct loop *loop;
	struct asked *asked;
	size_t count;
	size_t waiting;
	int error;
	void (*silent)(pid_t pid);
};

/* Room doubles: at 0, 1, 2, 4 ... rows it is used up. */
static struct tapctl_disk *add_row(struct tapctl_disks *rows)
{
	size_t n = rows->count;
	struct tapctl_disk *p;

	if (!(n & (n - 1))) {
		p = realloc(rows->disk, (n ? 2 * n : 1) * sizeof(*p));
		if (!p)
			return NULL;
		rows->disk = p;
	}
	p = &rows->disk[rows->count++];
	*p = (struct tapctl_disk){ .pid = -1, .minor = -1, .state = -1 };
	return p;
}

void tapctl_list_free(struct tapctl_disks *disks)
{
	for (size_t i = 0; i < disks->count; i++) {
		free(disks->disk[i].type);
		free(disks->disk[i].path);
	}
	free(disks->disk);
	*disks = (struct tapctl_disks){ 0 };
}

/* "type:path"; what has no colon is a path without a type. */
static bool set_name(struct tapctl_disk *d, const char *name)
{
	const char *colon = strchr(name, ':');

	if (!*name)
		return true;
	d->path = strdup(colon ? colon + 1 : name);
	if (colon)
		d->type = strndup(name, (size_t)(colon - name));
	return d->path && (d->type || !colon);
}

static void got_row(void *arg, const struct wire_msg *msg)
{
	struct asked *a = arg;
	struct tapctl_disk *d;

	if (!msg->u.list.count)
		return;
	d = add_row(&a->rows);
	if (!d || !set_name(d, msg->u.list.path)) {
		a->all->error = -ENOMEM;
		return;
	}
	d->pid = a->pid;
	d->minor = msg->u.list.minor;
	d->state = msg->u.list.state;
}

/* One that ended while it was looked for has no disks. */
static bool is_gone(struct asked *a, int error)
{
	if (error == -ECONNREFUSED)
		(void)tapctl_clean(a->all->dir, a->pid); /* if it is dead */
	return error == -ECONNREFUSED || error == -ENOENT;
}

static void got_end(void *arg, int error, const struct err *err)
{
	struct asked *a = arg;
	struct listing *all = a->all;
	struct tapctl_disk *d;

	(void)err;
	a->call = NULL;
	if (!error && !a->rows.count) {
		d = add_row(&a->rows);
		if (d)
			d->pid = a->pid;
	} else if (error && !is_gone(a, error)) {
		if (error == -ETIMEDOUT && all->silent)
			all->silent(a->pid);
		else if (!a->again && error != -ETIMEDOUT)
			a->again = true;
		else if (!all->error)
			all->error = error;
	}
	if (!--all->waiting)
		loop_stop(all->loop);
}

static int ask(struct asked *a, enum wire_lineage lineage)
{
	struct tapctl_request req = { .dir = a->all->dir, .pid = a->pid };
	const struct tapctl_events events = { got_row, NULL, got_end, a };
	int rc;

	req.msg.type = WIRE_LIST;
	req.msg.cookie = WIRE_COOKIE_ALL;
	req.lineage = lineage;
	rc = tapctl_start(&a->call, a->all->loop, &req, &events, NULL);
	if (!rc)
		a->all->waiting++;
	return rc;
}

static int ask_first(struct listing *all, pid_t pid)
{
	struct asked *a = &all->asked[all->count];
	int rc;

	a->all = all;
	a->pid = pid;
	rc = ask(a, WIRE_OURS);
	if (!rc)
		all->count++;
	return rc;
}

/* What has no list has no disks that we could tell of. */
static int ask_again(struct asked *a)
{
	enum wire_lineage lineage;
	int rc = tapctl_lineage(&lineage, a->all->dir, a->pid, 0, NULL);
	struct tapctl_disk *d;

	tapctl_list_free(&a->rows);
	if (!rc && lineage == WIRE_XEN40) {
		d = add_row(&a->rows);
		if (d)
			d->pid = a->pid;
		return d ? 0 : -ENOMEM;
	}
	if (!rc)
		return ask(a, lineage);
	if (rc == -ETIMEDOUT && a->all->silent)
		a->all->silent(a->pid);
	return rc == -ETIMEDOUT || is_gone(a, rc) ? 0 : -EPROTO;
}

/* The number behind prefix at the end of a path; -1 if it is none. */
static int number_of(const char *path, const char *prefix)
{
	const char *name = strrchr(path, '/') + 1;
	int64_t n;

	if (strncmp(name, prefix, strlen(prefix)) != 0 ||
	    parse_int(&n, name + strlen(prefix), 0, INT32_MAX) < 0)
		return -1;
	return (int)n;
}

static int ask_all(struct listing *all, pid_t only)
{
	char pattern[TAPCTL_PATH];
	glob_t found = { 0 };
	int pid, rc;

	if (only >= 0)
		rc = tapctl_path(pattern, all->dir, "ctl%d", (int)only);
	else
		rc = tapctl_path(pattern, all->dir, "ctl*");
	if (rc < 0)
		return rc;
	rc = glob(pattern, 0, NULL, &found) == GLOB_NOSPACE ? -ENOMEM : 0;
	all->asked = calloc(found.gl_pathc + 1, sizeof(*all->asked));
	if (!all->asked)
		rc = -ENOMEM;
	for (size_t i = 0; i < found.gl_pathc && !rc; i++) {
		pid = number_of(found.gl_pathv[i], "ctl");
		if (pid >= 0)
			rc = ask_first(all, pid);
	}
	globfree(&found);
	if (!rc && all->waiting)
		loop_run(all->loop);
	for (size_t i = 0; i < all->count && !rc; i++) {
		if (all->asked[i].again)
			rc = ask_again(&all->asked[i]);
	}
	if (!rc && all->waiting)
		loop_run(all->loop);
	return rc ? rc : all->error;
}

static bool has_minor(const struct tapctl_disks *rows, int minor)
{
	for (size_t i = 0; i < rows->count; i++) {
		if (rows->disk[i].minor == minor)
			return true;
	}
	return false;
}

static int add_markers(const char *dir, struct tapctl_disks *rows)
{
	char pattern[TAPCTL_PATH];
	struct tapctl_disk *d;
	glob_t found = { 0 };
	int minor, rc;

	rc = tapctl_path(pattern, dir, "tapdisk/tapdisk*");
	if (rc < 0)
		return rc;
	rc = glob(pattern, 0, NULL, &found) == GLOB_NOSPACE ? -ENOMEM : 0;
	for (size_t i = 0; i < found.gl_pathc && !rc; i++) {
		minor = number_of(found.gl_pathv[i], "tapdisk-");
		if (minor < 0 || has_minor(rows, minor))
			continue;
		d = add_row(rows);
		if (d)
			d->minor = minor;
		else
			rc = -ENOMEM;
	}
	globfree(&found);
	return rc;
}

/* Move a tapdisk's rows, last first. */
static int take_rows(struct tapctl_disks *to, struct tapctl_disks *from)
{
	struct tapctl_disk *d;

	while (from->count) {
		d = add_row(to);
		if (!d)
			return -ENOMEM;
		*d = from->disk[--from->count];
	}
	return 0;
}

static void keep_minor(struct tapctl_disks *rows, int minor)
{
	size_t kept = 0;

	for (size_t i = 0; i < rows->count; i++) {
		struct tapctl_disk *d = &rows->disk[i];

		if (d->minor == minor) {
			rows->disk[kept++] = *d;
			continue;
		}
		free(d->type);
		free(d->path);
	}
	rows->count = kept;
}

/* Minors of the module for which there is no marker: an older tool's. */
static int add_kernel_minors(struct tapctl_disks *rows)
{
	struct blktap2_host host;
	struct tapctl_disk *d;
	unsigned minors[256];
	int n;

	if (blktap2_probe(&host, "", NULL))
		return 0;
	n = blktap2_list(&host, minors, 256);
	for (int i = 0; i < n; i++) {
		if (has_minor(rows, (int)minors[i]))
			continue;
		d = add_row(rows);
		if (!d)
			return -ENOMEM;
		d->minor = (int)minors[i];
	}
	return 0;
}

static void set_kinds(const char *dir, struct tapctl_disks *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		struct tapctl_disk *d = &rows->disk[i];

		d->kind = TAPCTL_KIND_XENIO;
		if (d->minor >= 0 &&
		    tapctl_kind(dir, d->minor) == TAPCTL_KIND_BLKTAP2)
			d->kind = TAPCTL_KIND_BLKTAP2;
	}
}

static int gather(struct listing *all, pid_t pid, struct tapctl_disks *rows)
{
	int rc = ask_all(all, pid);

	for (size_t i = 0; i < all->count; i++) {
		struct asked *a = &all->asked[i];

		tapctl_cancel(a->call);
		if (!rc)
			rc = take_rows(rows, &a->rows);
		tapctl_list_free(&a->rows);
	}
	if (!rc && pid < 0)
		rc = add_markers(all->dir, rows);
	if (!rc && pid < 0 && !all->dir)
		rc = add_kernel_minors(rows);
	set_kinds(all->dir, rows);
	return rc;
}

int tapctl_list(struct tapctl_disks *out, const char *dir, pid_t pid, int minor,
		void (*silent)(pid_t pid))
{
	struct listing all = { .dir = dir, .silent = silent };
	int rc = loop_new(&all.loop, NULL);

	*out = (struct tapctl_disks){ 0 };
	if (rc < 0)
		return rc;
	rc = gather(&all, pid, out);
	free(all.asked);
	loop_free(all.loop);
	if (rc)
		tapctl_list_free(out);
	if (minor >= 0)
		keep_minor(out, minor);
	return rc;
}
