/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plan.c - a plan in memory: names of what is in it, and its end. */
#include "migrate/plan.h"

#include <stdlib.h>

#include "lib/bytes.h"

static void free_disk(struct plan_disk *d)
{
	free(d->reason);
	free(d->risk);
	free(d->new);
	mem_list_free(&d->changes);
	mem_list_free(&d->refused);
}

static void free_action(struct plan_action *a)
{
	free(a->path);
	free(a->old);
	free(a->new);
	free(a->reason);
	free(a->vm);
	free(a->vdev);
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->disk_count; i++)
		free_disk(&plan->disks[i]);
	for (size_t i = 0; i < plan->action_count; i++)
		free_action(&plan->actions[i]);
	free(plan->disks);
	free(plan->actions);
	mem_list_free(&plan->refused);
	mem_list_free(&plan->notes);
	*plan = (struct plan){ 0 };
}

const char *plan_verdict_name(enum plan_verdict verdict)
{
	static const char *const names[] = {
		[PLAN_KEEP] = "KEEP",     [PLAN_COLD] = "COLD",
		[PLAN_HOT] = "HOT",       [PLAN_LIVE] = "LIVE",
		[PLAN_MANUAL] = "MANUAL",
	};

	return verdict <= PLAN_MANUAL ? names[verdict] : "?";
}

const char *plan_kind_name(enum plan_kind kind)
{
	static const char *const names[] = {
		[PLAN_EDIT] = "edit",         [PLAN_CREATE] = "create",
		[PLAN_UNLINK] = "unlink",     [PLAN_UPDATE] = "config-update",
		[PLAN_HOT_SWAP] = "hot-swap", [PLAN_TAKEOVER] = "takeover",
		[PLAN_SERVE] = "serve",
	};

	return (size_t)kind < ARRAY_SIZE(names) ? names[kind] : "?";
}
