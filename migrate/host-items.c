/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-items.c - modules, their lists, DKMS, packages, programs, scripts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "migrate/hash.h"
#include "migrate/host-int.h"

static const char *const modules[] = { "blktap",      "blktap2",
				       "blkbk",       "xen_blkback",
				       "xen-blkback", "xen_blkfront",
				       "xen-blkfront" };

struct host_item *host_item(struct host *host, enum host_what what,
			    const char *path, const char *detail)
{
	struct host_item *item =
		mem_add(&host->items, &host->item_count, sizeof(*host->items));

	item->what = what;
	item->path = mem_dup(path);
	item->detail = mem_dup(detail);
	return item;
}

static bool is_module(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		if (strlen(modules[i]) == len &&
		    !strncmp(modules[i], name, len))
			return true;
	}
	return false;
}

/* The first word is a module of interest. */
static bool of_module(const char *line)
{
	line += strspn(line, " \t");
	return is_module(line, strcspn(line, " \t"));
}

static bool mentions_module(const char *line)
{
	return line[0] != '#' &&
	       (strstr(line, "blktap") || strstr(line, "xen-blk") ||
		strstr(line, "xen_blk"));
}

static bool of_udev(const char *line)
{
	return line[0] != '#' &&
	       (strstr(line, "blktap") || strstr(line, "KERNEL==\"tap"));
}

/* Anything that is not empty is a yes. */
static bool of_dkms(const char *line)
{
	static const char key[] = "AUTOINSTALL=";

	line += strspn(line, " \t");
	if (strncmp(line, key, sizeof(key) - 1) != 0)
		return false;
	line += sizeof(key) - 1;
	return line[strspn(line, "\"' \t\r")] && line[0] != '#';
}

static bool (*const wanted[])(const char *line) = {
	[HOST_MODULE_LINE] = of_module,
	[HOST_MODPROBE] = mentions_module,
	[HOST_UDEV] = of_udev,
	[HOST_DKMS_AUTO] = of_dkms,
};

void host_lines_parse(struct host *host, enum host_what what, const char *path,
		      char *text)
{
	unsigned number = 1;

	for (char *at = text; *at; number++) {
		size_t len = strcspn(at, "\n");
		bool more = at[len] == '\n';

		at[len] = '\0';
		if (wanted[what](at)) {
			struct host_item *item =
				host_item(host, what, path, at);

			item->line = number;
			item->off = (size_t)(at - text);
		}
		at += len + more;
	}
}

static bool is_known(const struct host *host, enum host_what what,
		     const char *path)
{
	for (size_t i = 0; i < host->item_count; i++) {
		if (host->items[i].what == what &&
		    !strcmp(host->items[i].path, path))
			return true;
	}
	return false;
}

/* Of a file's names, the one that the others lead to. */
static void take_lines(struct host *host, enum host_what what, const char *name)
{
	cleanup_free char *real = host_resolve(host->root, name);
	const char *path = real ? real : name;
	char *text = is_known(host, what, path) ? NULL
						: host_slurp(host, path, NULL);

	if (text)
		host_lines_parse(host, what, path, text);
	free(text);
}

static void take_folder(struct host *host, enum host_what what,
			const char *path)
{
	struct mem_list names;

	host_names(host, path, &names);
	for (size_t i = 0; i < names.count; i++) {
		char *sub = mem_printf("%s/%s", path, names.item[i]);

		if (!host_is_copy(names.item[i]))
			take_lines(host, what, sub);
		free(sub);
	}
	mem_list_free(&names);
}

void host_loaded_parse(struct host *host, char *text)
{
	for (char *at = text; *at;) {
		size_t len = strcspn(at, "\n");
		bool more = at[len] == '\n';

		at[len] = '\0';
		if (of_module(at)) {
			at[strcspn(at, " ")] = '\0';
			host_item(host, HOST_MODULE_LOADED, at, NULL);
		}
		at += len + more;
	}
}

static void take_loaded(struct host *host)
{
	char *text = host_slurp(host, "/proc/modules", NULL);
	char *misc = host_slurp(host, "/proc/misc", NULL);

	if (text)
		host_loaded_parse(host, text);
	host->module = misc && (strstr(misc, " blktap/control\n") ||
				strstr(misc, " blktap-control\n"));
	free(misc);
	free(text);
}

/* kernel/drivers/block/xen-blkback/xen-blkback.ko.xz: ... */
static void take_installed(struct host *host)
{
	cleanup_free char *dep =
		mem_printf("/lib/modules/%s/modules.dep",
			   host->kernel.text ? host->kernel.text : "-");
	char *text = host_slurp(host, dep, NULL);

	for (char *at = text; at && *at;) {
		size_t len = strcspn(at, "\n");
		bool more = at[len] == '\n';
		char *name;

		at[len] = '\0';
		at[strcspn(at, ":")] = '\0';
		name = strrchr(at, '/');
		name = name ? name + 1 : at;
		if (is_module(name, strcspn(name, ".")))
			host_item(host, HOST_MODULE_FILE, at, NULL);
		at += len + more;
	}
	free(text);
}

static void take_dkms(struct host *host)
{
	struct mem_list names;

	host_names(host, "/usr/src", &names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path =
			mem_printf("/usr/src/%s", names.item[i]);
		cleanup_free char *conf = mem_printf("%s/dkms.conf", path);

		if (strncmp(names.item[i], "blktap-", 7) != 0)
			continue;
		host_item(host, HOST_DKMS, path, NULL);
		take_lines(host, HOST_DKMS_AUTO, conf);
	}
	mem_list_free(&names);
	if (host_exists(host, "/var/lib/dkms/blktap"))
		host_item(host, HOST_DKMS, "/var/lib/dkms/blktap", NULL);
}

