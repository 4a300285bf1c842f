/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbus.c - what XenStore says about a disk, checked, and what to do next.
 */
#include "xenio/xenbus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xen/io/protocols.h>

#include "lib/err.h"
#include "lib/parse.h"

const struct xenbus_key_name xenbus_key_names[XENBUS_KEYS] = {
	[XENBUS_B_FRONTEND] = { "frontend", false, false },
	[XENBUS_B_STATE] = { "state", false, false },
	[XENBUS_B_ONLINE] = { "online", false, false },
	[XENBUS_B_MODE] = { "mode", false, false },
	[XENBUS_B_DEVICE_TYPE] = { "device-type", false, false },
	[XENBUS_B_DISCARD_ENABLE] = { "discard-enable", false, false },
	[XENBUS_B_HOTPLUG_STATUS] = { "hotplug-status", false, false },
	[XENBUS_B_DEVICE_PATH] = { "physical-device-path", false, false },
	[XENBUS_B_PID] = { "pid", false, false },
	[XENBUS_B_MINOR] = { "minor", false, false },
	[XENBUS_B_POLL_DURATION] = { "polling-duration", false, false },
	[XENBUS_B_POLL_IDLE] = { "polling-idle-threshold", false, false },
	[XENBUS_B_RESIZE] = { "resize", false, false },
	[XENBUS_B_OWNER] = { XENBUS_OWNER, false, true },
	[XENBUS_B_STATUS] = { XENBUS_STATUS, false, true },
	[XENBUS_B_LIMIT] = { "xenio-limit-ms", false, true },
	[XENBUS_B_ENDS] = { "xenio-ends", false, true },
	[XENBUS_B_SECTORS] = { "sectors", false, true },
	[XENBUS_B_SECTOR_SIZE] = { "sector-size", false, true },
	[XENBUS_B_INFO] = { "info", false, true },
	[XENBUS_B_PERSISTENT] = { "feature-persistent", false, false },
	[XENBUS_F_STATE] = { "state", true, false },
	[XENBUS_F_DEVICE_TYPE] = { "device-type", true, false },
	[XENBUS_F_PROTOCOL] = { "protocol", true, false },
	[XENBUS_F_ORDER] = { "ring-page-order", true, false },
	[XENBUS_F_PAGES] = { "num-ring-pages", true, false },
	[XENBUS_F_QUEUES] = { "multi-queue-num-queues", true, false },
	[XENBUS_F_PERSISTENT] = { "feature-persistent", true, false },
};

bool xenbus_cares(const char *name)
{
	/* What follows is compared, and decides nothing. */
	for (unsigned i = 0; i < XENBUS_B_SECTORS; i++)
		if (!xenbus_key_names[i].front &&
		    strcmp(name, xenbus_key_names[i].name) == 0)
			return true;
	return false;
}

static uint64_t number(const char *s, uint64_t max, uint64_t otherwise)
{
	uint64_t n;

	if (!s || parse_uint(&n, s, 0, max) < 0)
		return otherwise;
	return n;
}

static bool same(const char *s, const char *word)
{
	return s && strcmp(s, word) == 0;
}

int xenbus_tapdisk(pid_t *pid, int *minor, const char *path)
{
	char text[32];
	const char *name = strrchr(path, '/');
	char *dot;
	uint64_t p, m;

	if (!name || strncmp(name, "/nbd", 4) != 0)
		return -EINVAL;
	if (strlen(name + 4) >= sizeof(text))
		return -EINVAL;
	memcpy(text, name + 4, strlen(name + 4) + 1);
	dot = strchr(text, '.');
	if (!dot)
		return -EINVAL;
	*dot = '\0';
	if (parse_uint(&p, text, 1, INT32_MAX) < 0 ||
	    parse_uint(&m, dot + 1, 0, UINT16_MAX - 1) < 0)
		return -EINVAL;
	*pid = (pid_t)p;
	*minor = (int)m;
	return 0;
}

/*
 * The path says it; without one, the script's own two nodes do. Where there
 * was a kernel backend the path may still be its.
 */
