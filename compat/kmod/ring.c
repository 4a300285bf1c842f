// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c - the ring device: what the serving process opens, maps and polls.
 *
 * All 353 pages, and the window's if it was asked for, are allocated and
 * inserted once, at mmap; no page table is touched for a request. A mapping
 * may go while others still look at its pages (poll and ioctl in other
 * threads, a copy in progress), so it is counted. Nothing here waits for the
 * block device: a process that dies can always be reaped.
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

	for (i = 0; i < ring->all_pages; i++)
		if (ring->pages[i])
			__free_page(ring->pages[i]);
	kvfree(ring);
}

void ring_put(struct ring *ring)
{
	kref_put(&ring->ref, ring_free);
}

/*
 * n pages from the first-th on, if there are any in one piece: that is copied
 * at once, and goes to a disk's controller as one. Each is freed by itself.
 */
static bool ring_fill_piece(struct ring *ring, unsigned int first,
			    unsigned int n)
{
	gfp_t gfp = GFP_KERNEL | __GFP_ZERO;
	unsigned int i;
	char *at;

	if (n > 1)
		gfp |= __GFP_NORETRY | __GFP_NOWARN;
	at = alloc_pages_exact(n * ABI_PAGE, gfp);
	for (i = 0; at && i < n; i++)
		ring->pages[first + i] = virt_to_page(at + i * ABI_PAGE);
	return at;
}

/* Pages from the first-th on, in few pieces of up to so many. */
static bool ring_fill(struct ring *ring, unsigned int first, unsigned int last,
		      unsigned int piece)
{
	while (first < last) {
		unsigned int n = min(piece, last - first);

		if (ring_fill_piece(ring, first, n))
			first += n;
		else if (n > 1)
			piece = n / 2;
		else
			return false;
	}
	return true;
}

static struct ring *ring_new(struct tap *tap, const struct abi_large *large)
{
	unsigned int pages = ABI_MAP_PAGES + large->window / ABI_PAGE;
	struct ring *ring;

	ring = kvzalloc(struct_size(ring, pages, pages), GFP_KERNEL);
	if (!ring)
		return NULL;
	kref_init(&ring->ref);
	ring->tap = tap;
	ring->mm = current->mm;
	ring->all_pages = pages;
	ring->nr_grains = large->window / ABI_GRAIN;
	ring->max_bytes = large->window ? large->bytes : ABI_SEGS * ABI_PAGE;
	if (!ring_fill(ring, 0, 1, 1) ||
	    !ring_fill(ring, 1, ABI_MAP_PAGES, ABI_SEGS) ||
	    !ring_fill(ring, ABI_MAP_PAGES, pages,
		       ABI_LARGE_BYTES / ABI_PAGE)) {
		ring_put(ring);
		return NULL;
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

static void ring_promised(struct tap *tap, struct abi_large *out)
{
	unsigned long irq;

	spin_lock_irqsave(&tap->ring_lock, irq);
	*out = tap->large;
	spin_unlock_irqrestore(&tap->ring_lock, irq);
}

/* -EBUSY once there is a mapping: it is what it is. */
static int ring_promise(struct tap *tap, const struct abi_large *large)
{
	unsigned long irq;
	int err = 0;

	spin_lock_irqsave(&tap->ring_lock, irq);
	if (tap->ring)
		err = -EBUSY;
	else
		tap->large = *large;
	spin_unlock_irqrestore(&tap->ring_lock, irq);
	return err;
}

static int ring_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct tap *tap = file->private_data;
	unsigned long pages = vma_pages(vma);
	struct abi_large large;
	struct ring *ring;
	int err;

	if (vma->vm_pgoff || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	ring_promised(tap, &large);
	if (pages <= ABI_MAP_PAGES)
		large.window = 0;
	else if (pages != ABI_MAP_PAGES + large.window / ABI_PAGE)
		return -EINVAL;
	ring = ring_new(tap, &large);
	if (!ring)
		return -ENOMEM;
	ring->nr_pages = pages;
	vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	err = vm_map_pages(vma, ring->pages, ring->all_pages);
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

/* ABI_LARGE: before the mapping; the last one that is asked for holds. */
static int ring_large(struct tap *tap, void __user *arg)
{
	unsigned int most = min(READ_ONCE(tap_large_kib), ABI_WINDOW_MAX >> 10);
	struct abi_large large;

	most = rounddown(most << 10, ABI_GRAIN);
	if (!most)
		return -ENOTTY;
	if (copy_from_user(&large, arg, sizeof(large)))
		return -EFAULT;
	if (large.version != ABI_LARGE_VERSION || large.reserved ||
	    large.bytes <= ABI_SEGS * ABI_PAGE || large.bytes % ABI_PAGE ||
	    large.window < large.bytes || large.window % ABI_GRAIN)
		return -EINVAL;
	large.window = min(large.window, most);
	large.bytes = min3(large.bytes, large.window, ABI_LARGE_BYTES);
	if (copy_to_user(arg, &large, sizeof(large)))
		return -EFAULT;
	return ring_promise(tap, &large);
}

/* ABI_CREATE: XS's structure and DS's, told apart by the flags. */
static int ring_create(struct ring *ring, void __user *arg)
{
	struct tap *tap = ring->tap;
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
	params.max_bytes = ring->max_bytes;
	err = disk_create(tap, &params);
	if (err)
		return err;
	if (flags != info.flags && put_user(flags, (u64 __user *)(arg + 16)))
		return -EFAULT;
	return 0;
}

static int ring_params(struct ring *ring, unsigned int cmd, void __user *arg)
{
	struct tap *tap = ring->tap;
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
		params.max_bytes = ring->max_bytes;
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
	struct ring *ring;
	long ret = -EACCES;

	if (cmd == ABI_LARGE)
		return ring_large(tap, (void __user *)arg);
	ring = ring_current(tap);
	if (!ring)
		return -EACCES;
	if (ring->mm == current->mm) {
		switch (cmd) {
		case ABI_RESPOND:
			ret = request_answers(ring);
			break;
		case ABI_CREATE:
			ret = ring_create(ring, (void __user *)arg);
			break;
		case ABI_CREATE_COMPAT:
		case ABI_SET_PARAMS:
			ret = ring_params(ring, cmd, (void __user *)arg);
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
		/* No mapping is left of an earlier opener's: it pins the file. */
		memset(&tap->large, 0, sizeof(tap->large));
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
