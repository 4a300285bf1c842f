/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * blktap.h - a block device whose requests a process answers.
 *
 * A tap is a minor number. It has a ring device, which one process opens and
 * maps, and, once that process has said how large it is, a disk. A request's
 * tag is its slot in the data area.
 *
 *	main.c		control device, table of taps, module
 *	ring.c		ring device: open, mmap, poll, ioctl
 *	request.c	block requests to the ring and answers back
 *	disk.c		the gendisk: create, resize, remove
 *	sysfs.c		what storage managers read and write
 *
 * Locks: tap->lock (mutex) is held for open, create, remove and sysfs;
 * tap->ring_lock (spinlock) for the ring's indices, the state of slots and
 * which mapping is the current one. Data is copied under neither.
 */
#ifndef BLKTAP_H
#define BLKTAP_H

#include <linux/bitmap.h>
#include <linux/blk-mq.h>
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/version.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "abi.h"

#define TAP_MAX		16384
#define TAP_NAME_MAX	256

/* A request, by its tag. */
enum slot_state {
	SLOT_FREE,
	SLOT_WAITING,	/* no process to give it to */
	SLOT_COPYING,	/* a write's data is on its way to the data area */
	SLOT_ISSUED,	/* on the ring */
	SLOT_ANSWERED,	/* a read's data is on its way back */
};

struct slot {
	enum slot_state state;
	struct request *rq;
	ktime_t since;
	/* Of the entry that is on the ring, or will be next. */
	unsigned int done;	/* bytes of the request that came before it */
	unsigned int len;	/* bytes of data that it is about */
	bool large;		/* they are in the window */
	unsigned int at;	/* large: where, from the window's start */
	u8 op;
};

/*
 * One mapping of the ring by one process. The pages live as long as anybody
 * looks at them; tap->ring tells which mapping is the current one.
 */
struct ring {
	struct kref ref;
	struct tap *tap;
	struct mm_struct *mm;	/* compared, never followed */
	unsigned int nr_pages;	/* mapped, the ring's own among them */
	unsigned int nr_grains;	/* of the window; 0: there is none */
	unsigned int max_bytes;	/* of a request */
	u32 req_prod;		/* published is in shared->req_prod */
	u32 rsp_cons;
	struct abi_ring *shared;
	DECLARE_BITMAP(grains, ABI_WINDOW_MAX / ABI_GRAIN); /* taken */
	unsigned int all_pages;
	struct page *pages[];	/* the ring's, the slots', the window's */
};

struct tap {
	struct kref ref;
	unsigned int minor;
	struct device *dev;
	struct mutex lock;

	/* Ring device. */
	bool shut;		/* being freed: open no more */
	bool opened;
	pid_t task;		/* of the opener */
	wait_queue_head_t wait;
	unsigned long events;	/* EVENT_* not yet polled */

	/* Ring and slots. */
	spinlock_t ring_lock;
	struct ring *ring;	/* NULL: not mapped */
	struct abi_large large;	/* what the opener was promised */
	bool dead;		/* nobody came back in time */
	struct slot slots[ABI_SLOTS];
	struct mutex answer_lock;	/* one RESPOND at a time */
	struct delayed_work expire;
	struct work_struct replay;

	/* Disk. */
	struct gendisk *disk;
	struct blk_mq_tag_set tags;
	unsigned int openers;	/* under ring_lock */
	bool closed;		/* the last opener left; for debug */
	bool removing;		/* under ring_lock: open no more */
	u32 flags;		/* ABI_RO, ABI_FLUSH, ABI_TRIM */
	u32 sector_size;

	char name[TAP_NAME_MAX];
	struct pool *pool;
};

enum {
	EVENT_REQUEST,
	EVENT_CLOSED,
};

/* main.c */
extern bool tap_classic;
extern bool tap_level_poll;
extern unsigned int tap_hold_seconds;
extern unsigned int tap_large_kib;
extern int tap_verbosity;
struct tap *tap_get(unsigned int minor);
void tap_put(struct tap *tap);
int tap_for_each(int (*fn)(struct tap *tap, void *arg), void *arg);
int tap_free(unsigned int minor);
unsigned int tap_ring_major(void);
unsigned int tap_disk_major(void);

#define tap_debug(tap, fmt, ...)					\
	do {								\
		if (tap_verbosity > 0)					\
			pr_info("tap %u: " fmt, (tap)->minor, ##__VA_ARGS__); \
	} while (0)

/* ring.c */
extern const struct file_operations ring_fops;
void ring_put(struct ring *ring);
void ring_message(struct tap *tap, u8 msg);

/* request.c */
extern const struct blk_mq_ops request_ops;
int request_answers(struct ring *ring);
int request_attach(struct tap *tap, struct ring *ring);
void request_detach(struct tap *tap, struct ring *ring);
void request_expire(struct work_struct *work);
void request_replay(struct work_struct *work);
unsigned int request_pending(struct tap *tap);

/* disk.c */
struct disk_params {
	u64 capacity;
	u32 sector_size;
	u32 physical_size;
	u32 flags;
	u32 trim_size;
	u32 trim_offset;
	u32 max_bytes;		/* of a request */
};

int disk_create(struct tap *tap, const struct disk_params *params);
int disk_resize(struct tap *tap, u64 capacity);
int disk_remove(struct tap *tap);

/* sysfs.c */
int sysfs_init(void);
void sysfs_exit(void);
extern struct class *tap_class;
extern const struct attribute_group *tap_control_groups[];
extern const struct attribute_group *tap_groups[];
int pools_init(struct device *control);
void pools_exit(void);
int pool_join(struct tap *tap);
void pool_leave(struct tap *tap);

#endif /* BLKTAP_H */