static void look_tapdisk(struct xenbus_view *out,
			 const struct xenbus_nodes *nodes, bool marked)
{
	const char *path = nodes->value[XENBUS_B_DEVICE_PATH];
	const char *pid = nodes->value[XENBUS_B_PID];
	const char *minor = nodes->value[XENBUS_B_MINOR];
	uint64_t p, m;

	if (path && !marked &&
	    xenbus_tapdisk(&out->pid, &out->minor, path) == 0) {
		out->tapdisk = true;
		return;
	}
	if (!pid || !minor || parse_uint(&p, pid, 1, INT32_MAX) < 0 ||
	    parse_uint(&m, minor, 0, UINT16_MAX - 1) < 0)
		return;
	out->pid = (pid_t)p;
	out->minor = (int)m;
	out->tapdisk = true;
}

static enum xenbus_want look_want(const char *owner)
{
	if (!owner)
		return XENBUS_WANT_NONE;
	if (same(owner, "serve"))
		return XENBUS_WANT_SERVE;
	if (same(owner, "takeover"))
		return XENBUS_WANT_TAKEOVER;
	if (same(owner, "release"))
		return XENBUS_WANT_RELEASE;
	return XENBUS_WANT_UNKNOWN;
}

static enum xenbus_status look_said(const char *status)
{
	static const char *const words[] = {
		[XENBUS_SAID_READY] = "ready",
		[XENBUS_SAID_BOUND] = "bound",
		[XENBUS_SAID_ACTIVE] = "active",
		[XENBUS_SAID_RELEASED] = "released",
	};

	for (int i = XENBUS_SAID_READY; i <= XENBUS_SAID_RELEASED; i++)
		if (same(status, words[i]))
			return (enum xenbus_status)i;
	return status && *status ? XENBUS_SAID_FAILED : XENBUS_SAID_NOTHING;
}

static void look_marker(struct xenbus_view *out,
			const struct xenbus_nodes *nodes)
{
	const char *const *v = nodes->value;

	out->want = look_want(v[XENBUS_B_OWNER]);
	out->present = out->present && out->want != XENBUS_WANT_NONE;
	out->said = look_said(v[XENBUS_B_STATUS]);
	out->limit_ms =
		(uint32_t)number(v[XENBUS_B_LIMIT], 3600000, XENBUS_LIMIT_MS);
	out->ends = number(v[XENBUS_B_ENDS], 1, 0) != 0;
	out->gone = !v[XENBUS_B_FRONTEND];
	out->sectors = number(v[XENBUS_B_SECTORS], UINT64_MAX / 512, 0);
	out->sector_size =
		(uint32_t)number(v[XENBUS_B_SECTOR_SIZE], UINT32_MAX, 512);
	out->info = (uint32_t)number(v[XENBUS_B_INFO], UINT32_MAX, 0);
}

void xenbus_look(struct xenbus_view *out, const struct xenbus_nodes *nodes,
		 bool marked)
{
	const char *const *v = nodes->value;
	const char *type = v[XENBUS_B_DEVICE_TYPE];
	struct xenbus_view view = {
		.present = v[XENBUS_B_FRONTEND],
		.online = number(v[XENBUS_B_ONLINE], UINT32_MAX, 1) != 0,
		.front_gone = !v[XENBUS_F_STATE],
		.hotplugged = same(v[XENBUS_B_HOTPLUG_STATUS], "connected"),
		.discard = number(v[XENBUS_B_DISCARD_ENABLE], 1, 1) != 0,
		.persistent = number(v[XENBUS_B_PERSISTENT], 1, 0) != 0 &&
			      number(v[XENBUS_F_PERSISTENT], 1, 0) != 0,
		.resize = v[XENBUS_B_RESIZE] && *v[XENBUS_B_RESIZE],
		.back = (enum xenbus_state)number(v[XENBUS_B_STATE],
						  XENBUS_RECONFIGURED, 0),
		.front = (enum xenbus_state)number(v[XENBUS_F_STATE],
						   XENBUS_RECONFIGURED, 0),
		.poll_us =
			(uint32_t)number(v[XENBUS_B_POLL_DURATION], 1000000, 0),
		.poll_idle = (uint32_t)number(v[XENBUS_B_POLL_IDLE], 100, 0),
	};

	look_tapdisk(&view, nodes, marked);
	if (marked)
		look_marker(&view, nodes);
	/* Where the toolstack says nothing, all that is left is F's word. */
	view.cdrom = same(type ? type : v[XENBUS_F_DEVICE_TYPE], "cdrom");
	view.readonly = view.cdrom || !v[XENBUS_B_MODE] ||
			!strchr(v[XENBUS_B_MODE], 'w');
	*out = view;
}

