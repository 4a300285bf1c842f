// SPDX-License-Identifier: GPL-2.0-only
/*
 * sysfs.c - the files that storage managers read and write.
 *
 *	/sys/class/blktap2/		verbosity, devices
 *	/sys/class/blktap2/TAP/		name, task, pool, debug, (remove)
 *	/sys/class/misc/CONTROL/	default_pool, pools/NAME/{size,free}
 *
 * Pools are names and numbers only: each mapping has pages of its own. They
 * come with their first user or by being written to, and go with the last
 * user, as storage managers expect.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/kobject.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "blktap.h"
#include "kcompat.h"

#define POOL_SIZE	(2 * ABI_SLOTS * ABI_SEGS)
#define POOL_SIZE_MIN	ABI_SEGS
#define POOL_SIZE_MAX	(256 * ABI_SEGS)

struct pool {
	struct kobject kobj;
	struct list_head link;
	char name[TAP_NAME_MAX];
	unsigned int size;
	unsigned int users;
};

struct class *tap_class;
static LIST_HEAD(pool_list);
static DEFINE_MUTEX(pool_lock);
static struct kobject *pool_dir;
static struct pool *pool_default;

/* A line as written by echo or without: the text of it. */
static int line_take(char *out, const char *buf, size_t len)
{
	if (len && buf[len - 1] == '\n')
		len--;
	if (!len || len >= TAP_NAME_MAX || memchr(buf, '\0', len))
		return -EINVAL;
	memcpy(out, buf, len);
	out[len] = '\0';
	return 0;
}

/* --- pools --- */

static struct pool *to_pool(struct kobject *kobj)
{
	return container_of(kobj, struct pool, kobj);
}

static ssize_t size_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_pool(kobj)->size));
}

static ssize_t size_store(struct kobject *kobj, struct kobj_attribute *attr,
			  const char *buf, size_t len)
{
	unsigned int size;
	int err = kstrtouint(buf, 10, &size);

	if (err)
		return err;
	size = clamp_t(unsigned int, size, POOL_SIZE_MIN, POOL_SIZE_MAX);
	WRITE_ONCE(to_pool(kobj)->size, size);
	return len;
}

static ssize_t free_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return size_show(kobj, attr, buf);
}

static struct kobj_attribute pool_size = __ATTR_RW(size);
static struct kobj_attribute pool_free = __ATTR_RO(free);

static struct attribute *pool_attrs[] = {
	&pool_size.attr,
	&pool_free.attr,
	NULL,
};
ATTRIBUTE_GROUPS(pool);

static void pool_release(struct kobject *kobj)
{
	kfree(to_pool(kobj));
}

static KCOMPAT_KTYPE pool_type = {
	.release = pool_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = pool_groups,
};

/* Under pool_lock: the pool of this name, with one more user. */
static struct pool *pool_get(const char *name)
{
	struct pool *pool;
	int err;

	list_for_each_entry(pool, &pool_list, link)
		if (!strcmp(pool->name, name)) {
			pool->users++;
			return pool;
		}
	if (strchr(name, '/'))
		return ERR_PTR(-EINVAL);
	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return ERR_PTR(-ENOMEM);
	strscpy(pool->name, name, sizeof(pool->name));
	pool->size = POOL_SIZE;
	pool->users = 1;
	err = kobject_init_and_add(&pool->kobj, &pool_type, pool_dir, "%s",
				   name);
	if (err) {
		kobject_put(&pool->kobj);
		return ERR_PTR(err);
	}
	list_add_tail(&pool->link, &pool_list);
	return pool;
}

/* Under pool_lock. The caller removes what is returned, without the lock. */
static struct pool *pool_drop(struct pool *pool)
{
	if (--pool->users)
		return NULL;
	list_del(&pool->link);
	return pool;
}

static void pool_remove(struct pool *pool)
{
	if (!pool)
		return;
	kobject_del(&pool->kobj);
	kobject_put(&pool->kobj);
}

int pool_join(struct tap *tap)
{
	mutex_lock(&pool_lock);
	tap->pool = pool_default;
	tap->pool->users++;
	mutex_unlock(&pool_lock);
	return 0;
}

void pool_leave(struct tap *tap)
{
	struct pool *gone = NULL;

	mutex_lock(&pool_lock);
	if (tap->pool)
		gone = pool_drop(tap->pool);
	tap->pool = NULL;
	mutex_unlock(&pool_lock);
	pool_remove(gone);
}

