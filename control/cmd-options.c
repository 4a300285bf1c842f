/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-options.c - from a command's table of options to its arguments.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "control/cmd.h"
#include "lib/parse.h"

#define OPTS_MAX 20
#define HELP     1000

static int set_number(int64_t *out, const char *value, int64_t max)
{
	return parse_int(out, value, 0, max) < 0 ? -EINVAL : 0;
}

int cmd_set_pid(struct cmd_args *args, const char *value)
{
	int64_t n;

	if (set_number(&n, value, INT32_MAX) < 0)
		return -EINVAL;
	args->pid = (pid_t)n;
	return 0;
}

int cmd_set_minor(struct cmd_args *args, const char *value)
{
	int64_t n;

	if (set_number(&n, value, UINT16_MAX - 1) < 0)
		return -EINVAL;
	args->minor = (int)n;
	return 0;
}

int cmd_set_spec(struct cmd_args *args, const char *value)
{
	if (!strchr(value, ':'))
		return -EINVAL;
	args->spec = value;
	return 0;
}

int cmd_set_device(struct cmd_args *args, const char *value)
{
	args->device = value;
	return 0;
}

int cmd_set_rdonly(struct cmd_args *args, const char *value)
{
	(void)value;
	args->flags |= WIRE_RDONLY;
	return args->writable ? -EINVAL : 0;
}

int cmd_set_writable(struct cmd_args *args, const char *value)
{
	(void)value;
	args->writable = true;
	return args->flags & WIRE_RDONLY ? -EINVAL : 0;
}

int cmd_set_buffered(struct cmd_args *args, const char *value)
{
	(void)value;
	args->flags |= WIRE_NO_O_DIRECT;
	return 0;
}

int cmd_set_lcache(struct cmd_args *args, const char *value)
{
	(void)value;
	args->flags |= WIRE_ADD_LCACHE;
	return 0;
}

int cmd_set_prt(struct cmd_args *args, const char *value)
{
	int64_t n;

	if (set_number(&n, value, UINT16_MAX - 1) < 0)
		return -EINVAL;
	args->flags |= WIRE_REUSE_PRT;
	args->prt = (uint32_t)n;
	return 0;
}

int cmd_set_secondary(struct cmd_args *args, const char *value)
{
	args->flags |= WIRE_SECONDARY;
	args->secondary = value;
	return 0;
}

int cmd_set_standby(struct cmd_args *args, const char *value)
{
	(void)value;
	args->flags |= WIRE_STANDBY;
	return 0;
}

int cmd_set_seconds(struct cmd_args *args, const char *value)
{
	int64_t n;

	if (set_number(&n, value, UINT16_MAX) < 0)
		return -EINVAL;
	args->timed = true;
	args->timeout_s = (unsigned)n;
	return 0;
}

int cmd_set_kind(struct cmd_args *args, const char *value)
{
	if (!strcmp(value, "xenio"))
		args->kind = CMD_KIND_XENIO;
	else if (!strcmp(value, "blktap2"))
		args->kind = CMD_KIND_BLKTAP2;
	else
		return -EINVAL;
	return 0;
}

/* Digits are seconds; no transport's name begins with one. */
int cmd_set_time_or_kind(struct cmd_args *args, const char *value)
{
	if (*value >= '0' && *value <= '9')
		return cmd_set_seconds(args, value);
	return cmd_set_kind(args, value);
}

int cmd_set_log(struct cmd_args *args, const char *value)
{
	args->flags |= WIRE_ADD_LOG;
	args->log = value;
	return 0;
}

int cmd_set_force(struct cmd_args *args, const char *value)
{
	(void)value;
	args->force = true;
	return 0;
}

/* A table in the form that getopt_long() takes; it begins with -h. */
struct getopt {
	char letters[2 * OPTS_MAX + 4];
	struct option names[OPTS_MAX + 2];
	const struct cmd_opt *seen[OPTS_MAX];
	size_t nr_seen;
};

static void prepare(struct getopt *g, const struct cmd_opt *opts)
{
	size_t letters = 0, names = 0;

	memset(g, 0, sizeof(*g));
	g->letters[letters++] = 'h';
	g->names[names++] = (struct option){ "help", 0, NULL, 'h' };
	for (const struct cmd_opt *o = opts; o->letter || o->name; o++) {
		if (o->letter)
			g->letters[letters++] = o->letter;
		if (o->letter && o->value)
			g->letters[letters++] = ':';
		if (o->name)
			g->names[names++] =
				(struct option){ o->name, o->value ? 1 : 0,
						 NULL, HELP + (int)(o - opts) };
	}
}

static const struct cmd_opt *find(const struct cmd_opt *opts, int letter)
{
	if (letter >= HELP)
		return &opts[letter - HELP];
	for (const struct cmd_opt *o = opts; o->letter || o->name; o++) {
		if (o->letter == letter)
			return o;
	}
	return NULL;
}

static bool was_seen(const struct getopt *g, const struct cmd_opt *o)
{
	for (size_t i = 0; i < g->nr_seen; i++) {
		if (g->seen[i] == o)
			return true;
	}
	return false;
}

int cmd_parse(const struct cmd *cmd, struct cmd_args *args, int argc,
	      char **argv)
{
	const struct cmd_opt *o;
	struct getopt g;
	int c;

	prepare(&g, cmd->opts);
	while ((c = getopt_long(argc, argv, g.letters, g.names, NULL)) != -1) {
		if (c == 'h')
			return 1;
		o = find(cmd->opts, c);
		if (!o || o->set(args, optarg) < 0)
			return -EINVAL;
		if (!was_seen(&g, o) && g.nr_seen < OPTS_MAX)
			g.seen[g.nr_seen++] = o;
	}
	for (o = cmd->opts; o->letter || o->name; o++) {
		if (o->required && !was_seen(&g, o))
			return -EINVAL;
	}
	return optind < argc ? -EINVAL : 0;
}

void cmd_usage(const struct cmd *cmd, FILE *file)
{
	fprintf(file, "usage: tap-ctl %s", cmd->name);
	for (const struct cmd_opt *o = cmd->opts; o->letter || o->name; o++) {
		fprintf(file, o->required ? " " : " [");
		if (o->letter)
			fprintf(file, "-%c", o->letter);
		else
			fprintf(file, "--%s", o->name);
		if (o->value)
			fprintf(file, " %s", o->value);
		if (!o->required)
			fprintf(file, "]");
	}
	fprintf(file, "\n");
}
