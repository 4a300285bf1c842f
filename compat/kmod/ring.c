// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c - the ring device: what the serving process opens, maps and polls.
 *
 * All 353 pages are allocated and inserted once, at mmap; no page table is
 * touched for a request. A mapping may go while others still look at its
 * pages (poll and ioctl in other threads, a copy in progress), so it is
 * counted. Nothing here waits for the block device: a process that dies can
 * always be reaped.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "blktap.h"
#include "kcompat.h"

static void ring_free(struct kref *ref)
{
	struct ring *ring = container_of(ref, struct ring, ref);
	unsigned int i;

	for (i = 0; i < ABI_MAP_PAGES; i++)
		if (ring->pages[i])
			__free_page(ring->pages[i]);
	kvfree(ring);
}

void ring_put(struct ring *ring)
{
	kref_put(&ring->ref, ring_free);
}

static struct ring *ring_new(struct tap *tap)
{
	struct ring *ring = kvzalloc(sizeof(*ring), GFP_KERNEL);
	unsigned int i;

	if (!ring)
		return NULL;
	kref_init(&ring->ref);
	ring->tap = tap;
	ring->mm = current->mm;
	for (i = 0; i < ABI_MAP_PAGES; i++) {
		ring->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!ring->pages[i]) {
			ring_put(ring);
			return NULL;
		}
	}
	ring->shared = page_address(ring->pages[0]);
	ring->shared->req_event = 1;
	ring->shared->rsp_event = 1;
	return ring;
}

/* The current mapping, counted; NULL if there is none. */
static struct ring *ring_current(struct tap *tap)
{
	struct ring *ring;
	unsigned long irq;

	spin_lock_irqsave(&tap->ring_lock, irq);
	ring = tap->ring;
	if (ring)
		kref_get(&ring->ref);
	spin_unlock_irqrestore(&tap->ring_lock, irq);
	return ring;
}

static void ring_vma_close(struct vm_area_struct *vma)
{
	struct ring *ring = vma->vm_private_data;

	request_detach(ring->tap, ring);
	ring_put(ring);
}

/* Whole or not at all. */
static int ring_vma_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

static const struct vm_operations_struct ring_vm_ops = {
	.close = ring_vma_close,
	.KCOMPAT_SPLIT = ring_vma_split,
};

static int ring_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct tap *tap = file->private_data;
	unsigned long pages = vma_pages(vma);
	struct ring *ring;
	int err;

	if (vma->vm_pgoff || !(vma->vm_flags & VM_SHARED) ||
	    pages > ABI_MAP_PAGES)
		return -EINVAL;
	ring = ring_new(tap);
	if (!ring)
		return -ENOMEM;
	ring->nr_pages = pages;
	vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	err = vm_map_pages(vma, ring->pages, ABI_MAP_PAGES);
	if (!err)
		err = request_attach(tap, ring);
	if (err) {
		ring_put(ring);
		return err;
	}
	vma->vm_private_data = ring;
	vma->vm_ops = &ring_vm_ops;
	return 0;
}

static __poll_t ring_poll(struct file *file, poll_table *wait)
{
	struct tap *tap = file->private_data;
	struct ring *ring;
	__poll_t mask = 0;

	poll_wait(file, &tap->wait, wait);
	ring = ring_current(tap);
	if (!ring)
		return 0;
	if (test_and_clear_bit(EVENT_REQUEST, &tap->events))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (test_and_clear_bit(EVENT_CLOSED, &tap->events))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(ring->shared->msg))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (tap_level_poll && READ_ONCE(ring->shared->req_prod) !=
			      READ_ONCE(ring->shared->rsp_prod))
		mask |= EPOLLIN | EPOLLRDNORM;
	ring_put(ring);
	return mask;
}

void ring_message(struct tap *tap, u8 msg)
{
	struct ring *ring = ring_current(tap);

	if (!ring)
		return;
	WRITE_ONCE(ring->shared->msg, msg);
	wake_up_interruptible_poll(&tap->wait, EPOLLIN | EPOLLRDNORM);
	ring_put(ring);
}

static bool ring_pow2_between(u32 v, u32 min, u32 max)
{
	return v >= min && v <= max && !(v & (v - 1));
}

