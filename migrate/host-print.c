/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-print.c - the inventory for a person. */
#include <stdio.h>
#include <string.h>

#include "lib/bytes.h"
#include "migrate/host.h"
#include "migrate/worlds.h"

const char *host_what_name(enum host_what what)
{
	static const char *const names[] = {
		[HOST_MODULE_LOADED] = "module loaded",
		[HOST_MODULE_FILE] = "module installed",
		[HOST_MODULE_LINE] = "module list",
		[HOST_MODPROBE] = "modprobe.d",
		[HOST_DKMS] = "dkms",
		[HOST_DKMS_AUTO] = "dkms builds itself",
		[HOST_UDEV] = "udev rule",
		[HOST_INIT] = "init script",
		[HOST_SERVICE] = "starts at boot",
		[HOST_SCRIPT] = "hotplug script",
		[HOST_PROGRAM] = "program",
		[HOST_PACKAGE] = "package",
		[HOST_SAVE] = "saved domain",
	};

	return what < ARRAY_SIZE(names) ? names[what] : "?";
}

const char *host_lineage_name(enum host_lineage lineage)
{
	static const char *const names[] = {
		[HOST_OURS] = "ours",           [HOST_XEN40] = "xen-4.0",
		[HOST_XEN42] = "xen-4.2",       [HOST_BT25] = "blktap-2.5",
		[HOST_EARLY3] = "blktap3-2012", [HOST_XAPI2] = "xapi-2",
		[HOST_XAPI3] = "xapi-3",        [HOST_UNKNOWN] = "unknown",
	};

	return lineage <= HOST_UNKNOWN ? names[lineage] : "?";
}

static const char *or_dash(const char *s)
{
	return s ? s : "-";
}

static void print_host(const struct host *host)
{
	static const char *const names[] = { "xl", "xm", "libvirt", "XAPI",
					     "OpenXT" };
	const char *gap = "";

	printf("toolstack  ");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(host->toolstacks & (1u << i)))
			continue;
		printf("%s%s", gap, names[i]);
		gap = ", ";
	}
	printf("%s\n", *gap ? "" : "none found");
	printf("xen        %s\n", or_dash(host->xen.text));
	printf("kernel     %s\n", or_dash(host->kernel.text));
	printf("blktap2    %s\n", host->module ? "loaded" : "not loaded");
}

static void print_items(const struct host *host)
{
	if (host->item_count)
		printf("\nWhat belongs to blktap:\n");
	for (size_t i = 0; i < host->item_count; i++) {
		const struct host_item *item = &host->items[i];

		printf("  %-18s %s", host_what_name(item->what), item->path);
		if (item->line)
			printf(":%u", item->line);
		if (item->detail)
			printf("  %s", item->detail);
		printf("\n");
	}
}

static void print_tapdisk(const struct host_tapdisk *t)
{
	printf("  pid %d  %s  %s%s\n", (int)t->pid, or_dash(t->exe),
	       host_lineage_name(t->lineage),
	       t->answers ? "" : "  does not answer");
	for (size_t i = 0; i < t->env.count; i++)
		printf("    environment %s\n", t->env.item[i]);
	for (size_t i = 0; i < t->count; i++)
		printf("    minor %d  %s:%s\n", t->images[i].minor,
		       or_dash(t->images[i].type), or_dash(t->images[i].path));
}

static void print_tapdisks(const struct host *host)
{
	if (host->tapdisk_count)
		printf("\nTapdisks:\n");
	for (size_t i = 0; i < host->tapdisk_count; i++)
		print_tapdisk(&host->tapdisks[i]);
	if (host->tapdev_count)
		printf("\nTapdevs:\n");
	for (size_t i = 0; i < host->tapdev_count; i++) {
		const struct host_tapdev *d = &host->tapdevs[i];

		printf("  tapdev%u  pid %d ", d->minor, (int)d->pid);
		for (size_t j = 0; j < d->users.count; j++)
			printf(" %s%s", j ? "+ " : "", d->users.item[j]);
		printf("%s\n", d->users.count ? "" : " nobody has it");
	}
}

/* What the guest negotiated, if it did. */
static void print_front(const struct host *host, const struct host_disk *d)
{
	static const char *const keys[] = { "ring-page-order", "num-ring-pages",
					    "multi-queue-num-queues",
					    "feature-persistent" };
	const char *protocol =
		d->front ? host_node(host, "%s/protocol", d->front) : NULL;

	if (!d->front || (!protocol && d->front_state < 0))
		return;
	printf("    frontend %s", protocol ? protocol : "without protocol");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = host_node(host, "%s/%s", d->front, keys[i]);

		if (value)
			printf("  %s %s", keys[i], value);
	}
	if (host_node(host, "%s/feature-max-indirect-segments", d->back))
		printf("  indirect up to %s",
		       host_node(host, "%s/feature-max-indirect-segments",
				 d->back));
	printf("\n");
}

static void print_running(const struct host *host)
{
	if (host->disk_count)
		printf("\nDisks of running domains:\n");
	for (size_t i = 0; i < host->disk_count; i++) {
		const struct host_disk *d = &host->disks[i];

		printf("  %u %s  %s  backend/%s/%u/%u  state %d/%d  %s%s%s%s\n",
		       d->domid, d->domain ? d->domain : "(gone)",
		       or_dash(d->vdev), d->kind, d->domid, d->devid,
		       d->back_state, d->front_state, d->type ? d->type : "",
		       d->type ? ":" : "", or_dash(d->path),
		       d->ours ? "  ours" : "");
		print_front(host, d);
	}
}

static void print_vm(const struct conf_vm *vm)
{
	printf("  %s  %s%s\n", vm->path, or_dash(vm->name),
	       vm->keep ? "  (keep)" : "");
	if (vm->problem)
		printf("    not understood: %s\n", vm->problem);
	for (size_t i = 0; i < vm->count; i++) {
		const struct conf_disk *d = &vm->disks[i];

		printf("    line %-4u %s\n", d->line, d->text);
		if (d->problem)
			printf("              not understood: %s\n",
			       d->problem);
	}
}

static void print_chains(const struct host *host)
{
	if (host->chain_count)
		printf("\nImages:\n");
	for (size_t i = 0; i < host->chain_count; i++) {
		const struct host_chain *c = &host->chains[i];

		printf("  ");
		for (size_t j = 0; j < c->layers.count; j++)
			printf("%s%s", j ? " <- " : "", c->layers.item[j]);
		if (c->openers)
			printf("  open in %u", c->openers);
		if (c->locked)
			printf("  locked");
		if (c->dirty)
			printf("  not closed");
		printf("%s%s\n", c->problem ? "  PROBLEM: " : "",
		       c->problem ? c->problem : "");
	}
}

void host_print(const struct host *host)
{
	print_host(host);
	print_items(host);
	print_tapdisks(host);
	print_running(host);
	if (host->vm_count)
		printf("\nConfigurations:\n");
	for (size_t i = 0; i < host->vm_count; i++)
		print_vm(&host->vms[i]);
	print_chains(host);
	if (host->unread.count)
		printf("\nCould not be read:\n");
	for (size_t i = 0; i < host->unread.count; i++)
		printf("  %s\n", host->unread.item[i]);
}
