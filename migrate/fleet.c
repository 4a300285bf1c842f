/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fleet.c - reads inventories, and compares them. */
#include "migrate/fleet.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "migrate/worlds.h"

static const char *text_of(json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "-";
}

static char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t len = strlen(name);

	if (len > 5 && !strcmp(name + len - 5, ".json"))
		len -= 5;
	return mem_ndup(name, len);
}

static bool has(json_t *array, const char *word)
{
	json_t *value;
	size_t i;

	json_array_foreach (array, i, value) {
		if (json_string_value(value) &&
		    !strcmp(json_string_value(value), word))
			return true;
	}
	return false;
}

int fleet_load(struct fleet *fleet, const char *path, struct err *err)
{
	struct fleet_host *m;
	json_error_t why;
	json_t *root = json_load_file(path, 0, &why);
	json_t *host = json_object_get(root, "host");
	json_t *stacks = json_object_get(host, "toolstacks");
	unsigned major = 0, minor = 0;
	json_t *disk;
	size_t i;

	if (!json_is_object(host)) {
		json_decref(root);
		return err_set(err, -EINVAL, "%s: no inventory%s%.120s", path,
			       root ? "" : ": ", root ? "" : why.text);
	}
	m = mem_add(&fleet->hosts, &fleet->count, sizeof(*fleet->hosts));
	m->name = name_of(path);
	m->json = root;
	m->xen = text_of(host, "xen");
	m->kernel = text_of(host, "kernel");
	(void)sscanf(m->xen, "%u.%u", &major, &minor);
	m->world = worlds_of(major, minor,
			     has(stacks, "xm") && !has(stacks, "xl"));
	json_array_foreach (json_object_get(root, "running"), i, disk) {
		m->disks++;
		m->ours += json_is_true(json_object_get(disk, "ours"));
	}
	return 0;
}

/* The image of a chain, without its type; NULL. */
static const char *image_of(json_t *chain)
{
	const char *spec = json_string_value(
		json_array_get(json_object_get(chain, "layers"), 0));
	const char *colon = spec ? strchr(spec, ':') : NULL;

	return colon ? colon + 1 : NULL;
}

static json_t *find_chain(const struct fleet_host *m, const char *image)
{
	json_t *chain;
	size_t i;

	json_array_foreach (json_object_get(m->json, "chains"), i, chain) {
		const char *other = image_of(chain);

		if (other && !strcmp(other, image))
			return chain;
	}
	return NULL;
}

/* Which tapdisk has it there. */
static const char *lineage_of(const struct fleet_host *m, const char *image)
{
	json_t *t, *one;
	size_t i, j;

	json_array_foreach (json_object_get(m->json, "tapdisks"), i, t) {
		json_array_foreach (json_object_get(t, "images"), j, one) {
			if (!strcmp(text_of(one, "path"), image))
				return text_of(t, "lineage");
		}
	}
	return "closed";
}

/* Told where the first of its hosts is looked at. */
static void look_at_image(struct fleet *fleet, size_t first, const char *image)
{
	char *line = mem_dup(image);
	unsigned hosts = 0;

	for (size_t i = 0; i < fleet->count; i++) {
		const struct fleet_host *m = &fleet->hosts[i];
		char *more;

		if (!find_chain(m, image))
			continue;
		if (i < first) {
			free(line);
			return;
		}
		more = mem_printf("%s%s %s (%s)", line, hosts ? "," : ":",
				  m->name, lineage_of(m, image));
		free(line);
		line = more;
		hosts++;
	}
	if (hosts > 1)
		mem_list_add(&fleet->shared, "%s", line);
	free(line);
}

static void look_at_disk(struct fleet *fleet, const struct fleet_host *from,
			 json_t *vm, json_t *disk)
{
	json_t *paths = json_object_get(disk, "path");
	const char *here = text_of(paths, worlds_name(from->world));

	for (size_t i = 0; i < fleet->count; i++) {
		const struct fleet_host *to = &fleet->hosts[i];
		const char *there = text_of(paths, worlds_name(to->world));

		if (to == from || !strcmp(here, there))
			continue;
		mem_list_add(&fleet->vms, "%s %s from %s to %s: %s",
			     text_of(vm, "name"), text_of(disk, "vdev"),
			     from->name, to->name,
			     !strcmp(there, "error") ? "does not start there"
			     : !strcmp(there, "-")   ? "is not understood there"
						     : "takes another way");
	}
}

void fleet_compare(struct fleet *fleet)
{
	json_t *chain, *vm, *disk;
	size_t i, j;

	for (size_t n = 0; n < fleet->count; n++) {
		const struct fleet_host *m = &fleet->hosts[n];

		json_array_foreach (json_object_get(m->json, "chains"), i,
				    chain) {
			if (image_of(chain))
				look_at_image(fleet, n, image_of(chain));
		}
		json_array_foreach (json_object_get(m->json, "vms"), i, vm) {
			json_array_foreach (json_object_get(vm, "disks"), j,
					    disk) {
				look_at_disk(fleet, m, vm, disk);
			}
		}
	}
}

void fleet_free(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->count; i++) {
		free(fleet->hosts[i].name);
		json_decref(fleet->hosts[i].json);
	}
	free(fleet->hosts);
	mem_list_free(&fleet->shared);
	mem_list_free(&fleet->vms);
	*fleet = (struct fleet){ 0 };
}