/* Put *where, a user of one pool, into the pool called name. */
static int pool_move(struct pool **where, const char *name)
{
	struct pool *pool, *gone = NULL;

	mutex_lock(&pool_lock);
	pool = pool_get(name);
	if (!IS_ERR(pool)) {
		gone = pool_drop(*where);
		*where = pool;
	}
	mutex_unlock(&pool_lock);
	pool_remove(gone);
	return PTR_ERR_OR_ZERO(pool);
}

static ssize_t default_pool_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	ssize_t n;

	mutex_lock(&pool_lock);
	n = sysfs_emit(buf, "%s\n", pool_default ? pool_default->name : "");
	mutex_unlock(&pool_lock);
	return n;
}

static ssize_t default_pool_store(struct device *dev,
				  struct device_attribute *attr,
				  const char *buf, size_t len)
{
	char name[TAP_NAME_MAX];
	int err = line_take(name, buf, len);

	if (!err && !READ_ONCE(pool_default))
		err = -ENODEV;
	if (!err)
		err = pool_move(&pool_default, name);
	return err ? err : len;
}

static DEVICE_ATTR_RW(default_pool);

static struct attribute *tap_control_attrs[] = {
	&dev_attr_default_pool.attr,
	NULL,
};

static const struct attribute_group tap_control_group = {
	.attrs = tap_control_attrs,
};

const struct attribute_group *tap_control_groups[] = {
	&tap_control_group,
	NULL,
};

int pools_init(struct device *control)
{
	int err = 0;

	pool_dir = kobject_create_and_add("pools", &control->kobj);
	if (!pool_dir)
		return -ENOMEM;
	mutex_lock(&pool_lock);
	pool_default = pool_get("default");
	if (IS_ERR(pool_default)) {
		err = PTR_ERR(pool_default);
		pool_default = NULL;
	}
	mutex_unlock(&pool_lock);
	if (err)
		kobject_put(pool_dir);
	return err;
}

void pools_exit(void)
{
	struct pool *gone;

	mutex_lock(&pool_lock);
	gone = pool_drop(pool_default);
	pool_default = NULL;
	mutex_unlock(&pool_lock);
	pool_remove(gone);
	kobject_put(pool_dir);
}

/* --- a tap --- */

static ssize_t name_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct tap *tap = dev_get_drvdata(dev);
	ssize_t n;

	mutex_lock(&tap->lock);
	if (tap->name[0])
		n = sysfs_emit(buf, "%s\n", tap->name);
	else
		n = sysfs_emit(buf, "%u\n", tap->minor);
	mutex_unlock(&tap->lock);
	return n;
}

static ssize_t name_store(struct device *dev, struct device_attribute *attr,
			  const char *buf, size_t len)
{
	struct tap *tap = dev_get_drvdata(dev);
	char name[TAP_NAME_MAX];
	int err = line_take(name, buf, len);

	if (err)
		return err;
	mutex_lock(&tap->lock);
	strscpy(tap->name, name, sizeof(tap->name));
	mutex_unlock(&tap->lock);
	return len;
}

static ssize_t task_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct tap *tap = dev_get_drvdata(dev);
	pid_t task = READ_ONCE(tap->task);

	return task ? sysfs_emit(buf, "%d\n", task) : 0;
}

static ssize_t pool_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct tap *tap = dev_get_drvdata(dev);
	ssize_t n;

	mutex_lock(&pool_lock);
	n = sysfs_emit(buf, "%s\n", tap->pool ? tap->pool->name : "");
	mutex_unlock(&pool_lock);
	return n;
}

static ssize_t pool_store(struct device *dev, struct device_attribute *attr,
			  const char *buf, size_t len)
{
	struct tap *tap = dev_get_drvdata(dev);
	char name[TAP_NAME_MAX];
	int err = line_take(name, buf, len);

	if (err)
		return err;
	mutex_lock(&tap->lock);
	if (tap->disk)
		err = -EBUSY;
	else if (!tap->pool)
		err = -ENODEV;
	else
		err = pool_move(&tap->pool, name);
	mutex_unlock(&tap->lock);
	return err ? err : len;
}

