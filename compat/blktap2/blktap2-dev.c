/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * blktap2-dev.c - one ring device: open, map, create, answer, remove.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compat/blktap2/abi.h"
#include "compat/blktap2/blktap2.h"
#include "lib/err.h"
#include "lib/list.h"

/* Known by no module: where it comes back, flags are not looked at. */
#define FLAG_UNKNOWN (1u << 31)

/* What Linux 2.6.32 answers where later kernels say ENOTTY. */
#define ENOIOCTLCMD_LEAKED 515

/* For large requests: as much memory a disk, four of the largest at once. */
#define WINDOW (4u << 20)

struct real {
	struct blktap2_dev dev;
	unsigned minor;
};

static int real_ioctl(struct blktap2_dev *dev, unsigned long nr, void *arg)
{
	return ioctl(dev->fd, nr, arg) < 0 ? -errno : 0;
}

static int create_compat(struct blktap2_dev *dev,
			 const struct blktap2_disk *disk)
{
	struct abi_params params = {
		.capacity = disk->sectors,
		.sector_size = disk->sector_size,
	};

	dev->flush = false;
	dev->trim = false;
	return real_ioctl(dev, ABI_CREATE_COMPAT, &params);
}

static int create_new(struct blktap2_dev *dev, const struct blktap2_disk *disk)
{
	uint32_t physical =
		disk->physical_size ? disk->physical_size : disk->sector_size;
	struct abi_info info = {
		.capacity = disk->sectors,
		.sector_size = disk->sector_size,
		.physical_sector_size = physical,
		.flags = FLAG_UNKNOWN | ABI_PSZ |
			 (disk->readonly ? ABI_RO : 0) |
			 (disk->flush ? ABI_FLUSH : 0) |
			 (disk->trim ? ABI_TRIM : 0),
		.phys_block_size = physical,
		.trim_block_size = disk->sector_size,
	};
	int ret = real_ioctl(dev, ABI_CREATE, &info);

	dev->flush = !(info.flags & FLAG_UNKNOWN) && (info.flags & ABI_FLUSH);
	dev->trim = !(info.flags & FLAG_UNKNOWN) && (info.flags & ABI_TRIM);
	return ret;
}

/* Whether the block layer sends flushes for a disk that was there before. */
static bool has_write_cache(unsigned minor)
{
	char path[96], text[16] = "";
	unsigned major;
	FILE *f;

	if (blktap2_disk_major(&major, "", NULL))
		return false;
	(void)snprintf(path, sizeof(path),
		       "/sys/dev/block/%u:%u/queue/write_cache", major, minor);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	(void)fclose(f); /* only read */
	return !strcmp(text, "write back\n");
}

static int real_create(struct blktap2_dev *dev, const struct blktap2_disk *disk,
		       struct err *err)
{
	int ret = create_new(dev, disk);

	if (ret == -ENOTTY || ret == -ENOIOCTLCMD_LEAKED || ret == -EINVAL) {
		int old = create_compat(dev, disk);

		/* Both refuse it: then it is the size that is wrong. */
		if (ret != -EINVAL || old == 0)
			ret = old;
	}
	if (ret == -EEXIST) {
		struct real *r = container_of(dev, struct real, dev);

		dev->flush = has_write_cache(r->minor);
		dev->trim = false;
		return 0;
	}
	if (ret)
		return err_set(err, ret,
			       "the kernel makes no disk of %llu sectors: %s",
			       (unsigned long long)disk->sectors,
			       strerror(-ret));
	return 0;
}

static int real_resize(struct blktap2_dev *dev, uint64_t sectors,
		       uint32_t sector_size)
{
	struct abi_params params = {
		.capacity = sectors,
		.sector_size = sector_size,
	};
	int ret = real_ioctl(dev, ABI_SET_PARAMS, &params);

	return ret == -ENOTTY || ret == -EINVAL ? -EOPNOTSUPP : ret;
}

static int real_respond(struct blktap2_dev *dev)
{
	return real_ioctl(dev, ABI_RESPOND, NULL);
}

static int real_remove(struct blktap2_dev *dev)
{
	int ret = real_ioctl(dev, ABI_REMOVE, NULL);

	/* The oldest modules have none: closing the ring does it. */
	return ret == -ENOTTY || ret == -ENOIOCTLCMD_LEAKED ? 0 : ret;
}

static void real_close(struct blktap2_dev *dev)
{
	if (dev->map)
		(void)munmap(dev->map, ABI_MAP_SIZE + dev->window); /* it was */
	if (dev->fd >= 0)
		(void)close(dev->fd); /* nothing to lose */
	free(container_of(dev, struct real, dev));
}

/*
 * Ask for large requests. Any error is a no: what other modules say to a
 * number that they do not know, before there is a mapping, differs.
 */
static void ask_large(struct blktap2_dev *dev)
{
	struct abi_large large = {
		.version = ABI_LARGE_VERSION,
		.bytes = ABI_LARGE_BYTES,
		.window = WINDOW,
	};

	if (real_ioctl(dev, ABI_LARGE, &large) || large.window > WINDOW ||
	    large.bytes > large.window || large.window % ABI_PAGE)
		return;
	dev->window = large.window;
	dev->largest = large.bytes;
}

static int real_map(struct blktap2_dev *dev)
{
	void *p = mmap(NULL, ABI_MAP_SIZE + dev->window, PROT_READ | PROT_WRITE,
		       MAP_SHARED, dev->fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	dev->map = p;
	return 0;
}

int blktap2_open(struct blktap2_dev **out, unsigned minor, struct err *err)
{
	struct real *r = calloc(1, sizeof(*r));
	char path[64];
	int ret;

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->dev = (struct blktap2_dev){
		.fd = -1,
		.create = real_create,
		.resize = real_resize,
		.respond = real_respond,
		.remove = real_remove,
		.close = real_close,
	};
	r->minor = minor;
	(void)snprintf(path, sizeof(path), BLKTAP2_DIR "/blktap%u", minor);
	r->dev.fd = open(path, O_RDWR | O_CLOEXEC);
	if (r->dev.fd < 0) {
		ret = err_sys(err, "%s", path);
		goto fail;
	}
	ask_large(&r->dev);
	ret = real_map(&r->dev);
	if (ret && r->dev.window) {
		/* As much memory is not to be had: it goes without. */
		r->dev.window = r->dev.largest = 0;
		ret = real_map(&r->dev);
	}
	if (ret) {
		err_set(err, ret, "%s: %s", path, strerror(-ret));
		goto fail;
	}
	*out = &r->dev;
	return 0;
fail:
	real_close(&r->dev);
	return ret;
}
