/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-fleet.c - blktap-migrate fleet: many hosts in one report. */
#include <stdio.h>

#include "lib/err.h"
#include "lib/json.h"
#include "migrate/cmd.h"
#include "migrate/fleet.h"

static void print_list(const char *head, const struct mem_list *list)
{
	if (list->count)
		printf("\n%s:\n", head);
	for (size_t i = 0; i < list->count; i++)
		printf("  %s\n", list->item[i]);
}

static void print(const struct fleet *fleet)
{
	printf("%-16s %-12s %-24s %s\n", "host", "xen", "kernel",
	       "disks, of them ours");
	for (size_t i = 0; i < fleet->count; i++) {
		const struct fleet_host *m = &fleet->hosts[i];

		printf("%-16s %-12s %-24s %zu, %zu\n", m->name, m->xen,
		       m->kernel, m->disks, m->ours);
	}
	print_list("Images that several hosts know", &fleet->shared);
	print_list("Disks whose line means something else elsewhere",
		   &fleet->vms);
}

static int print_json(const struct fleet *fleet)
{
	struct json *json = json_new();

	json_object(json, NULL);
	json_array(json, "hosts");
	for (size_t i = 0; i < fleet->count; i++) {
		const struct fleet_host *m = &fleet->hosts[i];

		json_object(json, NULL);
		json_string(json, "name", m->name);
		json_string(json, "xen", m->xen);
		json_string(json, "kernel", m->kernel);
		json_uint(json, "disks", m->disks);
		json_uint(json, "ours", m->ours);
		json_end(json);
	}
	json_end(json);
	mem_list_json(&fleet->shared, json, "shared");
	mem_list_json(&fleet->vms, json, "vms");
	json_end(json);
	return cmd_print(json);
}

static enum cmd_status run(const struct cmd_args *args, struct err *err)
{
	struct fleet fleet = { 0 };
	int rc = 0;

	for (int i = 0; i < args->argc && !rc; i++)
		rc = fleet_load(&fleet, args->argv[i], err);
	if (!rc) {
		fleet_compare(&fleet);
		if (args->json)
			rc = print_json(&fleet);
		else
			print(&fleet);
	}
	fleet_free(&fleet);
	return rc ? CMD_USAGE : CMD_DONE;
}

const struct cmd cmd_fleet = { "fleet", CMD_FILES, run };
