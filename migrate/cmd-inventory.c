/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-inventory.c - blktap-migrate inventory: what there is on a host. */
#include "lib/err.h"
#include "lib/json.h"
#include "migrate/cmd.h"

static enum cmd_status run(const struct cmd_args *args, struct err *err)
{
	struct host host;
	struct json *json;
	int rc = host_read(&host, args->root, err);

	if (!rc && args->json) {
		json = json_new();
		host_json(&host, json);
		rc = cmd_print(json);
	} else if (!rc) {
		host_print(&host);
	}
	host_free(&host);
	return rc ? CMD_USAGE : CMD_DONE;
}

const struct cmd cmd_inventory = { "inventory", 0, run };
