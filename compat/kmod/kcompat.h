/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kcompat.h - what kernels from 5.10 on call differently. The code is written
 * for the newest; here is what older ones lack.
 */
#ifndef BLKTAP_KCOMPAT_H
#define BLKTAP_KCOMPAT_H

#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
#define KCOMPAT_SPLIT split
#define set_capacity_and_notify(disk, sectors) \
	set_capacity_revalidate_and_notify(disk, sectors, true)
#else
#define KCOMPAT_SPLIT may_split
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 14, 0)
#include <linux/blk-mq.h>
static inline struct gendisk *blk_mq_alloc_disk(struct blk_mq_tag_set *tags,
						void *data)
{
	struct request_queue *q = blk_mq_init_queue(tags);
	struct gendisk *disk;

	if (IS_ERR(q))
		return ERR_CAST(q);
	disk = alloc_disk(1);
	if (!disk) {
		blk_cleanup_queue(q);
		return ERR_PTR(-ENOMEM);
	}
	q->queuedata = data;
	disk->queue = q;
	return disk;
}

static inline void blk_cleanup_disk(struct gendisk *disk)
{
	blk_cleanup_queue(disk->queue);
	put_disk(disk);
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 15, 0)
#define kcompat_add_disk(dev, disk) (device_add_disk(dev, disk, NULL), 0)
#else
#define kcompat_add_disk(dev, disk) device_add_disk(dev, disk, NULL)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#define KCOMPAT_KTYPE struct kobj_type
#else
#define KCOMPAT_KTYPE const struct kobj_type
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define vm_flags_set(vma, bits) ((vma)->vm_flags |= (bits))
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define kcompat_class_create(name) class_create(THIS_MODULE, name)
#define KCOMPAT_CLASS struct class
#define KCOMPAT_CLASS_ATTR struct class_attribute
#else
#define kcompat_class_create(name) class_create(name)
#define KCOMPAT_CLASS const struct class
#define KCOMPAT_CLASS_ATTR const struct class_attribute
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define blk_mode_t fmode_t
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 17, 0)
#define GENHD_FL_NO_PART GENHD_FL_NO_PART_SCAN
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define KCOMPAT_MERGE BLK_MQ_F_SHOULD_MERGE
#else
#define KCOMPAT_MERGE 0
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0)
#define kcompat_allow_discard(q) blk_queue_flag_set(QUEUE_FLAG_DISCARD, q)
#else
#define kcompat_allow_discard(q) do { } while (0)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 0, 0)
#define kcompat_put_new_disk(disk) blk_cleanup_disk(disk)
#else
#define kcompat_put_new_disk(disk) put_disk(disk)
#endif

#endif /* BLKTAP_KCOMPAT_H */
