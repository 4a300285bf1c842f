/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-rollback.c - blktap-migrate rollback: back to where it began.
 */
#include <errno.h>
#include <stdio.h>

#include "lib/err.h"
#include "lib/json.h"
#include "migrate/cmd.h"
#include "migrate/move.h"

/* What is to be undone; or, after it, what was. */
static void show(const struct move *m, const struct cmd_args *args)
{
	struct json *json;

	if (args->json) {
		json = json_new();
		move_json(m, json);
		(void)cmd_print(json); /* main looks at stdout */
		return;
	}
	(void)printf("%s: %s\n", m->id, move_state_name(m->state));
}

static enum cmd_status rollback(struct move *m, const struct cmd_args *args,
				struct err *err)
{
	m->quiet = args->json;
	if (m->state != MOVE_BACK && !args->really) {
		show(m, args);
		(void)err_set(err, -EINVAL,
			      "to have it undone: rollback --yes");
		return CMD_REFUSED;
	}
	if (move_back(m, err) < 0) {
		(void)err_wrap(err, "%s is half undone", m->id);
		return CMD_HALF;
	}
	show(m, args);
	return CMD_DONE;
}

static enum cmd_status run(const struct cmd_args *args, struct err *err)
{
	enum cmd_status status = CMD_REFUSED;
	struct move m;

	if (!move_open(&m, args->root, err) && !move_load(&m, args->id, err))
		status = rollback(&m, args, err);
	move_close(&m);
	return status;
}

const struct cmd cmd_rollback = { "rollback", CMD_ID | CMD_YES, run };
