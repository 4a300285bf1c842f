/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap-ctl.c - the command line to tapdisk processes.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cmd.h"
#include "lib/bytes.h"
#include "lib/err.h"

static const struct cmd *const commands[] = {
	&cmd_list,    &cmd_allocate, &cmd_free,   &cmd_create,
	&cmd_destroy, &cmd_spawn,    &cmd_attach, &cmd_detach,
	&cmd_open,    &cmd_close,    &cmd_pause,  &cmd_unpause,
	&cmd_stats,   &cmd_major,    &cmd_check,  &cmd_debug,
};

static void usage(void)
{
	printf("usage: tap-ctl COMMAND [OPTIONS]\nCOMMAND := {");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("%s %s", i ? " |" : "", commands[i]->name);
	printf(" }\n");
}

static const struct cmd *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	}
	return NULL;
}

/* The word may be anywhere. */
static bool take_debug(int *argc, char **argv)
{
	bool found = false;
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		if (i && !strcmp(argv[i], "--debug"))
			found = true;
		else
			argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	*argc = kept;
	return found;
}

/* The sentence, then the words that older tools print alone. */
static int complain(int rc, const struct err *err)
{
	if (fflush(stdout) != 0 && !rc)
		rc = -EIO;
	if (!rc)
		return 0;
	if (err->msg[0])
		fprintf(stderr, "%s\n", err->msg);
	fprintf(stderr, "%s\n", strerror(-rc));
	return -rc;
}

int main(int argc, char **argv)
{
	struct cmd_args args = { .pid = -1, .minor = -1 };
	struct err err = { 0 };
	const struct cmd *cmd;
	int rc;

	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail */
	args.debug = take_debug(&argc, argv);
	args.dir = getenv("BLKTAP_CONTROL_DIR");
	cmd = argc > 1 ? find(argv[1]) : NULL;
	if (!cmd) {
		usage();
		return 0;
	}
	rc = cmd_parse(cmd, &args, argc - 1, argv + 1);
	if (rc) {
		cmd_usage(cmd, rc > 0 ? stdout : stderr);
		return complain(rc > 0 ? 0 : rc, &err);
	}
	return complain(cmd->run(&args, &err), &err);
}
