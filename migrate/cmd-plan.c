/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-plan.c - blktap-migrate plan: what would be done, and why. */
#include "lib/err.h"
#include "lib/json.h"
#include "migrate/cmd.h"

static enum cmd_status run(const struct cmd_args *args, struct err *err)
{
	enum cmd_status status = CMD_USAGE;
	struct plan plan = { 0 };
	struct host host;
	struct json *json;
	int rc = host_read(&host, args->root, err);

	if (!rc)
		rc = plan_make(&plan, &host, &args->plan, err);
	if (!rc && args->json) {
		json = json_new();
		plan_json(&plan, json);
		rc = cmd_print(json);
	} else if (!rc) {
		plan_print(&plan);
	}
	if (!rc)
		status = plan.refused.count ? CMD_REFUSED : CMD_DONE;
	plan_free(&plan);
	host_free(&host);
	return status;
}

const struct cmd cmd_plan = { "plan", CMD_PLAN, run };
