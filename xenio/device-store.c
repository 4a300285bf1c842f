/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-store.c - what a device reads from XenStore, and how it writes.
 *
 * A transaction is begun and ended in one place, in_transaction(); what is
 * done inside may be done again from its start.  A guest can make every
 * transaction that reads its nodes fail, so the number of turns is bounded
 * and the caller comes back later.
 */
#include "xenio/device-impl.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/parse.h"
#include "lib/xen.h"

#define TURNS 8

static int in_transaction(struct device *dev,
			  int (*body)(struct device *dev, uint32_t tx,
				      const void *arg),
			  const void *arg)
{
	struct xen *xen = dev->env->xen;
	uint32_t tx;
	int rc, end;

	for (int turn = 0; turn < TURNS; turn++) {
		rc = xen->begin(xen, &tx);
		if (rc < 0)
			return rc;
		rc = body(dev, tx, arg);
		end = xen->end(xen, tx, rc >= 0);
		if (rc < 0)
			return rc;
		if (end != -EAGAIN)
			return end;
	}
	return -EAGAIN;
}

/* dir/name, the caller's to free; NULL in *out when there is no such node. */
static int read_node(struct device *dev, uint32_t tx, char **out,
		     const char *dir, const char *name)
{
	struct xen *xen = dev->env->xen;
	char path[DEVICE_PATH_MAX + XENBUS_NAME_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name); /* it fits */
	errno = 0;
	*out = xen->read(xen, tx, path);
	/* What the guest does not let us see is not there. */
	if (*out || errno == ENOENT || errno == EACCES)
		return 0;
	return errno ? -errno : -ENOENT;
}

/* What was read in one transaction. */
struct reading {
	char *value[XENBUS_KEYS];
	char *refs[XENBUS_PAGES_MAX];
	char *port;
};

static void free_queue(struct reading *r)
{
	for (unsigned i = 0; i < XENBUS_PAGES_MAX; i++) {
		free(r->refs[i]);
		r->refs[i] = NULL;
	}
	free(r->port);
	r->port = NULL;
}

static void free_reading(struct reading *r)
{
	for (unsigned i = 0; i < XENBUS_KEYS; i++)
		free(r->value[i]);
	free_queue(r);
}

static int read_ref(struct device *dev, uint32_t tx, char **out, unsigned queue,
		    unsigned page)
{
	char name[XENBUS_NAME_MAX];
	int rc = 0;

	for (int spare = 0; spare < 2 && rc == 0 && !*out; spare++)
		if (xenbus_ref_name(name, &dev->offer, queue, page, spare))
			rc = read_node(dev, tx, out, dev->front, name);
	return rc;
}

static int read_queue(struct device *dev, uint32_t tx, struct reading *r,
		      unsigned queue)
{
	char name[XENBUS_NAME_MAX];
	int rc = 0;

	for (unsigned i = 0; i < 1u << dev->offer.order && rc == 0; i++)
		rc = read_ref(dev, tx, &r->refs[i], queue, i);
	if (rc < 0)
		return rc;
	xenbus_port_name(name, &dev->offer, queue);
	rc = read_node(dev, tx, &r->port, dev->front, name);
	if (rc < 0)
		return rc;
	dev->offer_error = xenbus_ring_queue(&dev->offer, queue,
					     (const char *const *)r->refs,
					     r->port, &dev->offer_why);
	return 0;
}

static int read_ring(struct device *dev, uint32_t tx, struct reading *r)
{
	struct xenbus_nodes nodes;
	/* What the kernel's backend had advertised holds still. */
	static const struct xenbus_limits most = { XENBUS_ORDER_MAX,
						   XENBUS_QUEUES_MAX };
	int rc = 0;

	memcpy(nodes.value, r->value, sizeof(nodes.value));
	memset(&dev->offer, 0, sizeof(dev->offer));
	dev->offer_error = xenbus_ring_shape(
		&dev->offer, &nodes, dev->id.marked ? &most : &dev->env->limits,
		&dev->offer_why);
	if (dev->offer_error < 0)
		return 0;
	for (unsigned q = 0; q < dev->offer.queues && rc == 0; q++) {
		rc = read_queue(dev, tx, r, q);
		free_queue(r);
		if (dev->offer_error < 0)
			break;
	}
	return rc;
}

