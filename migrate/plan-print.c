/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plan-print.c - a plan for a person. */
#include <stdio.h>
#include <string.h>

#include "migrate/plan.h"

static const char *or_dash(const char *s)
{
	return s ? s : "-";
}

static void print_list(const char *what, const struct mem_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		printf("  %-8s %s\n", what, list->item[i]);
}

/* Where the number comes from, since no two hosts are alike. */
static void print_stall(const struct plan_disk *d)
{
	if (d->verdict == PLAN_LIVE)
		printf("  %-8s %u ms or more: the least that was seen; 0.4 to "
		       "4.2 s on emulated machines under load\n",
		       "stall", d->stall_ms);
	else if (d->stall_ms)
		printf("  %-8s about %u ms: two hotplug scripts\n", "stall",
		       d->stall_ms);
}

static void print_disk(const struct plan_disk *d)
{
	const char *vdev = d->disk      ? d->disk->vdev
			   : d->running ? d->running->vdev
					: NULL;

	printf("%-6s %s %s", plan_verdict_name(d->verdict),
	       or_dash(d->vm ? d->vm->name : d->running->domain),
	       or_dash(vdev));
	if (d->vm)
		printf("  %s", d->vm->path);
	if (d->disk)
		printf(":%u", d->disk->line);
	if (d->running)
		printf("  domain %u", d->running->domid);
	printf("\n  %-8s %s\n", "because", d->reason);
	if (d->risk)
		printf("  %-8s %s\n", "risk", d->risk);
	print_stall(d);
	print_list("meaning", &d->changes);
	print_list("refused", &d->refused);
	if (d->new)
		printf("  %-8s %s\n  %-8s %s\n", "-", d->disk->text, "+",
		       d->new);
}

static void print_action(size_t n, const struct plan_action *a)
{
	printf("%4zu. %-13s", n, plan_kind_name(a->kind));
	if (a->kind >= PLAN_UPDATE)
		printf(" domain %u %s%s%s", a->domid, or_dash(a->vm),
		       a->vdev ? " " : "", a->vdev ? a->vdev : "");
	if (a->path)
		printf(" %s", a->path);
	if (a->line)
		printf(":%u", a->line);
	printf("  (%s)\n", a->reason);
}

static void print_count(const struct plan *plan)
{
	for (int v = PLAN_KEEP; v <= PLAN_MANUAL; v++) {
		unsigned n = 0;

		for (size_t i = 0; i < plan->disk_count; i++)
			n += plan->disks[i].verdict == (enum plan_verdict)v;
		printf("%s%u %s", v ? ", " : "", n,
		       plan_verdict_name((enum plan_verdict)v));
	}
	printf("\n");
}

void plan_print(const struct plan *plan)
{
	for (size_t i = 0; i < plan->refused.count; i++)
		printf("REFUSED  %s\n", plan->refused.item[i]);
	for (size_t i = 0; i < plan->disk_count; i++)
		print_disk(&plan->disks[i]);
	if (plan->action_count)
		printf("\nTo be done, in this order:\n");
	for (size_t i = 0; i < plan->action_count; i++)
		print_action(i + 1, &plan->actions[i]);
	if (plan->notes.count)
		printf("\nTo know:\n");
	for (size_t i = 0; i < plan->notes.count; i++)
		printf("  %s\n", plan->notes.item[i]);
	printf("\n");
	print_count(plan);
	printf("plan %s\n", plan->hash);
}