static ssize_t debug_requests(struct tap *tap, char *buf, ssize_t at)
{
	unsigned long irq;
	unsigned int i;

	spin_lock_irqsave(&tap->ring_lock, irq);
	for (i = 0; i < ABI_SLOTS; i++) {
		struct slot *slot = &tap->slots[i];

		if (slot->state == SLOT_FREE)
			continue;
		at += sysfs_emit_at(buf, at,
				    "%02u: usr_idx:%02u op:%x nr_pages:%02u time:%llu\n",
				    i, i, req_op(slot->rq),
				    DIV_ROUND_UP(blk_rq_bytes(slot->rq),
						 ABI_PAGE),
				    ktime_to_ms(ktime_sub(ktime_get(),
							  slot->since)));
	}
	spin_unlock_irqrestore(&tap->ring_lock, irq);
	return at;
}

static ssize_t debug_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct tap *tap = dev_get_drvdata(dev);
	ssize_t n;

	mutex_lock(&tap->lock);
	n = sysfs_emit(buf, "tap %u:%u name:'%s' flags:0x%08x\n",
		       tap_ring_major(), tap->minor, tap->name, tap->flags);
	mutex_lock(&pool_lock);
	if (tap->pool)
		n += sysfs_emit_at(buf, n, "pool:%s pages:%u free:%u\n",
				   tap->pool->name, tap->pool->size,
				   tap->pool->size);
	mutex_unlock(&pool_lock);
	if (tap->disk)
		n += sysfs_emit_at(buf, n,
				   "disk capacity:%llu sector size:%u\n"
				   "bdev openers:%u closed:%u\n",
				   (u64)get_capacity(tap->disk),
				   tap->sector_size, READ_ONCE(tap->openers),
				   READ_ONCE(tap->closed));
	n += sysfs_emit_at(buf, n, "begin pending:%u\n",
			   request_pending(tap));
	n = debug_requests(tap, buf, n);
	n += sysfs_emit_at(buf, n, "end pending\n");
	mutex_unlock(&tap->lock);
	return n;
}

/* Asks the process to close. Not among XenServer's files. */
static ssize_t remove_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t len)
{
	ring_message(dev_get_drvdata(dev), ABI_MSG_CLOSE);
	return len;
}

static DEVICE_ATTR_RW(name);
static DEVICE_ATTR_RO(task);
static DEVICE_ATTR(pool, 0600, pool_show, pool_store);
static DEVICE_ATTR_RO(debug);
static DEVICE_ATTR_WO(remove);

static struct attribute *tap_attrs[] = {
	&dev_attr_name.attr,
	&dev_attr_task.attr,
	&dev_attr_pool.attr,
	&dev_attr_debug.attr,
	&dev_attr_remove.attr,
	NULL,
};

static umode_t tap_visible(struct kobject *kobj, struct attribute *attr, int n)
{
	return attr != &dev_attr_remove.attr || tap_classic ? attr->mode : 0;
}

static const struct attribute_group tap_group = {
	.attrs = tap_attrs,
	.is_visible = tap_visible,
};

const struct attribute_group *tap_groups[] = {
	&tap_group,
	NULL,
};

/* --- the class --- */

static ssize_t verbosity_show(KCOMPAT_CLASS *class,
			      KCOMPAT_CLASS_ATTR *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", tap_verbosity);
}

static ssize_t verbosity_store(KCOMPAT_CLASS *class,
			       KCOMPAT_CLASS_ATTR *attr, const char *buf,
			       size_t len)
{
	int err = kstrtoint(buf, 10, &tap_verbosity);

	return err ? err : len;
}

struct devices_text {
	char *buf;
	ssize_t at;
};

static int devices_one(struct tap *tap, void *arg)
{
	struct devices_text *text = arg;

	if (READ_ONCE(tap->disk))
		text->at += sysfs_emit_at(text->buf, text->at, "%u %s\n",
					  tap->minor, tap->name);
	return 0;
}

static ssize_t devices_show(KCOMPAT_CLASS *class, KCOMPAT_CLASS_ATTR *attr,
			    char *buf)
{
	struct devices_text text = { .buf = buf };

	tap_for_each(devices_one, &text);
	return text.at;
}

static CLASS_ATTR_RW(verbosity);
static CLASS_ATTR_RO(devices);

int sysfs_init(void)
{
	int err;

	tap_class = kcompat_class_create("blktap2");
	if (IS_ERR(tap_class))
		return PTR_ERR(tap_class);
	err = class_create_file(tap_class, &class_attr_verbosity);
	if (!err)
		err = class_create_file(tap_class, &class_attr_devices);
	if (err)
		class_destroy(tap_class);
	return err;
}

void sysfs_exit(void)
{
	class_destroy(tap_class);
}
