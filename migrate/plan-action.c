/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan-action.c - the actions of a plan, in their order: what is needed
 * first, then configurations, then running guests, then what is not needed
 * any more.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "migrate/plan-int.h"

#define MODULES_FILE  "/etc/modules-load.d/blktap-migrate.conf"
#define MODPROBE_FILE "/etc/modprobe.d/blktap-migrate.conf"

static struct plan_action *add(struct plan_maker *m, enum plan_kind kind,
			       const char *path, const char *reason)
{
	struct plan_action *a =
		mem_add(&m->plan->actions, &m->plan->action_count,
			sizeof(*m->plan->actions));

	a->kind = kind;
	a->path = mem_dup(path);
	a->reason = mem_dup(reason);
	return a;
}

static bool any(const struct plan *plan, enum plan_verdict verdict)
{
	for (size_t i = 0; i < plan->disk_count; i++) {
		if (plan->disks[i].verdict == verdict)
			return true;
	}
	return false;
}

/* Something will go on using the kernel device. */
static bool needs_module(const struct plan *plan)
{
	for (size_t i = 0; i < plan->disk_count; i++) {
		const struct plan_disk *d = &plan->disks[i];
		const char *script = d->disk ? d->disk->script : NULL;

		if (d->verdict == PLAN_MANUAL ||
		    (d->verdict == PLAN_KEEP && script &&
		     strstr(script, "block-tap")))
			return true;
	}
	return false;
}

static bool converts(const struct plan *plan)
{
	return any(plan, PLAN_COLD) || any(plan, PLAN_HOT) ||
	       any(plan, PLAN_LIVE);
}

/* A bootloader reads the disk of a guest through domain 0's own blkfront. */
static bool needs_blkfront(const struct plan_maker *m)
{
	for (size_t i = 0; i < m->plan->disk_count; i++) {
		const struct plan_disk *d = &m->plan->disks[i];

		if (d->vm && d->vm->bootloader && d->new &&
		    (!m->plan->options.goal.native ||
		     strstr(d->new, "format=vhd")))
			return true;
	}
	return false;
}

/* The first word of a list's line; behind it are the module's options. */
static bool names(const struct host_item *item, const char *module)
{
	const char *line = item->detail;
	size_t len = strlen(module);

	if (item->what != HOST_MODULE_LINE)
		return false;
	line += strspn(line, " \t");
	return strcspn(line, " \t\r") == len && !strncmp(line, module, len);
}

static bool names_blktap(const struct host_item *item)
{
	return names(item, "blktap") || names(item, "blktap2");
}

static bool listed(const struct host *host, const char *a, const char *b)
{
	for (size_t i = 0; i < host->item_count; i++) {
		if (names(&host->items[i], a) || names(&host->items[i], b))
			return true;
	}
	return false;
}

static void before(struct plan_maker *m)
{
	struct plan_action *a;

	if (needs_blkfront(m) &&
	    !listed(m->host, "xen-blkfront", "xen_blkfront")) {
		a = add(m, PLAN_CREATE, MODULES_FILE,
			"a bootloader reads the guest's disk in domain 0");
		a->new = mem_dup("xen-blkfront\n");
	}
	if (any(m->plan, PLAN_LIVE)) {
		a = add(m, PLAN_CREATE, MODPROBE_FILE,
			"a warning for whoever reloads xen-blkback");
		a->new = mem_dup(
			"# Disks that blktap-migrate took over from "
			"xen-blkback are lost to their\n"
			"# guests if it is loaded again or a device is bound "
			"to it by hand.\n");
	}
}

/* Of all disks of a managed domain, one file is made. */
static void export(struct plan_maker *m, const struct plan_disk *d)
{
	cleanup_free char *path = mem_printf("/etc/xen/%s.cfg", d->vm->name);
	size_t len;
	cleanup_free char *text = plan_slurp(m->host, d->vm->path, &len);
	struct plan_action *a;

	if (d->disk != &d->vm->disks[0] || !text)
		return;
	a = add(m, PLAN_CREATE, path, "xend's managed domain, for xl");
	a->vm = mem_dup(d->vm->name);
	/* It was done once for the verdict. */
	if (conf_export(&a->new, d->vm, text, len, &m->plan->options.goal,
			NULL) < 0)
		a->new = mem_dup("");
}

static void edit(struct plan_maker *m, const struct plan_disk *d)
{
	struct plan_action *a =
		add(m, PLAN_EDIT, d->vm->path, "the disk's entry");

	a->line = d->disk->line;
	a->off = d->disk->off;
	a->old = mem_dup(d->disk->text);
	a->new = mem_dup(d->new);
	a->vm = mem_dup(d->vm->name);
	a->vdev = mem_dup(d->disk->vdev);
}

static void configurations(struct plan_maker *m)
{
	for (size_t i = 0; i < m->plan->disk_count; i++) {
		const struct plan_disk *d = &m->plan->disks[i];

		if (!d->vm || d->verdict == PLAN_MANUAL ||
		    d->verdict == PLAN_KEEP)
			continue;
		if (d->vm->kind == CONF_SXP)
			export(m, d);
		else
			edit(m, d);
	}
}

