/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-xenbus.c - any strings as the nodes of a disk's two directories.
 *
 * Each line of the input is the value of the next node; a line of a single
 * '-' is a node that is not there, and a NUL ends a value early.  After the
 * nodes come references and ports.  Whatever they say, what is decoded lies
 * within what was offered, and Closed is never said with a ring in use.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "xenio/xenbus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *next_line(char **at)
{
	char *line = strsep(at, "\n");

	return line && strcmp(line, "-") == 0 ? NULL : line;
}

static void check_ring(const struct xenbus_nodes *nodes,
		       const struct xenbus_limits *limits, char **at)
{
	struct xenbus_ring ring;
	struct err err = { 0 };
	char name[XENBUS_NAME_MAX];

	if (xenbus_ring_shape(&ring, nodes, limits, &err) < 0) {
		assert(err.code < 0 && err.msg[0]);
		return;
	}
	assert(ring.order <= limits->order && ring.queues >= 1 &&
	       ring.queues <= limits->queues);
	for (unsigned q = 0; q < ring.queues; q++) {
		const char *refs[XENBUS_PAGES_MAX] = { NULL };

		for (unsigned i = 0; i < 1u << ring.order; i++) {
			assert(xenbus_ref_name(name, &ring, q, i, false));
			refs[i] = next_line(at);
		}
		xenbus_port_name(name, &ring, q);
		if (xenbus_ring_queue(&ring, q, refs, next_line(at), NULL) < 0)
			return;
		assert(ring.queue[q].port >= 1 &&
		       ring.queue[q].port <= XENBUS_PORT_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct xenbus_limits limits = { 4, 4 };
	struct xenbus_nodes nodes;
	struct xenbus_view view;
	char *text = malloc(size + 1);
	char *at = text;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	for (unsigned i = 0; i < XENBUS_KEYS; i++)
		nodes.value[i] = next_line(&at);
	xenbus_look(&view, &nodes, size & 1);
	assert(view.back <= XENBUS_RECONFIGURED &&
	       view.front <= XENBUS_RECONFIGURED);
	assert(!view.tapdisk || (view.pid > 0 && view.minor >= 0));
	assert(!view.cdrom || view.readonly);
	for (unsigned i = 0; i < 4 * 128; i++) {
		const struct xenbus_self self = {
			.link = (enum xenbus_link)(i % 4),
			.front_seen = i & 4,
			.failed = i & 8,
			.ring_changed = i & 16,
			.deletes = i & 32,
			.driven = i & 64,
			.opens = i & 128,
			.opened = i & 256,
		};
		enum xenbus_action action = xenbus_next(&view, &self);

		assert(action <= XENBUS_RELEASED);
		assert(self.link == XENBUS_LINK_NONE ||
		       (action != XENBUS_END && action != XENBUS_DELETE));
	}
	check_ring(&nodes, &limits, &at);
	free(text);
	return 0;
}