static int shape_proto(struct xenbus_ring *ring, const char *protocol,
		       struct err *err)
{
	if (!protocol || same(protocol, XEN_IO_PROTO_ABI_X86_32))
		ring->proto = RING_X86_32;
	else if (same(protocol, XEN_IO_PROTO_ABI_X86_64))
		ring->proto = RING_X86_64;
	else if (same(protocol, XEN_IO_PROTO_ABI_NATIVE))
		ring->proto = RING_NATIVE;
	else
		return err_set(err, -EPROTONOSUPPORT,
			       "protocol: not one that is known");
	return 0;
}

/* The older way to say it is a number of pages. */
static int shape_pages(struct xenbus_ring *ring, const char *pages,
		       const struct xenbus_limits *limits, struct err *err)
{
	uint64_t n;

	if (parse_uint(&n, pages, 1, 1u << limits->order) < 0 || (n & (n - 1)))
		return err_set(err, -EINVAL,
			       "num-ring-pages: not a power of two up to %u",
			       1u << limits->order);
	while (1u << ring->order < n)
		ring->order++;
	ring->numbered = n > 1;
	return 0;
}

int xenbus_ring_shape(struct xenbus_ring *out, const struct xenbus_nodes *nodes,
		      const struct xenbus_limits *limits, struct err *err)
{
	const char *const *v = nodes->value;
	struct xenbus_ring ring;
	uint64_t n = 1;
	int rc;

	memset(&ring, 0, sizeof(ring)); /* padding too: it is compared */
	rc = shape_proto(&ring, v[XENBUS_F_PROTOCOL], err);
	if (rc < 0)
		return rc;
	if (v[XENBUS_F_ORDER]) {
		if (parse_uint(&n, v[XENBUS_F_ORDER], 0, limits->order) < 0)
			return err_set(err, -EINVAL,
				       "ring-page-order: not within 0..%u",
				       limits->order);
		ring.order = (unsigned)n;
		ring.numbered = true;
	} else if (v[XENBUS_F_PAGES]) {
		rc = shape_pages(&ring, v[XENBUS_F_PAGES], limits, err);
		if (rc < 0)
			return rc;
	}
	n = 1;
	if (v[XENBUS_F_QUEUES] &&
	    parse_uint(&n, v[XENBUS_F_QUEUES], 1, limits->queues) < 0)
		return err_set(err, -EINVAL,
			       "multi-queue-num-queues: not within 1..%u",
			       limits->queues);
	ring.queues = (unsigned)n;
	memcpy(out, &ring, sizeof(*out));
	return 0;
}

/* With several queues each has a directory of its own. */
static int queue_prefix(char out[XENBUS_NAME_MAX],
			const struct xenbus_ring *ring, unsigned queue)
{
	out[0] = '\0';
	if (ring->queues < 2)
		return 0;
	return snprintf(out, XENBUS_NAME_MAX, "queue-%u/", queue);
}

bool xenbus_ref_name(char out[XENBUS_NAME_MAX], const struct xenbus_ring *ring,
		     unsigned queue, unsigned page, bool spare)
{
	int n = queue_prefix(out, ring, queue);
	size_t left = XENBUS_NAME_MAX - (size_t)n;

	if (spare && ring->order > 0)
		return false;
	if (ring->numbered != spare)
		(void)snprintf(out + n, left, "ring-ref%u", page); /* it fits */
	else
		(void)snprintf(out + n, left, "ring-ref"); /* it fits */
	return true;
}

void xenbus_port_name(char out[XENBUS_NAME_MAX], const struct xenbus_ring *ring,
		      unsigned queue)
{
	int n = queue_prefix(out, ring, queue);

	(void)snprintf(out + n, XENBUS_NAME_MAX - (size_t)n, /* it fits */
		       "event-channel");
}

