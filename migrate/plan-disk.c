/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan-disk.c - the verdict on one disk.
 *
 * Of what the administrator allowed, the guest shall feel the least: LIVE is
 * a pause, HOT a disk that goes and comes, COLD waits for the next boot.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "migrate/host-int.h"
#include "migrate/plan-int.h"

#define LIVE_STALL_MS  50   /* what takeovers took */
#define HOT_STALL_MS   2000 /* two hotplug scripts */
#define SERVE_STALL_MS 100  /* the image closed and opened */

static bool allowed(const struct plan_maker *m, enum plan_verdict verdict)
{
	return m->plan->options.allow & PLAN_ALLOW(verdict);
}

static void manual(struct plan_disk *d, const char *reason)
{
	free(d->reason);
	d->verdict = PLAN_MANUAL;
	d->reason = mem_dup(reason);
	d->stall_ms = 0;
}

static void keep(struct plan_disk *d, const char *reason)
{
	d->verdict = PLAN_KEEP;
	d->reason = mem_dup(reason);
}

static struct plan_disk *add(struct plan_maker *m, const struct conf_vm *vm,
			     const struct conf_disk *disk)
{
	struct plan_disk *d = mem_add(&m->plan->disks, &m->plan->disk_count,
				      sizeof(*m->plan->disks));

	d->vm = vm;
	d->disk = disk;
	if (disk)
		d->running = host_running(m->host, vm, disk);
	return d;
}

/* The image's path, which a script's target has behind its type. */
static const char *image_path(const struct conf_disk *disk)
{
	const char *colon = disk->target ? strchr(disk->target, ':') : NULL;

	return disk->script && colon && disk->target[0] != '/' ? colon + 1
							       : disk->target;
}

/* The disk now runs in a way that can only end with the guest. */
static bool cold_only(struct plan_disk *d)
{
	const char *kind = d->running->kind;

	if (!strcmp(kind, "tap"))
		mem_list_add(&d->refused,
			     "live: blktap1 serves it: shut the guest down");
	else if (!strcmp(kind, "qdisk"))
		mem_list_add(&d->refused,
			     "live: QEMU serves it: shut the guest down");
	else
		return false;
	return true;
}

static void choose(struct plan_maker *m, struct plan_disk *d)
{
	bool stopped = !d->running || d->running->ours;
	bool asked = allowed(m, PLAN_LIVE) || allowed(m, PLAN_HOT);
	bool may = !stopped && asked && !cold_only(d);

	d->verdict = PLAN_COLD;
	if (may && allowed(m, PLAN_LIVE) && plan_live_fits(m->host, d)) {
		d->verdict = PLAN_LIVE;
		d->reason = mem_dup("the running guest's ring is taken over");
		d->stall_ms = LIVE_STALL_MS;
	} else if (may && allowed(m, PLAN_HOT) && plan_hot_fits(d)) {
		d->verdict = PLAN_HOT;
		d->reason = mem_dup("a data disk: detached and attached");
		d->risk = mem_dup("the guest must not have it mounted");
		d->stall_ms = HOT_STALL_MS;
	} else if (!allowed(m, PLAN_COLD)) {
		manual(d, "what is allowed does not fit: --allow cold");
	} else {
		d->reason = mem_dup(stopped ? "the guest does not run"
					    : "from the guest's next boot on");
	}
}

/* A line that this host's own Xen cannot read is for after the upgrade. */
static void note_target(struct plan_maker *m, struct plan_disk *d)
{
	static const char script[] = "/etc/xen/scripts/block-xenio";

	if (m->now == WORLDS_4_13 && m->target == WORLDS_4_13 && !d->risk &&
	    !host_exists(m->host, script))
		d->risk = mem_printf("%s is not there: install it before the "
				     "guest boots again",
				     script);
	if (m->now < WORLDS_4_13 && !d->risk)
		d->risk = mem_printf(
			"the new line is for Xen %s: upgrade before the guest "
			"boots again",
			m->target == WORLDS_4_19 ? "4.19 and later"
						 : "4.13 to 4.18");
}

static const char *why_kept(struct plan_maker *m, const struct plan_disk *d)
{
	const struct worlds_host about = {
		.module = true,
		.device = d->disk->target &&
			  host_is_device(m->host, d->disk->target),
		.hvm = d->vm->hvm,
		.libvirt = d->vm->kind == CONF_LIBVIRT,
	};

	if (d->disk->cdrom)
		return "a cdrom; left alone";
	switch (worlds_path(m->target, d->disk, &about, NULL)) {
	case WORLDS_RING:
		return "is said for ours already";
	case WORLDS_TAPDISK:
		return "stays on its tapdev; our tapdisk serves it from the "
		       "guest's next start on";
	case WORLDS_NONE:
	case WORLDS_BLKBACK:
	case WORLDS_LOOP:
	case WORLDS_BLKTAP1:
	case WORLDS_QEMU:
	case WORLDS_ERROR:
	case WORLDS_OTHER:
		break;
	}
	return "no tap disk; left alone";
}

