/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plan-json.c - a plan as JSON; its hash is made of this too. */
#include "lib/json.h"
#include "migrate/plan.h"

static void put_disk(struct json *json, const struct plan_disk *d)
{
	json_object(json, NULL);
	json_string(json, "verdict", plan_verdict_name(d->verdict));
	json_string(json, "reason", d->reason);
	json_string(json, "risk", d->risk);
	json_uint(json, "stall_ms", d->stall_ms);
	json_string(json, "vm", d->vm ? d->vm->name : d->running->domain);
	json_string(json, "file", d->vm ? d->vm->path : NULL);
	json_string(json, "vdev",
		    d->disk      ? d->disk->vdev
		    : d->running ? d->running->vdev
				 : NULL);
	if (d->disk) {
		json_uint(json, "line", d->disk->line);
		json_string(json, "old", d->disk->text);
	}
	json_string(json, "new", d->new);
	if (d->running) {
		json_uint(json, "domid", d->running->domid);
		json_uint(json, "devid", d->running->devid);
	}
	mem_list_json(&d->changes, json, "changes");
	mem_list_json(&d->refused, json, "refused");
	json_end(json);
}

static void put_action(struct json *json, const struct plan_action *a)
{
	json_object(json, NULL);
	json_string(json, "kind", plan_kind_name(a->kind));
	json_string(json, "reason", a->reason);
	if (a->path)
		json_string(json, "path", a->path);
	if (a->kind == PLAN_EDIT) {
		json_uint(json, "line", a->line);
		json_uint(json, "off", a->off);
	}
	if (a->vm)
		json_string(json, "vm", a->vm);
	if (a->kind >= PLAN_UPDATE)
		json_uint(json, "domid", a->domid);
	if (a->kind > PLAN_UPDATE) {
		json_uint(json, "devid", a->devid);
		json_string(json, "vdev", a->vdev);
		json_uint(json, "stall_ms", a->stall_ms);
	}
	json_string(json, "old", a->old);
	json_string(json, "new", a->new);
	json_end(json);
}

void plan_json(const struct plan *plan, struct json *json)
{
	json_object(json, NULL);
	json_string(json, "hash", plan->hash);
	mem_list_json(&plan->refused, json, "refused");
	json_array(json, "disks");
	for (size_t i = 0; i < plan->disk_count; i++)
		put_disk(json, &plan->disks[i]);
	json_end(json);
	json_array(json, "actions");
	for (size_t i = 0; i < plan->action_count; i++)
		put_action(json, &plan->actions[i]);
	json_end(json);
	mem_list_json(&plan->notes, json, "notes");
	json_end(json);
}