int xenbus_ring_queue(struct xenbus_ring *ring, unsigned queue,
		      const char *const refs[XENBUS_PAGES_MAX],
		      const char *port, struct err *err)
{
	struct xenbus_queue q = { .port = 0 };
	uint64_t n;

	for (unsigned i = 0; i < 1u << ring->order; i++) {
		if (!refs[i] || parse_uint(&n, refs[i], 0, UINT32_MAX) < 0)
			return err_set(err, -EINVAL,
				       "queue %u: no grant reference for page "
				       "%u of its ring",
				       queue, i);
		q.grefs[i] = (uint32_t)n;
	}
	if (!port || parse_uint(&n, port, 1, XENBUS_PORT_MAX) < 0)
		return err_set(err, -EINVAL, "queue %u: no event channel",
			       queue);
	q.port = (uint32_t)n;
	ring->queue[queue] = q;
	return 0;
}

/* A link that may be there has to be taken down before anything is said. */
static enum xenbus_action unless_linked(const struct xenbus_self *self,
					enum xenbus_action then)
{
	return self->link == XENBUS_LINK_NONE ? then : XENBUS_DROP;
}

/* F uses no ring any more. */
static enum xenbus_action next_shut(const struct xenbus_view *view,
				    const struct xenbus_self *self)
{
	if (self->link != XENBUS_LINK_NONE)
		return XENBUS_DROP;
	if (self->opened)
		return XENBUS_SHUT;
	if (view->back != XENBUS_CLOSED)
		return XENBUS_END;
	if (self->deletes && !view->online)
		return XENBUS_DELETE;
	return XENBUS_NOTHING;
}

/* The toolstack wants the disk gone, or we have given it up. */
static enum xenbus_action next_leaving(const struct xenbus_view *view,
				       const struct xenbus_self *self)
{
	if (view->front_gone || view->front < XENBUS_INIT_WAIT ||
	    view->front > XENBUS_CLOSING || view->back == XENBUS_CLOSED)
		return next_shut(view, self);
	return view->back == XENBUS_CLOSING ? XENBUS_NOTHING : XENBUS_CLOSE;
}

/* F is at the beginning; B not, unless it is 2. */
static enum xenbus_action next_starting(const struct xenbus_view *view,
					const struct xenbus_self *self)
{
	if (view->back == XENBUS_CLOSED)
		return unless_linked(self, XENBUS_ADVERTISE);
	if (view->back == XENBUS_CONNECTED)
		return unless_linked(self, XENBUS_END);
	return unless_linked(self, XENBUS_NOTHING);
}

/* F's ring is served, or was. */
static enum xenbus_action next_up(const struct xenbus_view *view,
				  const struct xenbus_self *self)
{
	if (view->front == XENBUS_INITIALISED && self->ring_changed)
		return XENBUS_DROP;
	if (view->back != XENBUS_CONNECTED)
		return XENBUS_ANNOUNCE;
	if (view->want == XENBUS_WANT_SERVE && view->said != XENBUS_SAID_ACTIVE)
		return XENBUS_ACTIVE;
	return view->resize ? XENBUS_RESIZE : XENBUS_NOTHING;
}

/* F has a ring and wants it served. */
static enum xenbus_action next_ring(const struct xenbus_view *view,
				    const struct xenbus_self *self)
{
	if (view->back == XENBUS_CLOSED)
		return unless_linked(self, XENBUS_ADVERTISE);
	if (self->link == XENBUS_LINK_UP)
		return next_up(view, self);
	if (self->failed)
		return XENBUS_CLOSE;
	if (!view->hotplugged)
		return XENBUS_NOTHING;
	if (!view->tapdisk)
		return self->opens ? XENBUS_OPEN : XENBUS_NOTHING;
	/* Served by the kernel, or by nobody: that is for a takeover. */
	if (view->want == XENBUS_WANT_SERVE && view->back == XENBUS_CONNECTED &&
	    (view->said == XENBUS_SAID_NOTHING ||
	     view->said >= XENBUS_SAID_RELEASED))
		return XENBUS_NOTHING;
	return XENBUS_CONNECT;
}