static bool libvirt_runs(const struct plan_maker *m, const struct conf_vm *vm)
{
	static const char *const sockets[] = {
		"/run/libvirt/libvirt-sock", "/var/run/libvirt/libvirt-sock"
	};

	if (vm->kind != CONF_LIBVIRT || !m->host->live)
		return false;
	return !access(sockets[0], F_OK) || !access(sockets[1], F_OK);
}

/* It stays what it is for the guest; who is behind it changes now. */
static void serve(struct plan_maker *m, struct plan_disk *d)
{
	const struct host_tapdisk *t = d->running ? d->running->tapdisk : NULL;

	if (!allowed(m, PLAN_KEEP) || !t || t->lineage == HOST_OURS ||
	    !plan_serve_fits(m->host, d))
		return;
	free(d->reason);
	d->reason = mem_dup("stays on its tapdev; our tapdisk takes it over "
			    "from the old one");
	d->stall_ms = SERVE_STALL_MS;
	d->serve = true;
}

static void convert(struct plan_maker *m, struct plan_disk *d)
{
	struct err err = { 0 };
	int rc = conf_convert(&d->new, d->vm, d->disk, &m->plan->options.goal,
			      &err);

	plan_changes(m, d);
	if (rc < 0) {
		manual(d, err.msg);
		return;
	}
	if (rc == 0) {
		keep(d, why_kept(m, d));
		serve(m, d);
		return;
	}
	if (plan_image_bad(m->host, d, image_path(d->disk))) {
		manual(d, "its image is not safe to touch");
		return;
	}
	if (libvirt_runs(m, d->vm)) {
		manual(d, "libvirt runs and would write its own copy: stop "
			  "libvirtd, guests go on, or use virsh edit");
		return;
	}
	choose(m, d);
	if (d->verdict != PLAN_MANUAL)
		note_target(m, d);
}

/* xend's own records are not edited, but said anew for xl. */
static void export(struct plan_maker *m, struct plan_disk *d)
{
	cleanup_free char *path =
		mem_printf("/etc/xen/%s.cfg", d->vm->name ? d->vm->name : "-");
	size_t len;
	cleanup_free char *text = plan_slurp(m->host, d->vm->path, &len);
	cleanup_free char *there = plan_slurp(m->host, path, &len);
	cleanup_free char *new = NULL;
	struct err err = { 0 };

	plan_changes(m, d);
	if (!d->vm->name || strchr(d->vm->name, '/') || !text) {
		manual(d, "the domain has no name that a file can have");
	} else if (there) {
		cleanup_free char *why = mem_printf(
			"%s is there already: remove it, or delete the domain "
			"from xend",
			path);

		manual(d, why);
	} else if (conf_export(&new, d->vm, text, strlen(text),
			       &m->plan->options.goal, &err) < 0) {
		manual(d, err.msg);
	} else if (plan_image_bad(m->host, d, d->disk->target)) {
		manual(d, "its image is not safe to touch");
	} else {
		d->verdict = PLAN_COLD;
		d->reason = mem_printf("exported to %s", path);
		note_target(m, d);
	}
}

/* Nothing is planned for a host that is refused as a whole. */
static const char *why_reported(const struct host *host)
{
	return host->toolstacks & (HOST_XAPI | HOST_OPENXT)
		       ? "this host is reported only"
		       : "nothing is planned before the whole host is read";
}

void plan_disk_make(struct plan_maker *m, const struct conf_vm *vm,
		    const struct conf_disk *disk)
{
	struct plan_disk *d = add(m, vm, disk);
	const char *problem =
		vm->problem || !disk ? vm->problem : disk->problem;

	if (vm->keep) {
		keep(d, "pinned by a comment in its file");
	} else if (problem) {
		manual(d, problem);
		mem_list_add(&d->refused,
			     "not understood: write it with literals, as "
			     "xl.cfg(5) has it");
	} else if (m->plan->refused.count) {
		plan_changes(m, d);
		manual(d, why_reported(m->host));
	} else if (vm->kind == CONF_SXP) {
		export(m, d);
	} else {
		convert(m, d);
	}
}

void plan_orphan_make(struct plan_maker *m, const struct host_disk *running)
{
	bool tap = running->tapdisk || !strcmp(running->kind, "tap") ||
		   !strcmp(running->kind, "vbd3") ||
		   host_node(m->host, "%s/tapdisk-params", running->back);
	struct plan_disk *d;

	if (running->ours || (!tap && running->domain))
		return;
	d = add(m, NULL, NULL);
	d->running = running;
	if (!running->domain) {
		manual(d, "its domain is gone: remove the node, and end the "
			  "tapdisk if one is left");
	} else if (m->plan->refused.count) {
		manual(d, why_reported(m->host));
	} else if (cold_only(d) || !allowed(m, PLAN_LIVE)) {
		manual(d, "it runs without a configuration that was found: "
			  "--allow live, or change where it was started from");
	} else if (!plan_image_bad(m->host, d, running->path) &&
		   plan_live_fits(m->host, d)) {
		d->verdict = PLAN_LIVE;
		d->stall_ms = LIVE_STALL_MS;
		d->reason = mem_dup("the running guest's ring is taken over; "
				    "it has no configuration to change");
	} else {
		manual(d, "not safe to take over");
	}
}