/* Remember F, and watch its state. */
static int learn_front(struct device *dev, const char *front)
{
	struct xen *xen = dev->env->xen;
	char path[DEVICE_PATH_MAX + 8], token[80];
	int rc;

	if (strcmp(dev->front, front) == 0)
		return 0;
	device_store_unwatch(dev);
	if (front[0] != '/' || strlen(front) >= sizeof(dev->front))
		return -ENAMETOOLONG;
	memcpy(dev->front, front, strlen(front) + 1);
	(void)snprintf(path, sizeof(path), "%s/state", front); /* it fits */
	(void)snprintf(token, sizeof(token), DEVICE_TOKEN "%s", dev->name);
	rc = xen->watch(xen, path, token);
	if (rc < 0)
		dev->front[0] = '\0';
	return rc;
}

void device_store_unwatch(struct device *dev)
{
	struct xen *xen = dev->env->xen;
	char path[DEVICE_PATH_MAX + 8], token[80];

	if (!dev->front[0])
		return;
	(void)snprintf(path, sizeof(path), "%s/state", dev->front);
	(void)snprintf(token, sizeof(token), DEVICE_TOKEN "%s", dev->name);
	(void)xen->unwatch(xen, path,
			   token); /* it may be gone with the store */
	dev->front[0] = '\0';
}

static int read_back(struct device *dev, uint32_t tx, struct reading *r)
{
	int rc = 0;

	for (unsigned i = 0; i < XENBUS_KEYS && rc == 0; i++) {
		if (!xenbus_key_names[i].front &&
		    (!xenbus_key_names[i].marked || dev->id.marked))
			rc = read_node(dev, tx, &r->value[i], dev->back,
				       xenbus_key_names[i].name);
		/* The first of them: without it there is no B. */
		if (!r->value[XENBUS_B_FRONTEND])
			break;
	}
	return rc;
}

/* What a ring's own nodes say is asked only when there is a ring. */
static int read_front(struct device *dev, uint32_t tx, struct reading *r)
{
	const char *state;
	int rc;

	rc = read_node(dev, tx, &r->value[XENBUS_F_STATE], dev->front, "state");
	state = r->value[XENBUS_F_STATE];
	if (rc < 0 || !state || (*state != '3' && *state != '4'))
		return rc;
	for (unsigned i = 0; i < XENBUS_KEYS && rc == 0; i++)
		if (xenbus_key_names[i].front && i != XENBUS_F_STATE)
			rc = read_node(dev, tx, &r->value[i], dev->front,
				       xenbus_key_names[i].name);
	return rc;
}

static int read_all(struct device *dev, uint32_t tx, const void *arg)
{
	struct reading r = { .port = NULL };
	struct xenbus_nodes nodes;
	const char *front;
	int rc = read_back(dev, tx, &r);

	(void)arg;
	front = r.value[XENBUS_B_FRONTEND];
	if (rc == 0 && front) {
		rc = learn_front(dev, front);
		if (rc == 0)
			rc = read_front(dev, tx, &r);
	}
	if (rc == 0) {
		memcpy(nodes.value, r.value, sizeof(nodes.value));
		xenbus_look(&dev->view, &nodes, dev->id.marked);
		if (dev->view.front == XENBUS_INITIALISED ||
		    dev->view.front == XENBUS_CONNECTED)
			rc = read_ring(dev, tx, &r);
	}
	free_reading(&r);
	return rc;
}

int device_store_read(struct device *dev)
{
	return in_transaction(dev, read_all, NULL);
}

void device_store_put(struct device_nodes *nodes, const char *name,
		      uint64_t value)
{
	unsigned i = nodes->count++;

	assert(i < sizeof(nodes->node) / sizeof(nodes->node[0]));
	nodes->node[i].name = name;
	nodes->node[i].remove = false;
	(void)snprintf(nodes->node[i].value, sizeof(nodes->node[i].value),
		       "%" PRIu64, value); /* it fits */
}

void device_store_text(struct device_nodes *nodes, const char *name,
		       const char *value)
{
	unsigned i = nodes->count++;

	assert(i < sizeof(nodes->node) / sizeof(nodes->node[0]));
	assert(strlen(value) < sizeof(nodes->node[i].value));
	nodes->node[i].name = name;
	nodes->node[i].remove = false;
	memcpy(nodes->node[i].value, value, strlen(value) + 1);
}

void device_store_drop(struct device_nodes *nodes, const char *name)
{
	unsigned i = nodes->count++;

	assert(i < sizeof(nodes->node) / sizeof(nodes->node[0]));
	nodes->node[i].name = name;
	nodes->node[i].remove = true;
}

