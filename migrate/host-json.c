/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-json.c - the inventory as JSON, for programs and for "fleet". */
#include <string.h>

#include "lib/bytes.h"
#include "lib/json.h"
#include "migrate/host.h"
#include "migrate/worlds.h"

static void put_host(const struct host *host, struct json *json)
{
	static const char *const names[] = { "xl", "xm", "libvirt", "xapi",
					     "openxt" };

	json_object(json, "host");
	json_array(json, "toolstacks");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (host->toolstacks & (1u << i))
			json_string(json, NULL, names[i]);
	}
	json_end(json);
	json_string(json, "xen", host->xen.text);
	json_string(json, "kernel", host->kernel.text);
	json_bool(json, "module", host->module);
	json_end(json);
}

static void put_items(const struct host *host, struct json *json)
{
	json_array(json, "items");
	for (size_t i = 0; i < host->item_count; i++) {
		const struct host_item *item = &host->items[i];

		json_object(json, NULL);
		json_string(json, "what", host_what_name(item->what));
		json_string(json, "path", item->path);
		if (item->line)
			json_uint(json, "line", item->line);
		if (item->detail)
			json_string(json, "detail", item->detail);
		json_end(json);
	}
	json_end(json);
}

static void put_image(struct json *json, const struct host_image *image)
{
	json_object(json, NULL);
	json_int(json, "minor", image->minor);
	json_int(json, "state", image->state);
	json_string(json, "type", image->type);
	json_string(json, "path", image->path);
	json_end(json);
}

static void put_tapdisks(const struct host *host, struct json *json)
{
	json_array(json, "tapdisks");
	for (size_t i = 0; i < host->tapdisk_count; i++) {
		const struct host_tapdisk *t = &host->tapdisks[i];

		json_object(json, NULL);
		json_int(json, "pid", t->pid);
		json_string(json, "program", t->exe);
		json_string(json, "lineage", host_lineage_name(t->lineage));
		json_bool(json, "answers", t->answers);
		mem_list_json(&t->env, json, "environment");
		json_array(json, "images");
		for (size_t j = 0; j < t->count; j++)
			put_image(json, &t->images[j]);
		json_end(json);
		json_end(json);
	}
	json_end(json);
	json_array(json, "tapdevs");
	for (size_t i = 0; i < host->tapdev_count; i++) {
		json_object(json, NULL);
		json_uint(json, "minor", host->tapdevs[i].minor);
		json_int(json, "pid", host->tapdevs[i].pid);
		mem_list_json(&host->tapdevs[i].users, json, "users");
		json_end(json);
	}
	json_end(json);
}

static void put_nodes(const struct host *host, const char *dir,
		      struct json *json, const char *key)
{
	size_t len = dir ? strlen(dir) : 0;

	json_object(json, key);
	for (size_t i = 0; dir && i < host->node_count; i++) {
		const char *path = host->nodes[i].path;

		if (!strncmp(path, dir, len) && path[len] == '/')
			json_string(json, path + len + 1, host->nodes[i].value);
	}
	json_end(json);
}

void host_disk_json(const struct host_disk *d, struct json *json)
{
	json_uint(json, "domid", d->domid);
	json_uint(json, "devid", d->devid);
	json_string(json, "domain", d->domain);
	json_string(json, "vdev", d->vdev);
	json_string(json, "type", d->type);
	json_string(json, "path", d->path);
	json_bool(json, "ours", d->ours);
}

static void put_running(const struct host *host, struct json *json)
{
	json_array(json, "running");
	for (size_t i = 0; i < host->disk_count; i++) {
		const struct host_disk *d = &host->disks[i];

		json_object(json, NULL);
		host_disk_json(d, json);
		json_string(json, "kind", d->kind);
		json_string(json, "driver", d->driver);
		if (d->tapdisk)
			json_int(json, "tapdisk", d->tapdisk->pid);
		put_nodes(host, d->back, json, "backend");
		put_nodes(host, d->front, json, "frontend");
		json_end(json);
	}
	json_end(json);
}

static void put_disk(const struct host *host, const struct conf_vm *vm,
		     const struct conf_disk *disk, struct json *json)
{
	struct worlds_host about = {
		.module = host->module,
		.device = disk->target && host_is_device(host, disk->target),
		.hvm = vm->hvm,
		.libvirt = vm->kind == CONF_LIBVIRT,
	};

	json_object(json, NULL);
	json_uint(json, "line", disk->line);
	json_string(json, "text", disk->text);
	json_string(json, "problem", disk->problem);
	if (!disk->problem) {
		json_string(json, "type", disk->type);
		json_string(json, "target", disk->target);
		json_string(json, "vdev", disk->vdev);
		json_string(json, "access", disk->access);
	}
	json_object(json, "path");
	for (unsigned w = 0; w < WORLDS_COUNT; w++)
		json_string(json, worlds_name((enum worlds_world)w),
			    worlds_path_name(worlds_path((enum worlds_world)w,
							 disk, &about, NULL)));
	json_end(json);
	json_end(json);
}

static void put_vms(const struct host *host, struct json *json)
{
	json_array(json, "vms");
	for (size_t i = 0; i < host->vm_count; i++) {
		const struct conf_vm *vm = &host->vms[i];

		json_object(json, NULL);
		json_string(json, "file", vm->path);
		json_string(json, "name", vm->name);
		json_string(json, "uuid", vm->uuid);
		json_bool(json, "keep", vm->keep);
		json_string(json, "problem", vm->problem);
		json_array(json, "disks");
		for (size_t j = 0; j < vm->count; j++)
			put_disk(host, vm, &vm->disks[j], json);
		json_end(json);
		json_end(json);
	}
	json_end(json);
}

static void put_chains(const struct host *host, struct json *json)
{
	json_array(json, "chains");
	for (size_t i = 0; i < host->chain_count; i++) {
		const struct host_chain *c = &host->chains[i];

		json_object(json, NULL);
		mem_list_json(&c->layers, json, "layers");
		json_string(json, "problem", c->problem);
		json_bool(json, "dirty", c->dirty);
		json_uint(json, "openers", c->openers);
		json_bool(json, "locked", c->locked);
		if (host->live)
			json_uint(json, "room", c->room);
		json_end(json);
	}
	json_end(json);
}

void host_json(const struct host *host, struct json *json)
{
	json_object(json, NULL);
	put_host(host, json);
	put_items(host, json);
	put_tapdisks(host, json);
	put_running(host, json);
	put_vms(host, json);
	put_chains(host, json);
	mem_list_json(&host->unread, json, "unread");
	json_end(json);
}
