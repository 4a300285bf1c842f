/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-mark.c - disks that a driver of the kernel's had, or may take.
 *
 * Whether it has one is told by a link in sysfs, and by nothing that could be
 * watched; that it has let go of a ring, only by its event channel, which
 * cannot be bound before.  So both are asked again and again while somebody
 * waits for it, and the link at each look besides.
 */
#include "xenio/device-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"

#define KERNEL_DIR "/sys/bus/xen-backend/devices"
#define RETRY_NS   5000000ull
#define SLOW_NS    1000000000ull

#define INFO_READONLY 4u
#define SECTOR        512u

/* Whether a driver of the kernel's is bound. */
static bool is_driven(const struct device *dev)
{
	const char *dir = dev->env->kernel_dir;
	char path[DEVICE_PATH_MAX];
	int n;

	if (strcmp(dev->id.type, "vbd") != 0)
		return false;
	n = snprintf(path, sizeof(path), "%s/vbd-%u-%u/driver",
		     dir ? dir : KERNEL_DIR, dev->id.domid, dev->id.devid);
	return (size_t)n < sizeof(path) && access(path, F_OK) == 0;
}

/* Somebody waits for an answer that is not there yet. */
static bool asked(const struct xenbus_view *view)
{
	if (view->want == XENBUS_WANT_TAKEOVER)
		return view->said != XENBUS_SAID_BOUND &&
		       view->said != XENBUS_SAID_ACTIVE &&
		       view->said != XENBUS_SAID_FAILED;
	return view->want == XENBUS_WANT_SERVE &&
	       view->said == XENBUS_SAID_NOTHING;
}

void device_mark_learn(struct device *dev)
{
	if (!dev->view.present || !asked(&dev->view))
		dev->since_ns = 0;
	else if (!dev->since_ns)
		dev->since_ns = loop_now_ns(dev->env->loop);
	dev->self.driven = is_driven(dev);
	if (!dev->self.driven)
		dev->warned = false;
}

static bool in_time(const struct device *dev)
{
	return loop_now_ns(dev->env->loop) - dev->since_ns <
	       dev->view.limit_ms * UINT64_C(1000000);
}

bool device_mark_retry(struct device *dev)
{
	if (!dev->since_ns || !in_time(dev))
		return false;
	loop_timer(dev->env->loop, &dev->retry, RETRY_NS);
	return true;
}

static void warn_once(struct device *dev)
{
	if (!dev->warned)
		log_error("%s: a driver of the kernel's is bound to it; "
			  "nothing is done before it is unbound",
			  dev->name);
	dev->warned = true;
}

void device_mark_await(struct device *dev)
{
	struct err why;

	if (device_mark_retry(dev))
		return;
	if (dev->since_ns && dev->view.want == XENBUS_WANT_TAKEOVER) {
		(void)err_set(&why, -EBUSY,
			      "a driver of the kernel's is still bound");
		device_fail(dev, &why);
		return;
	}
	warn_once(dev);
	loop_timer(dev->env->loop, &dev->retry, SLOW_NS);
}

/* The guest and the toolstack may have gone on meanwhile. */
static bool steady(const struct device *dev)
{
	const struct xenbus_view *view = &dev->view;

	return view->present && view->online && !view->front_gone &&
	       view->want == XENBUS_WANT_TAKEOVER &&
	       view->back == XENBUS_CONNECTED &&
	       view->front == XENBUS_CONNECTED;
}

static void retry(struct timer *t)
{
	struct device *dev = container_of(t, struct device, retry);

	if (dev->self.link == XENBUS_LINK_BUSY) {
		if (!steady(dev))
			dev->since_ns = 0; /* the last time */
		device_link_again(dev);
	} else if (!is_driven(dev) || !device_mark_retry(dev)) {
		device_look_in(dev, 0);
	}
}

void device_mark_init(struct device *dev)
{
	list_init(&dev->retry.link);
	dev->retry.fire = retry;
}

/* The guest is told nothing, so nothing may be different. */
int device_mark_check(const struct device *dev, struct err *err)
{
	const struct xenbus_view *view = &dev->view;
	uint32_t sector = dev->sector_size < SECTOR ? SECTOR : dev->sector_size;

	if (!dev->ours)
		return err_set(err, -EOPNOTSUPP,
			       "tapdisk %d is an older one, which cannot take "
			       "a ring over",
			       (int)dev->pid);
	if (dev->sectors != view->sectors || sector != view->sector_size)
		return err_set(err, -EMEDIUMTYPE,
			       "the guest has %" PRIu64 " sectors of %u bytes, "
			       "the image %" PRIu64 " of %u",
			       view->sectors, view->sector_size, dev->sectors,
			       sector);
	if (dev->info & INFO_READONLY && !(view->info & INFO_READONLY))
		return err_set(err, -EROFS,
			       "the image is read-only, the guest's disk not");
	return 0;
}

void device_mark_refuse(struct device *dev)
{
	const struct xenbus_view *view = &dev->view;
	struct err why;

	if (!view->tapdisk)
		(void)err_set(&why, -EINVAL, "there is no pid and minor");
	else
		(void)err_set(&why, -EINVAL,
			      "backend and frontend are in state %d and %d, "
			      "not in 4",
			      (int)view->back, (int)view->front);
	device_fail(dev, &why);
}

int device_mark_say(struct device *dev, enum xenbus_action what)
{
	struct device_nodes nodes = { .count = 0 };
	const char *text = "released";

	if (what == XENBUS_RELEASED)
		device_store_drop(&nodes, "kthread-pid");
	else
		device_store_put(&nodes, "kthread-pid", (uint64_t)dev->pid);
	if (what == XENBUS_BOUND)
		text = "bound";
	else if (what == XENBUS_ACTIVE)
		text = "active";
	device_store_text(&nodes, XENBUS_STATUS, text);
	log_info("%s: %s", dev->name, text);
	return device_store_write(dev, &nodes);
}