/* One stanza of dpkg's status, which ends at an empty line. */
static void take_stanza(struct host *host, const char *text, size_t len)
{
	static const char *const names[] = { "blktap-dkms", "blktap-utils",
					     "libvhd0", "libblktapctl0" };
	char name[64] = "", status[64] = "", version[64] = "?";
	const char *at;

	if (sscanf(text, "Package: %63s", name) != 1)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *detail;

		if (strcmp(name, names[i]) != 0)
			continue;
		at = memmem(text, len, "\nStatus: ", 9);
		if (at)
			(void)sscanf(at, "\nStatus: %63[^\n]", status);
		at = memmem(text, len, "\nVersion: ", 10);
		if (at)
			(void)sscanf(at, "\nVersion: %63s", version);
		detail = mem_printf("%s %s",
				    strstr(status, " installed") ? "ii" : "rc",
				    version);
		host_item(host, HOST_PACKAGE, name, detail);
		free(detail);
	}
}

void host_packages_parse(struct host *host, const char *text)
{
	const char *end;

	for (const char *at = text; *at; at = end) {
		end = strstr(at, "\n\n");
		end = end ? end + 2 : at + strlen(at);
		take_stanza(host, at, (size_t)(end - at));
	}
}

static void take_packages(struct host *host)
{
	char *text = host_slurp(host, "/var/lib/dpkg/status", NULL);

	if (text)
		host_packages_parse(host, text);
	free(text);
}

static void take_programs(struct host *host)
{
	static const char *const dirs[] = {
		"/usr/local/sbin", "/usr/local/bin", "/usr/local/libexec",
		"/usr/sbin",       "/usr/bin",       "/usr/libexec"
	};
	static const char *const names[] = { "blktapctrl", "tap-ctl",
					     "tapback",    "tapdisk",
					     "tapdisk2",   "vhd-util",
					     "xenio" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs) * ARRAY_SIZE(names); i++) {
		const char *name = names[i % ARRAY_SIZE(names)];
		cleanup_free char *path =
			mem_printf("%s/%s", dirs[i / ARRAY_SIZE(names)], name);

		/* vhd-util has no lineage that can be told by its name. */
		if (host_exists(host, path))
			host_item(host, HOST_PROGRAM, path,
				  host_lineage_name(host_lineage(host, path)));
	}
}

static void take_scripts(struct host *host)
{
	static const char *const names[] = { "blktap", "block", "block-tap",
					     "block-xenio" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path =
			mem_printf("/etc/xen/scripts/%s", names[i]);
		char sum[HASH_ROOM];
		size_t len;
		char *text = host_slurp(host, path, &len);

		if (!text)
			continue;
		hash_hex(sum, text, len);
		host_item(host, HOST_SCRIPT, path, sum);
		free(text);
	}
}

static void take_toolstacks(struct host *host)
{
	static const struct {
		const char *path;
		unsigned toolstack;
	} signs[] = {
		{ "/usr/sbin/xl", HOST_XL },
		{ "/etc/xen/xl.conf", HOST_XL },
		{ "/usr/sbin/xend", HOST_XM },
		{ "/etc/xen/xend-config.sxp", HOST_XM },
		{ "/etc/libvirt/libxl", HOST_LIBVIRT },
		{ "/etc/xensource-inventory", HOST_XAPI },
		{ "/etc/xapi.conf", HOST_XAPI },
		{ "/opt/xensource", HOST_XAPI },
		{ "/usr/share/xenclient", HOST_OPENXT },
		{ "/etc/xenmgr.conf", HOST_OPENXT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		if (host_exists(host, signs[i].path))
			host->toolstacks |= signs[i].toolstack;
	}
}

static void take_versions(struct host *host)
{
	static const char dir[] = "/sys/hypervisor/version";
	cleanup_free char *major = mem_printf("%s/major", dir);
	cleanup_free char *minor = mem_printf("%s/minor", dir);
	cleanup_free char *extra = mem_printf("%s/extra", dir);
	cleanup_free char *a = host_line(host, major);
	cleanup_free char *b = host_line(host, minor);
	cleanup_free char *c = host_line(host, extra);
	cleanup_free char *text =
		mem_printf("%s.%s%s", a ? a : "", b ? b : "", c ? c : "");
	cleanup_free char *kernel =
		host_line(host, "/proc/sys/kernel/osrelease");

	host_version(&host->xen, a && b ? text : NULL);
	host_version(&host->kernel, kernel);
}

void host_items_read(struct host *host)
{
	static const struct {
		enum host_what what;
		const char *path;
	} folders[] = {
		{ HOST_MODULE_LINE, "/etc/modules-load.d" },
		{ HOST_MODULE_LINE, "/usr/lib/modules-load.d" },
		{ HOST_MODULE_LINE, "/lib/modules-load.d" },
		{ HOST_MODPROBE, "/etc/modprobe.d" },
		{ HOST_MODPROBE, "/usr/lib/modprobe.d" },
		{ HOST_MODPROBE, "/lib/modprobe.d" },
		{ HOST_UDEV, "/etc/udev/rules.d" },
		{ HOST_UDEV, "/usr/lib/udev/rules.d" },
		{ HOST_UDEV, "/lib/udev/rules.d" },
	};

	take_toolstacks(host);
	take_versions(host);
	take_loaded(host);
	take_installed(host);
	take_lines(host, HOST_MODULE_LINE, "/etc/modules");
	take_lines(host, HOST_MODULE_LINE, "/etc/initramfs-tools/modules");
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		take_folder(host, folders[i].what, folders[i].path);
	take_dkms(host);
	take_packages(host);
	take_scripts(host);
	take_programs(host);
	host_services_read(host);
}
