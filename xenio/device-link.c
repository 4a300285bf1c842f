/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-link.c - what a device and its tapdisk say to each other.
 *
 *	up:	HELLO, DISK_INFO, CONNECT_QUEUE for each queue
 *	down:	DISCONNECT, which is answered when nothing is in flight
 *
 * A stock tapdisk answers HELLO with EINVAL.  It gets the older CONNECT, of
 * one queue and at most 8 pages, and cannot hold one client to read-only.
 *
 * CONNECT may find the ring served already: the daemon was started anew.
 * Then nothing is disturbed, unless the ring is another one, or one that
 * still ends: then DISCONNECT is what waits for it.
 */
#include "xenio/device-impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/err.h"

#define RETRY_MS      1000
#define LEGACY_ORDER  3
#define INFO_READONLY 4u

static void send_step(struct device *dev, enum device_step step);

static void close_death(struct device *dev)
{
	if (dev->death.fd < 0)
		return;
	loop_unwatch(dev->env->loop, &dev->death);
	(void)close(dev->death.fd); /* a pidfd */
	dev->death.fd = -1;
}

void device_link_forget(struct device *dev)
{
	if (dev->call)
		tapctl_cancel(dev->call);
	dev->call = NULL;
	loop_untimer(&dev->retry);
	close_death(dev);
}

static void link_ends(struct device *dev, enum xenbus_link link)
{
	dev->self.link = link;
	dev->tried = false;
	if (link == XENBUS_LINK_NONE) {
		close_death(dev);
		memset(&dev->ring, 0, sizeof(dev->ring));
	}
	device_look_in(dev, 0);
}

static void link_fails(struct device *dev, enum xenbus_link link,
		       const struct err *why)
{
	struct err copy = *why;

	link_ends(dev, link);
	device_fail(dev, &copy);
}

static void free_minor(struct device *dev)
{
	struct err why;

	if (tapctl_free(dev->env->control_dir, dev->minor, &why) < 0)
		log_limited(&dev->limit, "%s: minor %d: %s", dev->name,
			    dev->minor, why.msg);
	dev->ends = false;
	link_ends(dev, XENBUS_LINK_NONE);
}

static bool is_ending(const struct device *dev)
{
	return dev->self.link == XENBUS_LINK_BUSY &&
	       (dev->step == DEVICE_CLOSE || dev->step == DEVICE_DETACH);
}

/* Its end ends its I/O too: nothing is in flight any more. */
static void tapdisk_died(struct watch *w, uint32_t events)
{
	struct device *dev = container_of(w, struct device, death);
	bool ending = is_ending(dev);
	bool served = dev->self.link == XENBUS_LINK_UP ||
		      (dev->self.link == XENBUS_LINK_BUSY &&
		       (dev->step != DEVICE_DISCONNECT ||
			dev->view.want == XENBUS_WANT_RELEASE));
	struct err why;

	(void)events;
	(void)err_set(&why, -ESRCH, "tapdisk %d has ended", (int)dev->pid);
	device_link_forget(dev);
	if (ending)
		free_minor(dev);
	else if (served)
		link_fails(dev, XENBUS_LINK_NONE, &why);
	else
		link_ends(dev, XENBUS_LINK_NONE);
}

void device_link_init(struct device *dev)
{
	dev->death.fd = -1;
	dev->death.ready = tapdisk_died;
}

/* false: there is no such process. */
static bool watch_death(struct device *dev)
{
	if (dev->death.fd >= 0)
		return true;
	dev->death.fd = (int)syscall(SYS_pidfd_open, dev->pid, 0);
	if (dev->death.fd < 0)
		return errno != ESRCH;
	if (loop_watch(dev->env->loop, &dev->death, EPOLLIN) < 0) {
		/* Its death is then found by the next exchange. */
		(void)close(dev->death.fd);
		dev->death.fd = -1;
	}
	return true;
}

static void fill_ring(const struct device *dev, struct wire_msg *msg)
{
	const struct xenbus_queue *q = &dev->ring.queue[dev->queue];

	msg->type = dev->ours ? WIRE_CONNECT_QUEUE : WIRE_CONNECT;
	msg->u.ring.queue = dev->queue;
	msg->u.ring.nr_queues = dev->ring.queues;
	msg->u.ring.order = dev->ring.order;
	msg->u.ring.proto = (uint32_t)dev->ring.proto + 1;
	memcpy(msg->u.ring.grefs, q->grefs, sizeof(q->grefs));
	msg->u.ring.port = q->port;
	msg->u.ring.max_segs =
		dev->id.marked ? RING_SEGS_INDIRECT : dev->env->max_segs;
	msg->u.ring.flags = dev->view.readonly ? WIRE_RING_RDONLY : 0;
	if (dev->env->persistent && dev->view.persistent)
		msg->u.ring.flags |= WIRE_RING_KEEP;
	msg->u.ring.poll_us = dev->view.poll_us;
	msg->u.ring.poll_idle = dev->view.poll_idle;
}

