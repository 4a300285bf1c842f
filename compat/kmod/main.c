// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - control device, table of taps, module.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "blktap.h"
#include "kcompat.h"

bool tap_classic;
module_param_named(classic, tap_classic, bool, 0444);
MODULE_PARM_DESC(classic,
		 "names of old kernels (blktap-control, blktapN) instead of XenServer's (blktap/control, blktap/blktapN)");

bool tap_level_poll;
module_param_named(level_poll, tap_level_poll, bool, 0644);
MODULE_PARM_DESC(level_poll,
		 "for tests: report readable while any request is unanswered");

unsigned int tap_hold_seconds = 60;
module_param_named(hold_seconds, tap_hold_seconds, uint, 0644);
MODULE_PARM_DESC(hold_seconds,
		 "how long I/O waits for a new tapdisk when one has died, then fails (default 60; 0: fail at once)");

unsigned int tap_large_kib = 4096;
module_param_named(large_kib, tap_large_kib, uint, 0644);
MODULE_PARM_DESC(large_kib,
		 "memory for requests of more than 44 KiB that a tapdisk may have, if it asks, for a device (default 4096, at most 32768; 0: none)");

int tap_verbosity;

static DEFINE_IDR(tap_table);
static DEFINE_MUTEX(tap_table_lock);
static dev_t tap_ring_dev;
static struct cdev tap_cdev;
static int tap_block_major;

unsigned int tap_ring_major(void)
{
	return MAJOR(tap_ring_dev);
}

unsigned int tap_disk_major(void)
{
	return tap_block_major;
}

static void tap_release(struct kref *ref)
{
	kfree(container_of(ref, struct tap, ref));
}

void tap_put(struct tap *tap)
{
	kref_put(&tap->ref, tap_release);
}

struct tap *tap_get(unsigned int minor)
{
	struct tap *tap;

	mutex_lock(&tap_table_lock);
	tap = minor < TAP_MAX ? idr_find(&tap_table, minor) : NULL;
	if (tap)
		kref_get(&tap->ref);
	mutex_unlock(&tap_table_lock);
	return tap;
}

int tap_for_each(int (*fn)(struct tap *tap, void *arg), void *arg)
{
	struct tap *tap;
	int id, ret = 0;

	mutex_lock(&tap_table_lock);
	idr_for_each_entry(&tap_table, tap, id) {
		ret = fn(tap, arg);
		if (ret)
			break;
	}
	mutex_unlock(&tap_table_lock);
	return ret;
}

static struct tap *tap_new(void)
{
	struct tap *tap = kzalloc(sizeof(*tap), GFP_KERNEL);

	if (!tap)
		return NULL;
	kref_init(&tap->ref);
	mutex_init(&tap->lock);
	mutex_init(&tap->answer_lock);
	spin_lock_init(&tap->ring_lock);
	init_waitqueue_head(&tap->wait);
	INIT_DELAYED_WORK(&tap->expire, request_expire);
	INIT_WORK(&tap->replay, request_replay);
	return tap;
}

/* Takes a reference on the module until tap_free(). */
static int tap_alloc(struct abi_handle *out)
{
	struct tap *tap = tap_new();
	struct device *dev;
	int minor, err;

	if (!tap)
		return -ENOMEM;
	err = pool_join(tap);
	if (err)
		goto fail;
	mutex_lock(&tap_table_lock);
	minor = idr_alloc(&tap_table, NULL, 0, TAP_MAX, GFP_KERNEL);
	mutex_unlock(&tap_table_lock);
	err = minor == -ENOSPC ? -ENOMEM : minor;
	if (minor < 0)
		goto fail;

	tap->minor = minor;
	dev = device_create_with_groups(tap_class, NULL,
					MKDEV(tap_ring_major(), minor), tap,
					tap_groups,
					tap_classic ? "blktap%u" :
						      "blktap/blktap%u", minor);
	err = PTR_ERR_OR_ZERO(dev);
	mutex_lock(&tap_table_lock);
	if (err) {
		idr_remove(&tap_table, minor);
	} else {
		tap->dev = dev;
		idr_replace(&tap_table, tap, minor);
	}
	mutex_unlock(&tap_table_lock);
	if (err)
		goto fail;
	__module_get(THIS_MODULE);
	out->ring_major = tap_ring_major();
	out->disk_major = tap_disk_major();
	out->minor = minor;
	return 0;
fail:
	pool_leave(tap);
	tap_put(tap);
	return err;
}

