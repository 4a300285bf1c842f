/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-tapdev.c - block devices of the blktap2 module, and who holds them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "lib/parse.h"
#include "migrate/host-int.h"

#define CLASS "/sys/class/blktap2"

/* The major of "tapdev" in /proc/devices; 0. */
static unsigned major_of(const char *devices)
{
	const char *at = devices ? strstr(devices, " tapdev\n") : NULL;
	unsigned major = 0;

	while (at && at > devices && at[-1] != '\n')
		at--;
	if (!at || sscanf(at, " %u", &major) != 1)
		return 0;
	return major;
}

/* Whoever made the device's node called it as he liked. */
static bool is_node(const char *device, const struct host_tapdev *d)
{
	static const char *const dirs[] = { "/dev/xen/blktap-2/tapdev",
					    "/dev/tapdev" };
	uint64_t minor;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		size_t len = strlen(dirs[i]);

		if (!strncmp(device, dirs[i], len) &&
		    parse_uint(&minor, device + len, 0, 65535) == 0 &&
		    minor == d->minor)
			return true;
	}
	return false;
}

/* DEVICE FOLDER TYPE ... */
static void take_mounts(struct host_tapdev *d, const char *mounts)
{
	char device[256], folder[256];

	for (const char *at = mounts; at && *at;
	     at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
		if (sscanf(at, "%255s %255s", device, folder) == 2 &&
		    is_node(device, d))
			mem_list_add(&d->users, "mounted on %s", folder);
	}
}

static void take_holders(struct host *host, struct host_tapdev *d)
{
	cleanup_free char *path =
		mem_printf("/sys/dev/block/%u:%u/holders", d->major, d->minor);
	struct mem_list names;

	host_names(host, path, &names);
	for (size_t i = 0; i < names.count; i++)
		mem_list_add(&d->users, "%s", names.item[i]);
	mem_list_free(&names);
}

/* Of xen-blkback's devices each says which one it has. */
static void take_backs(struct host *host, struct host_tapdev *d)
{
	static const char devices[] = "/sys/bus/xen-backend/devices";
	struct mem_list names;
	unsigned major, minor;

	host_names(host, devices, &names);
	for (size_t i = 0; i < names.count; i++) {
		char *path = mem_printf("%s/%s/physical_device", devices,
					names.item[i]);
		char *line =
			host_exists(host, path) ? host_line(host, path) : NULL;

		if (line && sscanf(line, "%x:%x", &major, &minor) == 2 &&
		    major == d->major && minor == d->minor)
			mem_list_add(&d->users, "%s", names.item[i]);
		free(line);
		free(path);
	}
	mem_list_free(&names);
}

static void take(struct host *host, const char *name, unsigned major,
		 const char *mounts)
{
	cleanup_free char *path = mem_printf("%s/%s/task", CLASS, name);
	const char *number = strstr(name, "blktap");
	struct host_tapdev *d;
	uint64_t minor, pid;
	char *task;

	/* "blktapN", and "blktap!blktapN" with the newer module. */
	for (const char *n = number; n; n = strstr(n + 1, "blktap"))
		number = n;
	if (!number || parse_uint(&minor, number + 6, 0, 65535) < 0)
		return;
	d = mem_add(&host->tapdevs, &host->tapdev_count,
		    sizeof(*host->tapdevs));
	d->minor = (unsigned)minor;
	d->major = major;
	d->pid = -1;
	task = host_line(host, path);
	if (task && parse_uint(&pid, task, 1, INT32_MAX) == 0)
		d->pid = (pid_t)pid;
	free(task);
	take_mounts(d, mounts);
	take_holders(host, d);
	take_backs(host, d);
}

static int by_minor(const void *a, const void *b)
{
	const struct host_tapdev *x = a, *y = b;

	return x->minor < y->minor ? -1 : x->minor > y->minor;
}

void host_tapdevs_read(struct host *host)
{
	char *devices = host_slurp(host, "/proc/devices", NULL);
	char *mounts = host_slurp(host, "/proc/mounts", NULL);
	struct mem_list names;

	host_names(host, CLASS, &names);
	for (size_t i = 0; i < names.count; i++)
		take(host, names.item[i], major_of(devices), mounts);
	mem_list_free(&names);
	if (host->tapdev_count)
		qsort(host->tapdevs, host->tapdev_count, sizeof(*host->tapdevs),
		      by_minor);
	free(mounts);
	free(devices);
}
