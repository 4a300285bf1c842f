/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.c - one disk: looks, decides, acts, looks again.
 */
#include "xenio/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/xen.h"
#include "xenio/device-impl.h"

/* So many looks a second are at once; more of them are held back. */
#define LOOKS      24
#define WINDOW_NS  1000000000ull
#define HOLD_MS    100
#define TROUBLE_MS 1000

#define INFO_CDROM    1u
#define INFO_READONLY 4u
#define SECTOR        512u

void device_look_in(struct device *dev, unsigned ms)
{
	uint64_t now = loop_now_ns(dev->env->loop);
	uint64_t delay = ms * 1000000ull;

	if (now - dev->window_ns >= WINDOW_NS) {
		dev->window_ns = now;
		dev->looks = 0;
	}
	if (dev->looks >= LOOKS && ms < HOLD_MS)
		delay = HOLD_MS * 1000000ull;
	if (list_linked(&dev->look.link) && dev->look.due_ns <= now + delay)
		return;
	loop_timer(dev->env->loop, &dev->look, delay);
}

void device_poke(struct device *dev)
{
	device_look_in(dev, 0);
}

void device_poke_domain(struct device *dev)
{
	dev->domain_ended = true;
	device_look_in(dev, 0);
}

void device_fail(struct device *dev, const struct err *why)
{
	log_limited(&dev->limit, "%s: %s", dev->name, why->msg);
	/* The guest does not know of a takeover, and shall not. */
	if (dev->view.want == XENBUS_WANT_TAKEOVER) {
		device_store_failed(dev, why);
	} else if (dev->view.want == XENBUS_WANT_RELEASE) {
		dev->self.failed = true;
		device_store_failed(dev, why);
	} else {
		dev->self.failed = true;
		device_store_error(dev, why);
	}
	device_look_in(dev, 0);
}

/*
 * After a write: look again, or try again later. The watch on B tells of our
 * own write too, so a look of its own is only for when that is late.
 */
static void wrote(struct device *dev, int rc)
{
	if (rc >= 0 || rc == -ESTALE) {
		device_look_in(dev, rc < 0 ? 0 : HOLD_MS);
		return;
	}
	if (rc != -EAGAIN)
		log_limited(&dev->limit, "%s: xenstore: %s", dev->name,
			    strerror(-rc));
	device_look_in(dev, rc == -EAGAIN ? HOLD_MS : TROUBLE_MS);
}

static void write_state(struct device *dev, enum xenbus_state state)
{
	struct device_nodes nodes = { .count = 0 };

	device_store_put(&nodes, "state", state);
	wrote(dev, device_store_write(dev, &nodes));
}

/*
 * Before the guest has said anything. A guest that is offered indirect
 * requests without a flush may send forced writes that cannot be expressed
 * in them; so flush is always offered.
 */
static void advertise(struct device *dev)
{
	const struct device_env *env = dev->env;
	struct device_nodes nodes = { .count = 0 };
	int rc;

	/* Those that a kernel backend may have written. */
	if (dev->id.marked) {
		device_store_drop(&nodes, "max-ring-page-order");
		device_store_drop(&nodes, "feature-max-indirect-segments");
		device_store_text(&nodes, XENBUS_STATUS, "ready");
	}
	if (env->limits.order > 0) {
		device_store_put(&nodes, "max-ring-page-order",
				 env->limits.order);
		device_store_put(&nodes, "max-ring-pages",
				 1u << env->limits.order);
	}
	device_store_put(&nodes, "multi-queue-max-queues", env->limits.queues);
	if (env->max_segs > 0)
		device_store_put(&nodes, "feature-max-indirect-segments",
				 env->max_segs);
	device_store_put(&nodes, "feature-flush-cache", 1);
	device_store_put(&nodes, "feature-barrier", env->barrier);
	/* A domain that serves itself gains nothing by one more copy. */
	device_store_put(&nodes, "feature-persistent",
			 env->persistent && dev->id.domid != env->domid);
	device_store_put(&nodes, "state", XENBUS_INIT_WAIT);
	dev->self.failed = false;
	rc = device_store_write(dev, &nodes);
	if (rc >= 0)
		device_store_no_error(dev);
	wrote(dev, rc);
}