/* Once for each running domain whose file changed. */
static void update(struct plan_maker *m)
{
	const struct conf_vm *last = NULL;

	for (size_t i = 0; i < m->plan->disk_count; i++) {
		const struct plan_disk *d = &m->plan->disks[i];
		struct plan_action *a;

		if (!d->vm || d->vm == last || !d->running || !d->new ||
		    d->verdict == PLAN_MANUAL || d->vm->kind != CONF_XL)
			continue;
		last = d->vm;
		a = add(m, PLAN_UPDATE, d->vm->path,
			"so that its next reboot has the new entry");
		a->vm = mem_dup(d->vm->name);
		a->domid = d->running->domid;
	}
}

/* What tapdisk is told to open. */
static char *spec_of(const struct host_disk *r)
{
	const char *type = !strcmp(r->type, "raw") ? "aio" : r->type;

	return mem_printf("%s:%s", type, r->path);
}

static void running(struct plan_maker *m, const struct plan_disk *d)
{
	bool live = d->verdict == PLAN_LIVE;
	struct plan_action *a;

	if (!live && d->verdict != PLAN_HOT)
		return;
	a = add(m, live ? PLAN_TAKEOVER : PLAN_HOT_SWAP,
		d->vm ? d->vm->path : NULL, d->reason);
	a->domid = d->running->domid;
	a->devid = d->running->devid;
	a->vdev = mem_dup(d->running->vdev);
	a->vm = mem_dup(d->running->domain);
	a->stall_ms = d->stall_ms;
	a->old = live ? NULL : mem_dup(d->disk->text);
	a->new = live ? spec_of(d->running) : mem_dup(d->new);
}

/* plan_serve_fits() has seen that it has one image. */
static void serve(struct plan_maker *m, const struct plan_disk *d)
{
	const struct host_tapdisk *t = d->serve ? d->running->tapdisk : NULL;
	struct plan_action *a;

	if (!t)
		return;
	a = add(m, PLAN_SERVE, d->vm->path, d->reason);
	a->domid = d->running->domid;
	a->devid = d->running->devid;
	a->vdev = mem_dup(d->running->vdev);
	a->vm = mem_dup(d->running->domain);
	a->stall_ms = d->stall_ms;
	a->old = mem_dup(t->exe);
	a->new = mem_printf("%s:%s", t->images[0].type, t->images[0].path);
}

/* A list's line becomes a comment: nothing is deleted. */
static void comment_out(struct plan_maker *m, const struct host_item *item,
			const char *reason)
{
	struct plan_action *a = add(m, PLAN_EDIT, item->path, reason);

	a->line = item->line;
	a->off = item->off;
	a->old = mem_dup(item->detail);
	a->new = mem_printf("#blktap-migrate# %s", item->detail);
}

static void leftover(struct plan_maker *m, const struct host_item *item)
{
	struct plan_action *a;

	if (names_blktap(item) && !strncmp(item->path, "/etc/", 5)) {
		comment_out(m, item, "the module is not needed any more");
	} else if (item->what == HOST_SERVICE) {
		a = add(m, PLAN_UNLINK, item->path,
			"the old daemon is not started at boot");
		a->old = mem_dup(item->detail);
	} else if (item->what == HOST_DKMS_AUTO && m->plan->options.leftovers) {
		comment_out(m, item,
			    "its build fails with newer kernels and blocks "
			    "their packages");
	}
}

/* A list that stays, or whose change takes one step more. */
static void note_module(struct plan_maker *m, const struct host_item *item)
{
	struct mem_list *notes = &m->plan->notes;

	if (needs_module(m->plan))
		mem_list_add(notes,
			     "%s:%u stays: disks that stay as they are "
			     "need the module",
			     item->path, item->line);
	else if (strncmp(item->path, "/etc/", 5) != 0)
		mem_list_add(notes,
			     "%s:%u is its package's and stays: remove that",
			     item->path, item->line);
	else if (!strncmp(item->path, "/etc/initramfs-tools/", 21))
		mem_list_add(notes,
			     "%s:%u counts from the next update-initramfs -u "
			     "on",
			     item->path, item->line);
}

static void note(struct plan_maker *m)
{
	struct mem_list *notes = &m->plan->notes;
	const struct host *host = m->host;

	for (size_t i = 0; i < host->item_count; i++) {
		const struct host_item *item = &host->items[i];

		if (item->what == HOST_SAVE && item->detail &&
		    strstr(item->path, "/save/"))
			mem_list_add(notes,
				     "%s was saved with libxl's tap, which Xen "
				     "4.13 to 4.18 cannot restore: restore it "
				     "before an upgrade to these",
				     item->path);
		if (names_blktap(item))
			note_module(m, item);
	}
	if (converts(m->plan))
		mem_list_add(notes,
			     "xl migrate: a guest whose lines change can "
			     "go only to hosts that understand the new "
			     "ones; blktap-migrate fleet tells");
}

void plan_actions_make(struct plan_maker *m)
{
	const struct host *host = m->host;
	bool clean;

	note(m);
	before(m);
	configurations(m);
	update(m);
	for (size_t i = 0; i < m->plan->disk_count; i++) {
		running(m, &m->plan->disks[i]);
		serve(m, &m->plan->disks[i]);
	}
	clean = !needs_module(m->plan) &&
		(converts(m->plan) || m->plan->options.leftovers);
	for (size_t i = 0; clean && i < host->item_count; i++)
		leftover(m, &host->items[i]);
}
