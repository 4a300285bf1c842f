/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-resume.c - blktap-migrate resume: what was cut off goes on.
 */
#include <errno.h>
#include <stdio.h>

#include "lib/err.h"
#include "lib/json.h"
#include "migrate/cmd.h"
#include "migrate/move.h"

static void tell(const struct move *m, bool json)
{
	struct json *out;

	if (!json) {
		(void)printf("%s: %s\n", m->id, move_state_name(m->state));
		return;
	}
	out = json_new();
	move_json(m, out);
	(void)cmd_print(out); /* main looks at stdout */
}

static enum cmd_status resume(struct move *m, const struct cmd_args *args,
			      struct err *err)
{
	bool back = m->state == MOVE_RETURNS;

	m->quiet = args->json;
	if (m->state == MOVE_DONE || m->state == MOVE_BACK) {
		tell(m, args->json);
		return CMD_DONE;
	}
	if (!args->really) {
		tell(m, args->json);
		(void)err_set(err, -EINVAL, "to have it go on: resume --yes");
		return CMD_REFUSED;
	}
	if ((back ? move_back(m, err) : move_forward(m, err)) < 0)
		return CMD_HALF;
	tell(m, args->json);
	return CMD_DONE;
}

static enum cmd_status run(const struct cmd_args *args, struct err *err)
{
	enum cmd_status status = CMD_REFUSED;
	struct move m;

	if (!move_open(&m, args->root, err) && !move_load(&m, args->id, err))
		status = resume(&m, args, err);
	move_close(&m);
	return status;
}

const struct cmd cmd_resume = { "resume", CMD_ID | CMD_YES, run };