/* As the kernel left it when it was told to let go. */
static bool is_fresh(const struct xenbus_view *view,
		     const struct xenbus_self *self)
{
	return view->want == XENBUS_WANT_SERVE && !self->failed &&
	       view->back == XENBUS_INIT_WAIT &&
	       (view->said == XENBUS_SAID_NOTHING ||
		view->said >= XENBUS_SAID_RELEASED);
}

/* Of a guest that has noticed nothing, and shall not. */
static enum xenbus_action next_takeover(const struct xenbus_view *view,
					const struct xenbus_self *self)
{
	if (view->said == XENBUS_SAID_FAILED)
		return unless_linked(self, XENBUS_NOTHING);
	if (view->said == XENBUS_SAID_BOUND || view->said == XENBUS_SAID_ACTIVE)
		return self->link == XENBUS_LINK_UNSURE ? XENBUS_CONNECT
							: XENBUS_NOTHING;
	if (self->link == XENBUS_LINK_UP)
		return XENBUS_BOUND;
	if (view->back != XENBUS_CONNECTED || view->front != XENBUS_CONNECTED ||
	    !view->tapdisk)
		return XENBUS_REFUSE;
	return XENBUS_CONNECT;
}

static enum xenbus_action next_release(const struct xenbus_view *view,
				       const struct xenbus_self *self)
{
	if (view->said == XENBUS_SAID_RELEASED ||
	    view->said == XENBUS_SAID_FAILED)
		return unless_linked(self, XENBUS_NOTHING);
	if (self->link != XENBUS_LINK_NONE)
		return XENBUS_DROP;
	return self->failed ? XENBUS_NOTHING : XENBUS_RELEASED;
}

static bool is_open(const struct xenbus_view *view)
{
	return view->back != XENBUS_CLOSED && !view->front_gone &&
	       view->front >= XENBUS_INITIALISING &&
	       view->front <= XENBUS_CONNECTED;
}

static enum xenbus_action next_front(const struct xenbus_view *view,
				     const struct xenbus_self *self)
{
	switch (view->front) {
	case XENBUS_INITIALISING:
		return next_starting(view, self);
	case XENBUS_INITIALISED:
	case XENBUS_CONNECTED:
		return next_ring(view, self);
	case XENBUS_CLOSING:
		return view->back == XENBUS_CLOSED ? next_shut(view, self)
						   : XENBUS_CLOSE;
	case XENBUS_CLOSED:
		return next_shut(view, self);
	case XENBUS_UNKNOWN:
	case XENBUS_INIT_WAIT:
	case XENBUS_RECONFIGURING:
	case XENBUS_RECONFIGURED:
		break;
	}
	return XENBUS_NOTHING;
}

enum xenbus_action xenbus_next(const struct xenbus_view *view,
			       const struct xenbus_self *self)
{
	if (self->link == XENBUS_LINK_BUSY)
		return XENBUS_NOTHING;
	if (!view->present)
		return unless_linked(self, self->opened ? XENBUS_SHUT
							: XENBUS_FORGET);
	if (self->driven)
		return XENBUS_AWAIT;
	if (!view->online || view->back == XENBUS_CLOSING)
		return next_leaving(view, self);
	/* Its first state, again: B was removed and made anew meanwhile. */
	if (view->back == XENBUS_INITIALISING)
		return unless_linked(self, XENBUS_ADVERTISE);
	if (view->back < XENBUS_INIT_WAIT || view->back > XENBUS_CLOSED ||
	    view->want == XENBUS_WANT_UNKNOWN)
		return XENBUS_NOTHING;
	if (is_fresh(view, self))
		return unless_linked(self, XENBUS_ADVERTISE);
	if (view->want == XENBUS_WANT_TAKEOVER && is_open(view))
		return next_takeover(view, self);
	if (view->want == XENBUS_WANT_RELEASE && is_open(view))
		return next_release(view, self);
	if (view->front_gone)
		return self->front_seen || self->link == XENBUS_LINK_UP
			       ? next_shut(view, self)
			       : XENBUS_NOTHING;
	return next_front(view, self);
}
