// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk.c - the block device of a tap: create, resize, remove.
 *
 * Create and remove run in an ioctl of the very process that answers the
 * disk's requests, so nothing in them may cause one: no partition scan, and
 * no removal while anybody has the device open.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cdrom.h>
#include <linux/hdreg.h>
#include <linux/uaccess.h>
#include <scsi/scsi.h>
#include <scsi/scsi_ioctl.h>

#include "blktap.h"
#include "kcompat.h"

static int disk_opened(struct tap *tap)
{
	unsigned long irq;
	int err = -ENXIO;

	spin_lock_irqsave(&tap->ring_lock, irq);
	if (!tap->removing) {
		tap->openers++;
		tap->closed = false;
		err = 0;
	}
	spin_unlock_irqrestore(&tap->ring_lock, irq);
	return err;
}

/* The last to leave wakes a tapdisk whose remove was refused. */
static void disk_closed(struct tap *tap)
{
	unsigned long irq;
	bool last;

	spin_lock_irqsave(&tap->ring_lock, irq);
	last = !--tap->openers;
	tap->closed = last;
	spin_unlock_irqrestore(&tap->ring_lock, irq);
	if (last) {
		set_bit(EVENT_CLOSED, &tap->events);
		wake_up_interruptible_poll(&tap->wait,
					   EPOLLIN | EPOLLRDNORM);
	}
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
static int disk_open(struct block_device *bdev, fmode_t mode)
{
	return disk_opened(bdev->bd_disk->private_data);
}

static void disk_release(struct gendisk *disk, fmode_t mode)
{
	disk_closed(disk->private_data);
}
#else
static int disk_open(struct gendisk *disk, blk_mode_t mode)
{
	return disk_opened(disk->private_data);
}

static void disk_release(struct gendisk *disk)
{
	disk_closed(disk->private_data);
}
#endif

static void disk_geometry(sector_t sectors, struct hd_geometry *geo)
{
	geo->heads = 255;
	geo->sectors = 63;
	sector_div(sectors, 255 * 63);
	geo->cylinders = sectors;
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
static int disk_getgeo(struct block_device *bdev, struct hd_geometry *geo)
{
	disk_geometry(get_capacity(bdev->bd_disk), geo);
	return 0;
}
#else
static int disk_getgeo(struct gendisk *disk, struct hd_geometry *geo)
{
	disk_geometry(get_capacity(disk), geo);
	return 0;
}
#endif

/* What old installers ask of anything that looks like a disk. */
static int disk_ioctl(struct block_device *bdev, blk_mode_t mode,
		      unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case CDROMMULTISESSION:
		return clear_user((void __user *)arg,
				  sizeof(struct cdrom_multisession)) ?
			-EFAULT : 0;
	case SCSI_IOCTL_GET_IDLUN:
		return clear_user((void __user *)arg, 8) ? -EFAULT : 0;
	default:
		return -EINVAL;
	}
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 18, 0)
static void disk_free(struct gendisk *disk)
{
	tap_put(disk->private_data);
}
#endif

static const struct block_device_operations disk_fops = {
	.owner = THIS_MODULE,
	.open = disk_open,
	.release = disk_release,
	.ioctl = disk_ioctl,
	.getgeo = disk_getgeo,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 18, 0)
	.free_disk = disk_free,
#endif
};

