/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-list.c - tap-ctl list: a row for each disk of each tapdisk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/cmd.h"
#include "lib/err.h"
#include "lib/json.h"

static int set_type(struct cmd_args *args, const char *value)
{
	args->type = value;
	return 0;
}

static int set_file(struct cmd_args *args, const char *value)
{
	args->file = value;
	return 0;
}

static int set_json(struct cmd_args *args, const char *value)
{
	(void)value;
	args->json = true;
	return 0;
}

static const struct cmd_opt opts[] = {
	{ 'p', false, "PID", cmd_set_pid, NULL },
	{ 'm', false, "MINOR", cmd_set_minor, NULL },
	{ 't', false, "TYPE", set_type, NULL },
	{ 'f', false, "FILE", set_file, NULL },
	{ 0, false, NULL, set_json, "json" },
	{ 0 },
};

static void silent(pid_t pid)
{
	fprintf(stderr, "tapdisk %d does not answer\n", (int)pid);
}

static bool same(const char *wanted, const char *have)
{
	return !wanted || (have && !strcmp(wanted, have));
}

static const char *number(char *buf, size_t room, const char *fmt, int n)
{
	if (n < 0)
		return "-";
	/* One of the two formats below. */
	if (strcmp(fmt, "%d") != 0)
		(void)snprintf(buf, room, "%#x", (unsigned)n); /* it fits */
	else
		(void)snprintf(buf, room, "%d", n); /* it fits */
	return buf;
}

static const char *kind(const struct tapctl_disk *d)
{
	return d->kind == TAPCTL_KIND_BLKTAP2 ? "blktap2" : "xenio";
}

/* For people: columns. */
static void print_columns(const struct tapctl_disk *d)
{
	char pid[16], minor[16], state[16];

	printf("%8s %4s %4s %7s %10s %s\n",
	       number(pid, sizeof(pid), "%d", (int)d->pid),
	       number(minor, sizeof(minor), "%d", d->minor),
	       number(state, sizeof(state), "%#x", d->state),
	       d->minor < 0 ? "-" : kind(d), d->type ? d->type : "-",
	       d->path ? d->path : "-");
}

/* For programs: what is absent is left out. */
static void print_fields(const struct tapctl_disk *d)
{
	const char *gap = "";

	if (d->pid >= 0) {
		printf("pid=%d", (int)d->pid);
		gap = " ";
	}
	if (d->minor >= 0) {
		printf("%sminor=%d", gap, d->minor);
		gap = " ";
	}
	if (d->state >= 0) {
		printf("%sstate=%#x", gap, (unsigned)d->state);
		gap = " ";
	}
	if (d->path)
		printf("%sargs=%s%s%s", gap, d->type ? d->type : "",
		       d->type ? ":" : "", d->path);
	printf("\n");
}

static void add_json(struct json *json, const struct tapctl_disk *d)
{
	json_object(json, NULL);
	if (d->pid >= 0)
		json_int(json, "pid", d->pid);
	if (d->minor >= 0)
		json_int(json, "minor", d->minor);
	if (d->minor >= 0)
		json_string(json, "kind", kind(d));
	if (d->state >= 0)
		json_int(json, "state", d->state);
	if (d->type)
		json_string(json, "type", d->type);
	if (d->path)
		json_string(json, "path", d->path);
	json_end(json);
}

static bool wanted(const struct cmd_args *args, const struct tapctl_disk *d)
{
	return same(args->type, d->type) && same(args->file, d->path);
}

static int print_json(const struct cmd_args *args,
		      const struct tapctl_disks *disks)
{
	struct json *json = json_new();
	char *text;

	json_array(json, NULL);
	for (size_t i = 0; i < disks->count; i++) {
		if (wanted(args, &disks->disk[i]))
			add_json(json, &disks->disk[i]);
	}
	json_end(json);
	text = json_take(json, NULL);
	json_free(json);
	if (!text)
		return -ENOMEM;
	printf("%s\n", text);
	free(text);
	return 0;
}

static int run(struct cmd_args *args, struct err *err)
{
	void (*print)(const struct tapctl_disk *d) =
		isatty(STDOUT_FILENO) ? print_columns : print_fields;
	struct tapctl_disks disks;
	int rc = tapctl_list(&disks, args->dir, args->pid, args->minor, silent);

	if (rc < 0)
		return err_set(err, rc, "a tapdisk could not be listed");
	if (args->json)
		rc = print_json(args, &disks);
	for (size_t i = 0; i < disks.count && !args->json; i++) {
		if (wanted(args, &disks.disk[i]))
			print(&disks.disk[i]);
	}
	tapctl_list_free(&disks);
	return rc;
}

const struct cmd cmd_list = { "list", opts, run };