/* B as it was: there, ours, and in the state that was last looked at. */
static int still(struct device *dev, uint32_t tx)
{
	cleanup_free char *front = NULL;
	cleanup_free char *state = NULL;
	cleanup_free char *owner = NULL;
	uint64_t n;
	int rc;

	rc = read_node(dev, tx, &front, dev->back, "frontend");
	if (rc == 0)
		rc = read_node(dev, tx, &state, dev->back, "state");
	if (rc == 0 && dev->id.marked)
		rc = read_node(dev, tx, &owner, dev->back, XENBUS_OWNER);
	if (rc < 0)
		return rc;
	if (!front || !state || (dev->id.marked && !owner) ||
	    parse_uint(&n, state, 0, XENBUS_RECONFIGURED) < 0 ||
	    n != (uint64_t)dev->view.back)
		return -ESTALE;
	return 0;
}

static int write_node(struct device *dev, uint32_t tx, const char *name,
		      const char *value)
{
	struct xen *xen = dev->env->xen;
	char path[DEVICE_PATH_MAX + XENBUS_NAME_MAX];
	int rc;

	(void)snprintf(path, sizeof(path), "%s/%s", dev->back, name);
	if (value)
		return xen->write(xen, tx, path, value);
	rc = xen->remove(xen, tx, path);
	return rc == -ENOENT ? 0 : rc;
}

static int write_all(struct device *dev, uint32_t tx, const void *arg)
{
	const struct device_nodes *nodes = arg;
	int rc = still(dev, tx);

	for (unsigned i = 0; i < nodes->count && rc >= 0; i++)
		rc = write_node(dev, tx, nodes->node[i].name,
				nodes->node[i].remove ? NULL
						      : nodes->node[i].value);
	return rc;
}

int device_store_write(struct device *dev, const struct device_nodes *nodes)
{
	return in_transaction(dev, write_all, nodes);
}

static int delete_all(struct device *dev, uint32_t tx, const void *arg)
{
	struct xen *xen = dev->env->xen;
	int rc = still(dev, tx);

	(void)arg;
	return rc < 0 ? rc : xen->remove(xen, tx, dev->back);
}

int device_store_delete(struct device *dev)
{
	return in_transaction(dev, delete_all, NULL);
}

static void error_dir(const struct device *dev, char *out, size_t size)
{
	(void)snprintf(out, size, "/local/domain/%u/error/backend/%s",
		       dev->env->domid, dev->name); /* it fits */
}

static int write_error(struct device *dev, uint32_t tx, const void *arg)
{
	struct xen *xen = dev->env->xen;
	const struct err *why = arg;
	char path[128], text[sizeof(why->msg) + 16];
	int rc = still(dev, tx);

	if (rc < 0)
		return rc;
	error_dir(dev, path, sizeof(path) - sizeof("/error"));
	memcpy(path + strlen(path), "/error", sizeof("/error"));
	(void)snprintf(text, sizeof(text), "%d %s", -why->code, why->msg);
	return xen->write(xen, tx, path, text);
}

void device_store_error(struct device *dev, const struct err *why)
{
	/* The log has it too: nothing depends on this node. */
	(void)in_transaction(dev, write_error, why);
}

/* The node's directory, and those above it that this leaves empty. */
static int remove_error(struct device *dev, uint32_t tx, const void *arg)
{
	struct xen *xen = dev->env->xen;
	char path[128];
	int rc;

	(void)arg;
	error_dir(dev, path, sizeof(path));
	rc = xen->remove(xen, tx, path);
	for (int up = 0; up < 4 && rc >= 0; up++) {
		cleanup_free char **names = NULL;

		*strrchr(path, '/') = '\0';
		names = xen->list(xen, tx, path);
		if (!names || names[0])
			break;
		rc = xen->remove(xen, tx, path);
	}
	return rc;
}

void device_store_no_error(struct device *dev)
{
	(void)in_transaction(dev, remove_error, NULL); /* mostly: none there */
}

static int write_failed(struct device *dev, uint32_t tx, const void *arg)
{
	const struct err *why = arg;
	char text[sizeof(why->msg) + 16];
	int rc = still(dev, tx);

	if (rc < 0)
		return rc;
	(void)snprintf(text, sizeof(text), "failed: %s",
		       why->msg); /* it fits */
	return write_node(dev, tx, XENBUS_STATUS, text);
}

void device_store_failed(struct device *dev, const struct err *why)
{
	/* Without it the request is still there, and is tried again. */
	(void)in_transaction(dev, write_failed, why);
}