/* tda .. tdz, tdaa .. */
static void disk_name(char *name, size_t size, unsigned int minor)
{
	char letters[8];
	unsigned int i = sizeof(letters);
	int n = minor;

	letters[--i] = '\0';
	do {
		letters[--i] = 'a' + n % 26;
		n = n / 26 - 1;
	} while (n >= 0 && i);
	snprintf(name, size, "td%s", letters + i);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
static struct gendisk *disk_alloc(struct tap *tap,
				  const struct disk_params *p)
{
	struct queue_limits lim = {
		.logical_block_size = p->sector_size,
		.physical_block_size = p->physical_size,
		.max_hw_sectors = p->max_bytes / 512,
		.max_segments = p->max_bytes / 512,
	};

	if (p->flags & ABI_TRIM) {
		lim.max_hw_discard_sectors = UINT_MAX;
		lim.discard_granularity = p->trim_size;
		lim.discard_alignment = p->trim_offset;
	}
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	if (p->flags & ABI_FLUSH)
		lim.features |= BLK_FEAT_WRITE_CACHE;
#endif
	return blk_mq_alloc_disk(&tap->tags, &lim, tap);
}
#else
static struct gendisk *disk_alloc(struct tap *tap,
				  const struct disk_params *p)
{
	struct gendisk *disk = blk_mq_alloc_disk(&tap->tags, tap);
	struct request_queue *q;

	if (IS_ERR(disk))
		return disk;
	q = disk->queue;
	blk_queue_logical_block_size(q, p->sector_size);
	blk_queue_physical_block_size(q, p->physical_size);
	blk_queue_max_hw_sectors(q, p->max_bytes / 512);
	blk_queue_max_segments(q, p->max_bytes / 512);
	if (p->flags & ABI_TRIM) {
		q->limits.discard_granularity = p->trim_size;
		q->limits.discard_alignment = p->trim_offset;
		blk_queue_max_discard_sectors(q, UINT_MAX);
		kcompat_allow_discard(q);
	}
	return disk;
}
#endif

static bool disk_params_valid(const struct disk_params *p)
{
	if (p->sector_size < 512 || p->sector_size > 4096 ||
	    !is_power_of_2(p->sector_size))
		return false;
	if (!p->capacity || p->capacity > (u64)LLONG_MAX >> 9 ||
	    p->capacity % (p->sector_size / 512))
		return false;
	if ((p->flags & ABI_TRIM) &&
	    (p->trim_size < p->sector_size || !is_power_of_2(p->trim_size) ||
	     p->trim_offset >= p->trim_size ||
	     p->trim_offset % p->sector_size))
		return false;
	return true;
}

static int disk_tags(struct tap *tap)
{
	memset(&tap->tags, 0, sizeof(tap->tags));
	tap->tags.ops = &request_ops;
	tap->tags.nr_hw_queues = 1;
	tap->tags.queue_depth = ABI_SLOTS;
	tap->tags.numa_node = NUMA_NO_NODE;
	tap->tags.flags = KCOMPAT_MERGE;
	return blk_mq_alloc_tag_set(&tap->tags);
}

static int disk_add(struct tap *tap, const struct disk_params *p)
{
	struct gendisk *disk;
	int err;

	err = disk_tags(tap);
	if (err)
		return err;
	disk = disk_alloc(tap, p);
	if (IS_ERR(disk)) {
		err = PTR_ERR(disk);
		goto fail;
	}
	disk->major = tap_disk_major();
	disk->first_minor = tap->minor;
	disk->minors = 1;
	disk->flags |= GENHD_FL_NO_PART;
	disk->fops = &disk_fops;
	kref_get(&tap->ref);
	disk->private_data = tap;
	disk_name(disk->disk_name, sizeof(disk->disk_name), tap->minor);
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
	blk_queue_write_cache(disk->queue, p->flags & ABI_FLUSH, false);
#endif
	set_capacity(disk, p->capacity);
	set_disk_ro(disk, p->flags & ABI_RO);
	tap->flags = p->flags;
	tap->sector_size = p->sector_size;
	tap->removing = false;
	tap->openers = 0;

	err = kcompat_add_disk(tap->dev, disk);
	if (!err) {
		tap->disk = disk;
		tap_debug(tap, "%s: %llu sectors, flags %u\n",
			  disk->disk_name, p->capacity, p->flags);
		return 0;
	}
	kcompat_put_new_disk(disk);
fail:
	blk_mq_free_tag_set(&tap->tags);
	return err;
}

int disk_create(struct tap *tap, const struct disk_params *params)
{
	int err;

	if (!disk_params_valid(params)) {
		pr_info("tap %u: %llu sectors of %u bytes, physical %u, trim %u+%u: refused\n",
			tap->minor, params->capacity, params->sector_size,
			params->physical_size, params->trim_size,
			params->trim_offset);
		return -EINVAL;
	}
	mutex_lock(&tap->lock);
	if (tap->shut)
		err = -ENXIO;
	else if (tap->disk)
		err = -EEXIST;
	else
		err = disk_add(tap, params);
	mutex_unlock(&tap->lock);
	return err;
}

int disk_resize(struct tap *tap, u64 capacity)
{
	struct disk_params p = { .capacity = capacity };
	int err = -EINVAL;

	mutex_lock(&tap->lock);
	p.sector_size = tap->sector_size;
	if (tap->disk && disk_params_valid(&p)) {
		set_capacity_and_notify(tap->disk, capacity);
		err = 0;
	}
	mutex_unlock(&tap->lock);
	return err;
}

/* -EBUSY while the block device is open; 0 also when there is none. */
int disk_remove(struct tap *tap)
{
	struct gendisk *disk;
	unsigned long irq;
	int err = 0;

	mutex_lock(&tap->lock);
	disk = tap->disk;
	spin_lock_irqsave(&tap->ring_lock, irq);
	if (disk && tap->openers)
		err = -EBUSY;
	else
		tap->removing = true;
	spin_unlock_irqrestore(&tap->ring_lock, irq);
	if (!disk || err)
		goto out;
	tap->disk = NULL;
	del_gendisk(disk);
	kcompat_put_new_disk(disk);
	blk_mq_free_tag_set(&tap->tags);
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
	tap_put(tap);
#endif
out:
	mutex_unlock(&tap->lock);
	return err;
}