/* sectors counts 512 bytes, whatever a sector's size. */
static void put_sizes(const struct device *dev, struct device_nodes *nodes)
{
	uint32_t sector = dev->sector_size < SECTOR ? SECTOR : dev->sector_size;
	uint32_t block = dev->block_size;

	if (block < sector || block % sector || dev->sectors % (block / SECTOR))
		block = sector;
	device_store_put(nodes, "sectors", dev->sectors);
	device_store_put(nodes, "sector-size", sector);
	device_store_put(nodes, "physical-sector-size", block);
}

static void put_features(const struct device *dev, struct device_nodes *nodes)
{
	bool discard = dev->ours && dev->discard && dev->view.discard &&
		       !dev->view.readonly && !(dev->info & INFO_READONLY);

	if (!dev->ours) {
		device_store_drop(nodes, "feature-max-indirect-segments");
		device_store_put(nodes, "feature-flush-cache", 0);
		device_store_put(nodes, "feature-persistent", 0);
	}
	if (discard) {
		device_store_put(nodes, "feature-discard", 1);
		device_store_put(nodes, "discard-granularity", dev->discard);
		device_store_put(nodes, "discard-alignment", 0);
		device_store_put(nodes, "discard-secure", 0);
	} else {
		device_store_drop(nodes, "feature-discard");
		device_store_drop(nodes, "discard-granularity");
		device_store_drop(nodes, "discard-alignment");
		device_store_drop(nodes, "discard-secure");
	}
}

/* What the disk is; then, by itself, that it is there. */
static void announce(struct device *dev)
{
	struct device_nodes nodes = { .count = 0 };
	uint32_t info = dev->info & ~INFO_CDROM;
	int rc;

	if (dev->view.cdrom)
		info |= INFO_CDROM;
	if (dev->view.readonly)
		info |= INFO_READONLY;
	put_sizes(dev, &nodes);
	put_features(dev, &nodes);
	device_store_put(&nodes, "info", info);
	device_store_put(&nodes, "kthread-pid", (uint64_t)dev->pid);
	rc = device_store_write(dev, &nodes);
	if (rc < 0)
		wrote(dev, rc);
	else
		write_state(dev, XENBUS_CONNECTED);
}

void device_resized(struct device *dev)
{
	struct device_nodes nodes = { .count = 0 };

	/* Whatever it was, it was dealt with. */
	device_store_drop(&nodes, "resize");
	device_store_put(&nodes, "sectors", dev->sectors);
	device_store_put(&nodes, "state", XENBUS_CONNECTED);
	wrote(dev, device_store_write(dev, &nodes));
}

static void connect_ring(struct device *dev)
{
	if (dev->offer_error < 0)
		device_fail(dev, &dev->offer_why);
	else
		device_link_up(dev);
}

static void act(struct device *dev, enum xenbus_action action)
{
	switch (action) {
	case XENBUS_NOTHING:
		break;
	case XENBUS_FORGET:
		device_store_no_error(dev);
		dev->gone(dev->arg); /* dev is no more */
		break;
	case XENBUS_ADVERTISE:
		advertise(dev);
		break;
	case XENBUS_CONNECT:
		connect_ring(dev);
		break;
	case XENBUS_ANNOUNCE:
		announce(dev);
		break;
	case XENBUS_RESIZE:
		device_link_resize(dev);
		break;
	case XENBUS_CLOSE:
		write_state(dev, XENBUS_CLOSING);
		break;
	case XENBUS_DROP:
		device_link_down(dev);
		break;
	case XENBUS_END:
		write_state(dev, XENBUS_CLOSED);
		break;
	case XENBUS_DELETE:
		wrote(dev, device_store_delete(dev));
		break;
	case XENBUS_OPEN:
	case XENBUS_SHUT:
		device_open_run(dev, action == XENBUS_OPEN);
		break;
	case XENBUS_AWAIT:
		device_mark_await(dev);
		break;
	case XENBUS_REFUSE:
		device_mark_refuse(dev);
		break;
	case XENBUS_BOUND:
	case XENBUS_ACTIVE:
	case XENBUS_RELEASED:
		wrote(dev, device_mark_say(dev, action));
		break;
	}
}

