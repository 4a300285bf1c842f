/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * blktap2.c - finds the module, takes and gives back minors and their nodes.
 */
#include "compat/blktap2/blktap2.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "compat/blktap2/abi.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/parse.h"

#define SYSFS_CLASS "/sys/class/blktap2"
#define MISC_MAJOR  10

/*
 * The number before name on a line of a file of "number name" lines, such as
 * /proc/misc; section, if not NULL, is the heading it stands under.
 */
static int number_of(const char *path, const char *section, const char *name,
		     unsigned *out)
{
	char line[256], found[128];
	bool within = !section;
	unsigned number;
	int ret = -ENODEV;
	FILE *f = fopen(path, "re");

	if (!f)
		return -errno;
	while (ret && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (section && !strcmp(line, section))
			within = true;
		if (within && sscanf(line, "%u %127s", &number, found) == 2 &&
		    !strcmp(found, name)) {
			*out = number;
			ret = 0;
		}
	}
	(void)fclose(f); /* only read */
	return ret;
}

int blktap2_probe(struct blktap2_host *out, const char *root, struct err *err)
{
	char path[256];
	int ret;

	(void)snprintf(path, sizeof(path), "%s/proc/misc", root);
	out->classic = false;
	ret = number_of(path, NULL, ABI_MISC_XS, &out->misc_minor);
	if (ret == -ENODEV) {
		out->classic = true;
		ret = number_of(path, NULL, ABI_MISC_CLASSIC, &out->misc_minor);
	}
	if (ret == -ENODEV)
		return err_set(err, ret, "blktap kernel module not installed");
	if (ret)
		return err_set(err, ret, "failed to open %s: %s", path,
			       strerror(-ret));
	return 0;
}

int blktap2_disk_major(unsigned *major, const char *root, struct err *err)
{
	char path[256];
	int ret;

	(void)snprintf(path, sizeof(path), "%s/proc/devices", root);
	ret = number_of(path, "Block devices:", ABI_DISK_MAJOR, major);
	if (ret)
		return err_set(err, ret, "%s: no block major %s", path,
			       ABI_DISK_MAJOR);
	return 0;
}

/* Make a node, unless the very one is there. */
static int make_node(const char *path, mode_t type, dev_t dev, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) == 0) {
		if ((st.st_mode & S_IFMT) == type && st.st_rdev == dev)
			return 0;
		if (unlink(path))
			return err_sys(err, "%s", path);
	}
	if (mknod(path, type | 0600, dev))
		return err_sys(err, "%s", path);
	return 0;
}

static int make_dir(struct err *err)
{
	if (mkdir("/dev/xen", 0755) && errno != EEXIST)
		return err_sys(err, "/dev/xen");
	if (mkdir(BLKTAP2_DIR, 0755) && errno != EEXIST)
		return err_sys(err, BLKTAP2_DIR);
	return 0;
}

/*
 * The control device, by a node that is made anew when the module came back
 * with another minor.
 */
static int open_control(const struct blktap2_host *host, struct err *err)
{
	const char *path = BLKTAP2_DIR "/control";
	int fd, ret = make_dir(err);

	if (!ret)
		ret = make_node(path, S_IFCHR,
				makedev(MISC_MAJOR, host->misc_minor), err);
	if (ret)
		return ret;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "%s", path) : fd;
}

static void node_names(unsigned minor, char ring[64], char disk[64])
{
	(void)snprintf(ring, 64, BLKTAP2_DIR "/blktap%u", minor);
	(void)snprintf(disk, 64, BLKTAP2_DIR "/tapdev%u", minor);
}

int blktap2_allocate(const struct blktap2_host *host, unsigned *minor,
		     struct err *err)
{
	struct abi_handle handle = { 0 };
	cleanup_fd int fd = open_control(host, err);
	char ring[64], disk[64];
	int ret;

	if (fd < 0)
		return fd;
	if (ioctl(fd, ABI_ALLOC_TAP, &handle) < 0)
		return err_sys(err, "the kernel gives no minor");
	node_names(handle.minor, ring, disk);
	ret = make_node(ring, S_IFCHR, makedev(handle.ring_major, handle.minor),
			err);
	if (!ret)
		ret = make_node(disk, S_IFBLK,
				makedev(handle.disk_major, handle.minor), err);
	if (ret) {
		(void)blktap2_free(host, handle.minor, NULL); /* ret says it */
		return ret;
	}
	*minor = handle.minor;
	return 0;
}

int blktap2_free(const struct blktap2_host *host, unsigned minor,
		 struct err *err)
{
	cleanup_fd int fd = open_control(host, err);
	char ring[64], disk[64];

	if (fd < 0)
		return fd;
	if (ioctl(fd, ABI_FREE_TAP, (unsigned long)minor) < 0)
		return err_sys(err, "kernel minor %u", minor);
	node_names(minor, ring, disk);
	(void)unlink(ring); /* may never have been there */
	(void)unlink(disk); /* may never have been there */
	return 0;
}

int blktap2_list(const struct blktap2_host *host, unsigned *minors,
		 unsigned max)
{
	const char *prefix = host->classic ? "blktap" : "blktap!blktap";
	DIR *dir = opendir(SYSFS_CLASS);
	struct dirent *d;
	unsigned n = 0;

	if (!dir)
		return -errno;
	while (n < max && (d = readdir(dir))) {
		uint64_t minor;

		if (strncmp(d->d_name, prefix, strlen(prefix)) != 0)
			continue;
		if (!parse_uint(&minor, d->d_name + strlen(prefix), 0, 1 << 20))
			minors[n++] = (unsigned)minor;
	}
	(void)closedir(dir); /* only read */
	return (int)n;
}
