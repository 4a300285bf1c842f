/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.c - the inventory in memory: lookups, and its end.
 */
#include "migrate/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

static void free_tapdisk(struct host_tapdisk *t)
{
	for (size_t i = 0; i < t->count; i++) {
		free(t->images[i].type);
		free(t->images[i].path);
	}
	free(t->images);
	free(t->exe);
	mem_list_free(&t->env);
}

static void free_disk(struct host_disk *d)
{
	free(d->kind);
	free(d->back);
	free(d->front);
	free(d->driver);
	free(d->vdev);
	free(d->type);
	free(d->path);
	free(d->domain);
	free(d->uuid);
}

static void free_small(struct host *host)
{
	for (size_t i = 0; i < host->item_count; i++) {
		free(host->items[i].path);
		free(host->items[i].detail);
	}
	for (size_t i = 0; i < host->node_count; i++) {
		free(host->nodes[i].path);
		free(host->nodes[i].value);
	}
	for (size_t i = 0; i < host->chain_count; i++) {
		mem_list_free(&host->chains[i].layers);
		free(host->chains[i].problem);
	}
	for (size_t i = 0; i < host->tapdev_count; i++)
		mem_list_free(&host->tapdevs[i].users);
	mem_list_free(&host->unread);
	free(host->items);
	free(host->nodes);
	free(host->chains);
	free(host->tapdevs);
	free(host->xen.text);
	free(host->kernel.text);
	free(host->root);
}

void host_free(struct host *host)
{
	for (size_t i = 0; i < host->tapdisk_count; i++)
		free_tapdisk(&host->tapdisks[i]);
	for (size_t i = 0; i < host->disk_count; i++)
		free_disk(&host->disks[i]);
	for (size_t i = 0; i < host->vm_count; i++)
		conf_free(&host->vms[i]);
	free(host->tapdisks);
	free(host->disks);
	free(host->vms);
	free_small(host);
	*host = (struct host){ 0 };
}

static int by_path(const void *key, const void *node)
{
	return strcmp(key, ((const struct host_node *)node)->path);
}

const char *host_node(const struct host *host, const char *fmt, ...)
{
	const struct host_node *node;
	cleanup_free char *path = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&path, fmt, ap) < 0)
		path = NULL;
	va_end(ap);
	node = path && host->node_count
		       ? bsearch(path, host->nodes, host->node_count,
				 sizeof(*host->nodes), by_path)
		       : NULL;
	return node ? node->value : NULL;
}

static bool same_domain(const struct host_disk *d, const struct conf_vm *vm)
{
	if (d->uuid && vm->uuid)
		return !strcasecmp(d->uuid, vm->uuid);
	return d->domain && vm->name && !strcmp(d->domain, vm->name);
}

const struct host_disk *host_running(const struct host *host,
				     const struct conf_vm *vm,
				     const struct conf_disk *disk)
{
	const char *vdev = disk->vdev;

	/* "/dev/xvda" is an old spelling of xvda. */
	if (vdev && !strncmp(vdev, "/dev/", 5))
		vdev += 5;
	for (size_t i = 0; vdev && i < host->disk_count; i++) {
		const struct host_disk *d = &host->disks[i];

		if (d->vdev && !strcmp(d->vdev, vdev) && same_domain(d, vm))
			return d;
	}
	return NULL;
}
