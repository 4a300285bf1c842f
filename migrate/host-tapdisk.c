/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-tapdisk.c - tapdisk processes of every lineage, and what they serve.
 *
 * Processes are found by their programs, images by "tap-ctl list": of the
 * control sockets on a live host, captured in a tree.  A tapdisk that does
 * not answer is in the inventory all the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/client.h"
#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "lib/parse.h"
#include "migrate/host-int.h"

#define LIST "/tap-ctl-list"

#define LINEAGE_MS 2000 /* for one that hangs */

/* Is in every program of ours that talks on a control socket. */
#define OUR_MARK "BLKTAP_CONTROL_DIR"

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool has_mark(struct host *host, const char *path)
{
	size_t len = 0;
	char *text = host_slurp(host, path, &len);
	bool found = text && memmem(text, len, OUR_MARK, strlen(OUR_MARK));

	free(text);
	return found;
}

static bool packaged(const struct host *host)
{
	for (size_t i = 0; i < host->item_count; i++) {
		if (host->items[i].what == HOST_PACKAGE)
			return true;
	}
	return false;
}

enum host_lineage host_lineage(struct host *host, const char *path)
{
	if (has_mark(host, path))
		return HOST_OURS;
	if (host->toolstacks & HOST_XAPI)
		return HOST_XAPI3;
	if (host->toolstacks & HOST_OPENXT)
		return strcmp(base(path), "tapdisk2") != 0 ? HOST_XAPI3
							   : HOST_BT25;
	if (packaged(host))
		return HOST_BT25;
	if (host->xen.major == 4 && host->xen.minor < 13)
		return host->xen.minor ? HOST_XEN42 : HOST_XEN40;
	return HOST_UNKNOWN;
}

static struct host_tapdisk *find(struct host *host, pid_t pid)
{
	for (size_t i = 0; i < host->tapdisk_count; i++) {
		if (host->tapdisks[i].pid == pid)
			return &host->tapdisks[i];
	}
	return NULL;
}

/* Keys, locks and places: what a successor has to be told too. */
static void take_env(struct host *host, struct host_tapdisk *t)
{
	static const char *const names[] = { "TAPDISK", "LIBVHD", "VHD_",
					     "BLKTAP" };
	cleanup_free char *path = mem_printf("/proc/%d/environ", (int)t->pid);
	size_t len = 0;
	char *text = host_slurp(host, path, &len);

	for (char *at = text; text && at < text + len; at += strlen(at) + 1) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			if (!strncmp(at, names[i], strlen(names[i])))
				mem_list_add(&t->env, "%s", at);
		}
	}
	free(text);
}

static struct host_tapdisk *add(struct host *host, pid_t pid, const char *exe)
{
	struct host_tapdisk *t = mem_add(&host->tapdisks, &host->tapdisk_count,
					 sizeof(*host->tapdisks));
	cleanup_free char *link = mem_printf("/proc/%d/exe", (int)pid);

	t->pid = pid;
	t->exe = exe ? mem_dup(exe) : host_link(host, link);
	/* The link leads to the program even when its file was replaced. */
	t->lineage = t->exe ? host_lineage(host, host->live ? link : t->exe)
			    : HOST_UNKNOWN;
	take_env(host, t);
	return t;
}

/* true: who it is may not be known. */
static bool take_process(struct host *host, const char *name)
{
	static const char *const programs[] = { "tapdisk", "tapdisk2",
						"tapdisk (deleted)",
						"tapdisk2 (deleted)" };
	cleanup_free char *path = mem_printf("/proc/%s/exe", name);
	size_t unread = host->unread.count;
	uint64_t pid;
	char *exe;

	if (parse_uint(&pid, name, 1, INT32_MAX) < 0)
		return false;
	/* A kernel thread's link leads nowhere, which is no news. */
	exe = host_link(host, path);
	if (host->unread.count > unread) {
		free(host->unread.item[unread]);
		host->unread.count = unread;
		return true;
	}
	for (size_t i = 0; exe && i < ARRAY_SIZE(programs); i++) {
		if (!strcmp(base(exe), programs[i])) {
			add(host, (pid_t)pid, exe);
			break;
		}
	}
	free(exe);
	return false;
}