static void fill(const struct device *dev, struct wire_msg *msg)
{
	msg->cookie = (uint16_t)dev->minor;
	switch (dev->step) {
	case DEVICE_HELLO:
		msg->type = WIRE_HELLO;
		return;
	case DEVICE_INFO:
	case DEVICE_RESIZE:
		msg->type = WIRE_DISK_INFO;
		return;
	case DEVICE_CLOSE:
		msg->type = WIRE_CLOSE;
		return;
	case DEVICE_DETACH:
		msg->type = WIRE_DETACH;
		return;
	case DEVICE_CONNECT:
		fill_ring(dev, msg);
		break;
	case DEVICE_RECONNECT:
	case DEVICE_UNDO:
	case DEVICE_DISCONNECT:
		msg->type = WIRE_DISCONNECT;
		break;
	}
	msg->u.ring.domid = dev->id.domid;
	msg->u.ring.devid = dev->id.devid;
}

static void on_reply(void *arg, const struct wire_msg *msg)
{
	struct device *dev = arg;

	dev->replied = true;
	if (msg->type == WIRE_HELLO_RSP) {
		dev->block_size = msg->u.hello.block_size;
		dev->discard = msg->u.hello.discard;
	} else if (msg->type == WIRE_DISK_INFO_RSP) {
		dev->sectors = msg->u.image.sectors;
		dev->sector_size = msg->u.image.sector_size;
		dev->info = msg->u.image.info;
	}
}

/* Nobody is there to have a ring. */
static bool nobody(const struct device *dev, int error)
{
	if (error == -ENODEV || error == -ESRCH)
		return true;
	return (error == -ENOENT || error == -ECONNREFUSED) &&
	       dev->death.fd < 0;
}

/*
 * A tapdisk that was started for this disk by a tool that is gone, and that
 * no hotplug script knows, ends with the disk.
 */
static bool is_last(const struct device *dev)
{
	return dev->ends && (dev->view.gone || !dev->view.online);
}

static void ended_close(struct device *dev, int error, const struct err *err)
{
	if (error < 0 && !nobody(dev, error))
		log_limited(&dev->limit, "%s: tapdisk %d does not end: %s",
			    dev->name, (int)dev->pid, err->msg);
	if (error == 0 && dev->step == DEVICE_CLOSE)
		send_step(dev, DEVICE_DETACH);
	else
		free_minor(dev);
}

static void ended_down(struct device *dev, int error, const struct err *err)
{
	if (error == 0 || nobody(dev, error)) {
		if (is_last(dev))
			send_step(dev, DEVICE_CLOSE);
		else
			link_ends(dev, XENBUS_LINK_NONE);
		return;
	}
	log_limited(&dev->limit, "%s: tapdisk %d keeps the ring: %s", dev->name,
		    (int)dev->pid, err->msg);
	dev->self.link = XENBUS_LINK_UNSURE;
	device_look_in(dev, RETRY_MS);
}

static void ended_undo(struct device *dev, int error)
{
	link_fails(dev,
		   error == 0 || nobody(dev, error) ? XENBUS_LINK_NONE
						    : XENBUS_LINK_UNSURE,
		   &dev->why);
}

static void ended_hello(struct device *dev, int error, const struct err *err)
{
	dev->ours = error == 0;
	if (error < 0 && error != -EINVAL)
		link_fails(dev, dev->before, err);
	else
		send_step(dev, DEVICE_INFO);
}

/* What an older tapdisk cannot do has to be refused, not left out. */
static int check_legacy(const struct device *dev, struct err *err)
{
	if (dev->ours)
		return 0;
	if (dev->ring.queues > 1 || dev->ring.order > LEGACY_ORDER)
		return err_set(err, -EOPNOTSUPP,
			       "tapdisk %d takes one ring of 8 pages at most",
			       (int)dev->pid);
	if (dev->view.readonly && !(dev->info & INFO_READONLY))
		return err_set(err, -EROFS,
			       "tapdisk %d cannot keep a client from writing; "
			       "open the image read-only",
			       (int)dev->pid);
	return 0;
}

static void ended_info(struct device *dev, int error, const struct err *err)
{
	struct err why;

	if (error < 0) {
		link_fails(dev, dev->before, err);
		return;
	}
	if (check_legacy(dev, &why) < 0 ||
	    (dev->taking && device_mark_check(dev, &why) < 0)) {
		link_fails(dev, dev->before, &why);
		return;
	}
	dev->queue = 0;
	send_step(dev, DEVICE_CONNECT);
}