/* ABI_CREATE: XS's structure and DS's, told apart by the flags. */
static int ring_create(struct tap *tap, void __user *arg)
{
	struct abi_info info = {};
	struct disk_params params = {};
	u64 flags;
	int err;

	if (copy_from_user(&info, arg, 24))
		return -EFAULT;
	flags = info.flags & (ABI_RO | ABI_PSZ | ABI_FLUSH | ABI_TRIM);
	if ((flags & ABI_PSZ) &&
	    copy_from_user(&info.phys_block_size, arg + 24, 8))
		return -EFAULT;
	if ((flags & ABI_TRIM) &&
	    copy_from_user(&info.trim_block_size, arg + 32, 8))
		return -EFAULT;

	params.capacity = info.capacity;
	params.sector_size = info.sector_size;
	params.physical_size = info.sector_size;
	if (flags & ABI_PSZ) {
		params.physical_size = info.phys_block_size;
		if (!ring_pow2_between(params.physical_size,
				       params.sector_size, 1u << 20))
			return -EINVAL;
	} else if (ring_pow2_between(info.physical_sector_size,
				     info.sector_size, 1u << 20)) {
		params.physical_size = info.physical_sector_size;
	}
	params.flags = flags;
	params.trim_size = info.trim_block_size;
	params.trim_offset = info.trim_block_offset;
	err = disk_create(tap, &params);
	if (err)
		return err;
	if (flags != info.flags && put_user(flags, (u64 __user *)(arg + 16)))
		return -EFAULT;
	return 0;
}

static int ring_params(struct tap *tap, unsigned int cmd, void __user *arg)
{
	struct disk_params params = {};
	struct abi_params *in;
	int err;

	in = memdup_user(arg, sizeof(*in));
	if (IS_ERR(in))
		return PTR_ERR(in);
	params.capacity = in->capacity;
	err = -EINVAL;
	if (in->sector_size <= U32_MAX) {
		params.sector_size = in->sector_size;
		params.physical_size = in->sector_size;
		err = cmd == ABI_SET_PARAMS ?
			disk_resize(tap, in->capacity) :
			disk_create(tap, &params);
	}
	if (!err && in->name[0]) {
		mutex_lock(&tap->lock);
		strscpy(tap->name, in->name, sizeof(tap->name));
		mutex_unlock(&tap->lock);
	}
	kfree(in);
	return err;
}

static long ring_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct tap *tap = file->private_data;
	struct ring *ring = ring_current(tap);
	long ret = -EACCES;

	if (!ring)
		return -EACCES;
	if (ring->mm == current->mm) {
		switch (cmd) {
		case ABI_RESPOND:
			ret = request_answers(ring);
			break;
		case ABI_CREATE:
			ret = ring_create(tap, (void __user *)arg);
			break;
		case ABI_CREATE_COMPAT:
		case ABI_SET_PARAMS:
			ret = ring_params(tap, cmd, (void __user *)arg);
			break;
		case ABI_REMOVE:
			ret = disk_remove(tap);
			break;
		default:
			ret = -ENOTTY;
		}
	}
	ring_put(ring);
	return ret;
}

static int ring_open(struct inode *inode, struct file *file)
{
	struct tap *tap = tap_get(iminor(inode));
	int err = 0;

	if (!tap)
		return -ENXIO;
	mutex_lock(&tap->lock);
	if (tap->shut)
		err = -ENXIO;
	else if (tap->opened)
		err = -EBUSY;
	else {
		tap->opened = true;
		tap->task = task_tgid_nr(current);
		file->private_data = tap;
	}
	mutex_unlock(&tap->lock);
	if (err)
		tap_put(tap);
	return err;
}

static int ring_release(struct inode *inode, struct file *file)
{
	struct tap *tap = file->private_data;

	mutex_lock(&tap->lock);
	tap->opened = false;
	tap->task = 0;
	mutex_unlock(&tap->lock);
	tap_put(tap);
	return 0;
}

const struct file_operations ring_fops = {
	.owner = THIS_MODULE,
	.open = ring_open,
	.release = ring_release,
	.mmap = ring_mmap,
	.poll = ring_poll,
	.unlocked_ioctl = ring_ioctl,
	.llseek = noop_llseek,
};
