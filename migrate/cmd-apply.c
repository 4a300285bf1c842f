/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-apply.c - blktap-migrate apply: a plan that still fits is done.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "lib/json.h"
#include "migrate/cmd.h"
#include "migrate/move.h"

static enum cmd_status differs(const struct plan *plan, const char *hash,
			       struct err *err)
{
	plan_print(plan);
	if (!hash)
		(void)err_set(err, -EINVAL,
			      "this is the plan; to have it done: apply "
			      "--plan %s",
			      plan->hash);
	else
		(void)err_set(err, -ESTALE,
			      "the host is not as it was for plan %.12s...; "
			      "the plan is now as above, %s",
			      hash, plan->hash);
	return CMD_REFUSED;
}

static enum cmd_status refuse(const struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < plan->refused.count; i++)
		(void)fprintf(stderr, "blktap-migrate: %s\n",
			      plan->refused.item[i]);
	(void)err_set(err, -EPERM, "nothing is done on this host");
	return CMD_REFUSED;
}

/* What failed is undone at once; the reason is that of the failure. */
static enum cmd_status carry_out(struct move *m, struct err *err)
{
	struct err more = { 0 };

	if (!move_forward(m, err))
		return CMD_DONE;
	if (!move_back(m, &more)) {
		(void)err_wrap(err, "%s is rolled back", m->id);
		return CMD_ROLLED_BACK;
	}
	(void)fprintf(stderr, "blktap-migrate: %s\n", more.msg);
	(void)err_wrap(err, "%s is half done: resume or rollback", m->id);
	return CMD_HALF;
}

static enum cmd_status apply(const struct plan *plan,
			     const struct cmd_args *args, struct err *err)
{
	enum cmd_status status = CMD_REFUSED;
	struct move m;

	if (!move_open(&m, args->root, err) && !move_none_open(&m, err) &&
	    !move_make(&m, plan, err)) {
		m.quiet = args->json;
		status = carry_out(&m, err);
	}
	if (status == CMD_DONE && args->json) {
		struct json *json = json_new();

		move_json(&m, json);
		(void)cmd_print(json); /* main looks at stdout */
	} else if (status == CMD_DONE) {
		(void)printf("%s is done; back: blktap-migrate rollback "
			     "--id %s --yes\n",
			     m.id, m.id);
	}
	move_close(&m);
	return status;
}

static enum cmd_status nothing(const struct cmd_args *args)
{
	struct json *json;

	if (!args->json) {
		(void)printf("nothing is to be done\n");
		return CMD_DONE;
	}
	json = json_new();
	json_object(json, NULL);
	json_string(json, "state", "nothing is to be done");
	json_end(json);
	(void)cmd_print(json); /* main looks at stdout */
	return CMD_DONE;
}

static enum cmd_status run(const struct cmd_args *args, struct err *err)
{
	enum cmd_status status;
	struct host host;
	struct plan plan;

	if (host_read(&host, args->root, err) < 0)
		return CMD_REFUSED;
	if (plan_make(&plan, &host, &args->plan, err) < 0) {
		host_free(&host);
		return CMD_REFUSED;
	}
	if (plan.refused.count)
		status = refuse(&plan, err);
	else if (!args->hash || strcmp(args->hash, plan.hash) != 0)
		status = differs(&plan, args->hash, err);
	else if (!plan.action_count)
		status = nothing(args);
	else
		status = apply(&plan, args, err);
	plan_free(&plan);
	host_free(&host);
	return status;
}

const struct cmd cmd_apply = { "apply", CMD_PLAN | CMD_HASH, run };