static void take_image(struct host *host, const struct host_image *image,
		       pid_t pid)
{
	struct host_tapdisk *t = find(host, pid);
	struct host_image *copy;

	if (!t)
		t = add(host, pid, NULL);
	t->answers = true;
	if (image->minor < 0)
		return;
	copy = mem_add(&t->images, &t->count, sizeof(*t->images));
	*copy = *image;
	copy->type = mem_dup(image->type);
	copy->path = mem_dup(image->path);
}

/* pid=N minor=N state=HEX args=TYPE:PATH */
static void take_line(struct host *host, char *line)
{
	struct host_image image = { .minor = -1, .state = -1 };
	char *args = strstr(line, "args=");
	unsigned state;
	int pid;

	if (sscanf(line, "pid=%d minor=%d state=%x", &pid, &image.minor,
		   &state) < 1)
		return;
	if (sscanf(line, "pid=%*d minor=%*d state=%x", &state) == 1)
		image.state = (int)state;
	if (args) {
		args += 5;
		image.path = strchr(args, ':');
		if (image.path) {
			*image.path++ = '\0';
			image.type = args;
		}
	}
	take_image(host, &image, pid);
}

void host_tapdisks_parse(struct host *host, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line = mem_ndup(text, len);

		take_line(host, line);
		free(line);
		text += len + (text[len] == '\n');
	}
}

static void ask(struct host *host)
{
	struct tapctl_disks disks;
	int rc =
		tapctl_list(&disks, getenv("BLKTAP_CONTROL_DIR"), -1, -1, NULL);

	if (rc < 0) {
		mem_list_add(&host->unread, "control sockets: %s",
			     strerror(-rc));
		return;
	}
	for (size_t i = 0; i < disks.count; i++) {
		const struct tapctl_disk *d = &disks.disk[i];
		struct host_image image = { d->minor, d->state, d->type,
					    d->path };

		if (d->pid >= 0)
			take_image(host, &image, d->pid);
	}
	tapctl_list_free(&disks);
}

/* What it says itself counts more than its program's name. */
static void ask_lineage(struct host_tapdisk *t)
{
	static const enum host_lineage ours[] = {
		[WIRE_XS6] = HOST_XAPI2,   [WIRE_EARLY3] = HOST_EARLY3,
		[WIRE_TAP2] = HOST_BT25,   [WIRE_XEN42] = HOST_XEN42,
		[WIRE_XEN40] = HOST_XEN40,
	};
	enum wire_lineage said;

	if (tapctl_lineage(&said, getenv("BLKTAP_CONTROL_DIR"), t->pid,
			   LINEAGE_MS, NULL) < 0)
		return;
	t->answers = true;
	if (said != WIRE_OURS)
		t->lineage = ours[said];
	else if (t->lineage != HOST_OURS)
		t->lineage = HOST_XAPI3;
}

static int by_pid(const void *a, const void *b)
{
	return ((const struct host_tapdisk *)a)->pid -
	       ((const struct host_tapdisk *)b)->pid;
}

void host_tapdisks_read(struct host *host)
{
	struct mem_list names;
	unsigned hidden = 0;
	char *text;

	host_names(host, "/proc", &names);
	for (size_t i = 0; i < names.count; i++)
		hidden += take_process(host, names.item[i]);
	mem_list_free(&names);
	if (hidden)
		mem_list_add(&host->unread, "/proc: %u processes", hidden);
	if (host->live) {
		ask(host);
		for (size_t i = 0; i < host->tapdisk_count; i++)
			ask_lineage(&host->tapdisks[i]);
	} else {
		text = host_slurp(host, LIST, NULL);
		if (text)
			host_tapdisks_parse(host, text);
		free(text);
	}
	if (host->tapdisk_count)
		qsort(host->tapdisks, host->tapdisk_count,
		      sizeof(*host->tapdisks), by_pid);
}
