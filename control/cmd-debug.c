/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-debug.c - tap-ctl debug: what a tapdisk writes to its log.
 */
#include <errno.h>
#include <stdio.h>

#include "control/cmd.h"
#include "lib/err.h"

static int set_topics(struct cmd_args *args, const char *value)
{
	args->topics = value;
	return 0;
}

static const struct cmd_opt opts[] = {
	{ 'p', true, "PID", cmd_set_pid, NULL },
	{ 'T', true, "TOPIC,...", set_topics, NULL },
	{ 0 },
};

static int run(struct cmd_args *args, struct err *err)
{
	struct tapctl_request req = { .msg = { .type = WIRE_DEBUG } };

	if (snprintf(req.msg.u.params.path, WIRE_PATH, "%s", args->topics) >=
	    WIRE_PATH)
		return err_set(err, -ENAMETOOLONG, "too many topics");
	return cmd_exchange(args, &req, NULL, err);
}

const struct cmd cmd_debug = { "debug", opts, run };
