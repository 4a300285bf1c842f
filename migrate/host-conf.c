/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-conf.c - finds the configurations of VMs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "migrate/host-int.h"

bool host_is_copy(const char *name)
{
	static const char *const parts[] = { ".blktap-migrate.", ".dpkg-" };
	static const char *const ends[] = { "~",        ".orig",   ".bak",
					    ".rpmsave", ".rpmnew", ".rpmorig" };
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (strstr(name, parts[i]))
			return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		size_t n = strlen(ends[i]);

		if (len > n && !strcmp(name + len - n, ends[i]))
			return true;
	}
	return name[0] == '.';
}

/* Files that lie beside the VMs' and are no VM. */
static bool is_other(const char *name)
{
	static const char *const names[] = { "xl.conf",
					     "xend-config.sxp",
					     "xend-pci-permissive.sxp",
					     "xend-pci-quirks.sxp",
					     "README",
					     "README.incompatibilities",
					     "oxenstored.conf",
					     "cpupool" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i], name))
			return true;
	}
	return false;
}

static bool is_known(const struct host *host, const char *path)
{
	for (size_t i = 0; i < host->vm_count; i++) {
		if (!strcmp(host->vms[i].path, path))
			return true;
	}
	return false;
}

/* A file may have several names: what is edited is where they lead to. */
static void take(struct host *host, enum conf_kind kind, const char *name)
{
	cleanup_free char *real = host_resolve(host->root, name);
	const char *path = real ? real : name;
	struct conf_vm vm;
	struct conf_vm *copy;
	char *text;
	size_t len;

	if (is_known(host, path))
		return;
	text = host_slurp(host, path, &len);
	if (text && (strstr(text, "disk") || strstr(text, "(vbd") ||
		     strstr(text, "(tap"))) {
		conf_read(&vm, kind, path, text, len);
		if (vm.count || vm.problem) {
			copy = mem_add(&host->vms, &host->vm_count,
				       sizeof(*host->vms));
			*copy = vm;
		} else {
			conf_free(&vm);
		}
	}
	free(text);
}

static void take_folder(struct host *host, enum conf_kind kind, const char *dir,
			const char *end)
{
	struct mem_list names;

	host_names(host, dir, &names);
	for (size_t i = 0; i < names.count; i++) {
		const char *name = names.item[i];
		cleanup_free char *path = mem_printf("%s/%s", dir, name);
		size_t len = strlen(name), tail = strlen(end);

		if (!host_is_copy(name) && !is_other(name) && len >= tail &&
		    !strcmp(name + len - tail, end))
			take(host, kind, path);
	}
	mem_list_free(&names);
}

/* Folders of configurations, and of links to those that start at boot. */
static void take_folders(struct host *host, enum conf_kind kind,
			 const char *dir)
{
	struct mem_list names;

	host_names(host, dir, &names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *sub =
			mem_printf("%s/%s", dir, names.item[i]);

		if (strcmp(names.item[i], "scripts") != 0 &&
		    host_is_folder(host, sub))
			take_folder(host, kind, sub, "");
	}
	mem_list_free(&names);
}

/* Managed domains: a folder each. */
static void take_xend(struct host *host)
{
	static const char dir[] = "/var/lib/xend/domains";
	struct mem_list names;

	host_names(host, dir, &names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path =
			mem_printf("%s/%s/config.sxp", dir, names.item[i]);

		take(host, CONF_SXP, path);
	}
	mem_list_free(&names);
}

void host_confs_read(struct host *host)
{
	/* Where both are installed, xend's files are xl's too. */
	enum conf_kind kind =
		(host->toolstacks & HOST_XM) && !(host->toolstacks & HOST_XL)
			? CONF_XM
			: CONF_XL;

	take_folder(host, kind, "/etc/xen", "");
	take_folders(host, kind, "/etc/xen");
	take_folder(host, CONF_LIBVIRT, "/etc/libvirt/libxl", ".xml");
	take_xend(host);
}
