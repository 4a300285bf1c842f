/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-service.c - what starts blktap at boot, and domains that were saved.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "migrate/host-int.h"

#define SAVE_HEAD 262144u /* a domain's configuration lies before this */

static bool is_ours_to_stop(const char *name)
{
	return strstr(name, "blktap") || strstr(name, "tapback");
}

static void take_init(struct host *host, const char *dir)
{
	struct mem_list names;

	host_names(host, dir, &names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path =
			mem_printf("%s/%s", dir, names.item[i]);
		char *text = host_slurp(host, path, NULL);

		if (text && strstr(text, "blktap"))
			host_item(host, HOST_INIT, path,
				  strstr(text, "modprobe blktap")
					  ? "loads the module"
					  : "speaks of blktap");
		free(text);
	}
	mem_list_free(&names);
}

/* Links in a folder that start something of blktap's. */
static void take_links(struct host *host, const char *dir, const char *first)
{
	struct mem_list names;

	host_names(host, dir, &names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path =
			mem_printf("%s/%s", dir, names.item[i]);
		char *to;

		if (strncmp(names.item[i], first, strlen(first)) != 0)
			continue;
		to = host_link(host, path);
		if (to && is_ours_to_stop(to))
			host_item(host, HOST_SERVICE, path, to);
		free(to);
	}
	mem_list_free(&names);
}

static void take_wants(struct host *host, const char *dir)
{
	struct mem_list names;

	host_names(host, dir, &names);
	for (size_t i = 0; i < names.count; i++) {
		const char *dot = strrchr(names.item[i], '.');
		cleanup_free char *sub =
			mem_printf("%s/%s", dir, names.item[i]);

		if (dot && !strcmp(dot, ".wants"))
			take_links(host, sub, "");
	}
	mem_list_free(&names);
}

/* Says that a restored domain would want libxl's tap. */
static bool names_tap(const struct host *host, const char *path)
{
	cleanup_free char *full = mem_printf("%s%s", host->root, path);
	cleanup_free char *buf = mem_zalloc(SAVE_HEAD);
	FILE *f = fopen(full, "re");
	size_t n;

	if (!f)
		return false;
	n = fread(buf, 1, SAVE_HEAD, f);
	(void)fclose(f); /* only read */
	return memmem(buf, n, "\"backend\": \"tap\"", 16) != NULL;
}

static void take_saves(struct host *host, const char *dir, const char *first)
{
	struct mem_list names;

	host_names(host, dir, &names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path =
			mem_printf("%s/%s", dir, names.item[i]);

		if (!strncmp(names.item[i], first, strlen(first)))
			host_item(host, HOST_SAVE, path,
				  names_tap(host, path) ? "backend tap" : NULL);
	}
	mem_list_free(&names);
}

void host_services_read(struct host *host)
{
	static const char *const levels[] = { "/etc/rcS.d", "/etc/rc2.d",
					      "/etc/rc3.d", "/etc/rc4.d",
					      "/etc/rc5.d" };

	take_init(host, "/etc/init.d");
	take_init(host, "/etc/sysconfig/modules");
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		take_links(host, levels[i], "S");
	take_wants(host, "/etc/systemd/system");
	take_saves(host, "/var/lib/xen/save", "");
	take_saves(host, "/var/lib/xen", "userdata-d.");
}
