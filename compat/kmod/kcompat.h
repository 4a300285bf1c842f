/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kcompat.h - what kernels from 5.14 on call differently. The code is written
 * for the newest; here is what older ones lack.
 */
#ifndef BLKTAP_KCOMPAT_H
#define BLKTAP_KCOMPAT_H

#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/version.h>

#define KCOMPAT_SPLIT may_split

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

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 0, 0)
#define kcompat_put_new_disk(disk) blk_cleanup_disk(disk)
#else
#define kcompat_put_new_disk(disk) put_disk(disk)
#endif

#endif /* BLKTAP_KCOMPAT_H */