/* Close the ring device's door; -EBUSY while anybody is in, or uses the disk. */
static int tap_shut(struct tap *tap)
{
	unsigned long irq;
	int err = 0;

	mutex_lock(&tap->lock);
	spin_lock_irqsave(&tap->ring_lock, irq);
	if (tap->opened || tap->ring || (tap->disk && tap->openers))
		err = -EBUSY;
	spin_unlock_irqrestore(&tap->ring_lock, irq);
	if (!err && tap->shut)
		err = -ENODEV;
	if (!err)
		tap->shut = true;
	mutex_unlock(&tap->lock);
	return err;
}

int tap_free(unsigned int minor)
{
	struct tap *tap = tap_get(minor);
	int err;

	if (!tap)
		return minor < TAP_MAX ? -ENODEV : -EINVAL;
	err = tap_shut(tap);
	if (err)
		goto out;
	/* What still waits for a process will not get one. */
	mod_delayed_work(system_wq, &tap->expire, 0);
	flush_delayed_work(&tap->expire);
	err = disk_remove(tap);
	if (err) {
		mutex_lock(&tap->lock);
		tap->shut = false;
		mutex_unlock(&tap->lock);
		goto out;
	}
	cancel_work_sync(&tap->replay);
	device_destroy(tap_class, MKDEV(tap_ring_major(), minor));
	mutex_lock(&tap_table_lock);
	idr_remove(&tap_table, minor);
	mutex_unlock(&tap_table_lock);
	pool_leave(tap);
	tap_put(tap);
	module_put(THIS_MODULE);
out:
	tap_put(tap);
	return err;
}

static long control_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct abi_handle handle;
	int err;

	switch (cmd) {
	case ABI_ALLOC_TAP:
		err = tap_alloc(&handle);
		if (err)
			return err;
		if (copy_to_user((void __user *)arg, &handle,
				 sizeof(handle))) {
			tap_free(handle.minor);
			return -EFAULT;
		}
		return 0;
	case ABI_FREE_TAP:
		return arg < TAP_MAX ? tap_free(arg) : -EINVAL;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
	.unlocked_ioctl = control_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice control_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = ABI_MISC_XS,
	.fops = &control_fops,
	.groups = tap_control_groups,
};

static int ring_devices_init(void)
{
	int err = alloc_chrdev_region(&tap_ring_dev, 0, TAP_MAX,
				      ABI_RING_MAJOR);

	if (err)
		return err;
	cdev_init(&tap_cdev, &ring_fops);
	tap_cdev.owner = THIS_MODULE;
	err = cdev_add(&tap_cdev, tap_ring_dev, TAP_MAX);
	if (err)
		unregister_chrdev_region(tap_ring_dev, TAP_MAX);
	return err;
}

static void ring_devices_exit(void)
{
	cdev_del(&tap_cdev);
	unregister_chrdev_region(tap_ring_dev, TAP_MAX);
}

static int __init blktap_init(void)
{
	int err = ring_devices_init();

	if (err)
		return err;
	tap_block_major = register_blkdev(0, ABI_DISK_MAJOR);
	err = tap_block_major;
	if (err < 0)
		goto no_block;
	err = sysfs_init();
	if (err)
		goto no_class;
	if (tap_classic)
		control_dev.name = ABI_MISC_CLASSIC;
	err = misc_register(&control_dev);
	if (err)
		goto no_control;
	err = pools_init(control_dev.this_device);
	if (err)
		goto no_pools;
	return 0;
no_pools:
	misc_deregister(&control_dev);
no_control:
	sysfs_exit();
no_class:
	unregister_blkdev(tap_block_major, ABI_DISK_MAJOR);
no_block:
	ring_devices_exit();
	return err;
}

/* No tap is left: each holds the module. */
static void __exit blktap_exit(void)
{
	pools_exit();
	misc_deregister(&control_dev);
	sysfs_exit();
	unregister_blkdev(tap_block_major, ABI_DISK_MAJOR);
	ring_devices_exit();
	idr_destroy(&tap_table);
}

module_init(blktap_init);
module_exit(blktap_exit);

MODULE_DESCRIPTION("Block devices whose requests a tapdisk process answers (blktap2 interface)");
MODULE_AUTHOR("The blktap maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
MODULE_ALIAS("devname:blktap/control");
MODULE_ALIAS("blktap2");