/* What has become of F changes what we think of it. */
static void learn(struct device *dev)
{
	struct xenbus_view *view = &dev->view;
	struct xenbus_self *self = &dev->self;

	if (view->back == XENBUS_INITIALISING)
		dev->domain_gone = false; /* the number is used again */
	if (dev->domain_gone)
		view->front_gone = true;
	if (!view->front_gone)
		self->front_seen = true;
	if (view->front_gone || view->front == XENBUS_INITIALISING ||
	    view->front == XENBUS_CLOSED || view->back == XENBUS_INITIALISING)
		self->failed = false;
	if (view->back == XENBUS_INITIALISING)
		self->front_seen = !view->front_gone;
	if (!dev->met && view->present && view->back != XENBUS_INITIALISING)
		self->link = XENBUS_LINK_UNSURE;
	dev->met = true;
	if (view->present)
		dev->ends = view->ends;
	self->ring_changed =
		dev->offer_error == 0 &&
		/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
		memcmp(&dev->offer, &dev->ring, sizeof(dev->offer)) != 0;
	if (view->tapdisk &&
	    (self->link == XENBUS_LINK_NONE ||
	     (self->link == XENBUS_LINK_UNSURE && dev->pid <= 0))) {
		dev->pid = view->pid;
		dev->minor = view->minor;
	}
}

static void look(struct timer *t)
{
	struct device *dev = container_of(t, struct device, look);
	enum xenbus_action action;
	int rc;

	dev->looks++;
	if (dev->domain_ended) {
		dev->domain_ended = false;
		dev->domain_gone =
			dev->id.domid != dev->env->domid &&
			dev->env->xen->alive(dev->env->xen, dev->id.domid) == 0;
	}
	rc = device_store_read(dev);
	if (rc < 0) {
		wrote(dev, rc);
		return;
	}
	learn(dev);
	device_mark_learn(dev);
	device_open_learn(dev);
	action = xenbus_next(&dev->view, &dev->self);
	log_debug("xenbus", "%s: B %d F %d%s online %d link %d: action %d",
		  dev->name, (int)dev->view.back, (int)dev->view.front,
		  dev->view.front_gone ? " (gone)" : "", dev->view.online,
		  (int)dev->self.link, (int)action);
	act(dev, action);
}

int device_new(struct device **out, const struct device_env *env,
	       const struct device_id *id, void (*gone)(void *arg), void *arg)
{
	struct device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return -ENOMEM;
	dev->env = env;
	dev->id = *id;
	dev->gone = gone;
	dev->arg = arg;
	dev->look.fire = look;
	list_init(&dev->look.link);
	dev->self.deletes = env->domid != 0;
	device_link_init(dev);
	device_mark_init(dev);
	device_open_init(dev);
	(void)snprintf(dev->name, sizeof(dev->name), "%s/%u/%u", id->type,
		       id->domid, id->devid);
	if ((size_t)snprintf(dev->back, sizeof(dev->back),
			     "/local/domain/%u/backend/%s", env->domid,
			     dev->name) >= sizeof(dev->back)) {
		device_free(dev);
		return -ENAMETOOLONG;
	}
	*out = dev;
	device_look_in(dev, 0);
	return 0;
}

void device_free(struct device *dev)
{
	if (!dev)
		return;
	loop_untimer(&dev->look);
	device_link_forget(dev);
	device_open_forget(dev);
	device_store_unwatch(dev);
	free(dev);
}