static void ended_connect(struct device *dev, int error, const struct err *err)
{
	if ((error == -EEXIST || error == -EBUSY) && !dev->tried) {
		dev->tried = true;
		send_step(dev, DEVICE_RECONNECT);
	} else if (error == -EADDRNOTAVAIL && dev->taking &&
		   device_mark_retry(dev)) {
		log_debug("xenbus", "%s: the kernel still drains", dev->name);
	} else if (error < 0 && error != -EALREADY) {
		dev->why = *err;
		send_step(dev, DEVICE_UNDO);
	} else if (++dev->queue < dev->ring.queues) {
		send_step(dev, DEVICE_CONNECT);
	} else {
		log_limited_info(
			&dev->limit,
			"%s: tapdisk %d minor %d serves %u queue%s of order "
			"%u, %s",
			dev->name, (int)dev->pid, dev->minor, dev->ring.queues,
			dev->ring.queues > 1 ? "s" : "", dev->ring.order,
			dev->view.readonly ? "read-only" : "read-write");
		link_ends(dev, XENBUS_LINK_UP);
	}
}

static void ended_reconnect(struct device *dev, int error,
			    const struct err *err)
{
	if (error < 0 && error != -ENODEV) {
		link_fails(dev, XENBUS_LINK_UNSURE, err);
		return;
	}
	dev->queue = 0;
	send_step(dev, DEVICE_CONNECT);
}

static void ended_resize(struct device *dev, int error, const struct err *err)
{
	if (error < 0)
		log_limited(&dev->limit, "%s: no size from tapdisk %d: %s",
			    dev->name, (int)dev->pid, err->msg);
	dev->self.link = XENBUS_LINK_UP;
	device_resized(dev);
}

static void ended(struct device *dev, int error, const struct err *err)
{
	switch (dev->step) {
	case DEVICE_HELLO:
		ended_hello(dev, error, err);
		break;
	case DEVICE_INFO:
		ended_info(dev, error, err);
		break;
	case DEVICE_CONNECT:
		ended_connect(dev, error, err);
		break;
	case DEVICE_RECONNECT:
		ended_reconnect(dev, error, err);
		break;
	case DEVICE_UNDO:
		ended_undo(dev, error);
		break;
	case DEVICE_DISCONNECT:
		ended_down(dev, error, err);
		break;
	case DEVICE_RESIZE:
		ended_resize(dev, error, err);
		break;
	case DEVICE_CLOSE:
	case DEVICE_DETACH:
		ended_close(dev, error, err);
		break;
	}
}

static void on_end(void *arg, int error, const struct err *err)
{
	struct device *dev = arg;
	struct err why;

	dev->call = NULL;
	if (error == 0 && !dev->replied)
		error = -EPROTO;
	if (!err || !err->code || !err->msg[0])
		(void)err_set(&why, error, "%s", strerror(-error));
	else
		why = *err;
	ended(dev, error, &why);
}

static void send_step(struct device *dev, enum device_step step)
{
	struct tapctl_request req = {
		.dir = dev->env->control_dir,
		.pid = dev->pid,
		.fd = -1,
		.timeout_ms = dev->env->timeout_ms,
	};
	const struct tapctl_events events = {
		.reply = on_reply,
		.end = on_end,
		.arg = dev,
	};
	struct err err = { .code = 0 };
	int rc;

	dev->self.link = XENBUS_LINK_BUSY;
	dev->step = step;
	dev->replied = false;
	fill(dev, &req.msg);
	rc = tapctl_start(&dev->call, dev->env->loop, &req, &events, &err);
	if (rc < 0) {
		dev->call = NULL;
		on_end(dev, rc, &err);
	}
}

void device_link_up(struct device *dev)
{
	struct err why;

	dev->before = dev->self.link;
	dev->taking = dev->view.want == XENBUS_WANT_TAKEOVER &&
		      dev->view.said != XENBUS_SAID_BOUND;
	dev->ring = dev->offer;
	dev->ours = false;
	dev->block_size = 0;
	dev->discard = 0;
	if (!watch_death(dev)) {
		(void)err_set(&why, -ESRCH, "there is no tapdisk %d",
			      (int)dev->pid);
		link_fails(dev, XENBUS_LINK_NONE, &why);
		return;
	}
	send_step(dev, DEVICE_HELLO);
}

void device_link_again(struct device *dev)
{
	send_step(dev, dev->step);
}

void device_link_down(struct device *dev)
{
	struct err why;

	if (dev->pid > 0 && watch_death(dev)) {
		send_step(dev, DEVICE_DISCONNECT);
	} else if (dev->view.want == XENBUS_WANT_RELEASE &&
		   dev->view.said == XENBUS_SAID_ACTIVE) {
		/* With what it had taken from the ring and not answered. */
		(void)err_set(&why, -ESRCH, "tapdisk %d has ended",
			      (int)dev->pid);
		link_fails(dev, XENBUS_LINK_NONE, &why);
	} else {
		link_ends(dev, XENBUS_LINK_NONE);
	}
}

void device_link_resize(struct device *dev)
{
	send_step(dev, DEVICE_RESIZE);
}
