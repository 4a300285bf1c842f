/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control-rig.h - a tapdisk whose Xen, guest and disk are the test's: both
 * ends of the control socket are on one loop.
 */
#ifndef TESTS_UNIT_CONTROL_RIG_H
#define TESTS_UNIT_CONTROL_RIG_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/work.h"
#include "tapdisk/control.h"
#include "tapdisk/io.h"
#include "tapdisk/metrics.h"
#include "tapdisk/server.h"
#include "tapdisk/vbd.h"
#include "tests/lib/front.h"
#include "tests/lib/hold.h"
#include "tests/lib/test.h"
#include "tests/lib/xen-fake.h"

#define PID    4100000 /* there is none of so high a number */
#define GUEST  3
#define DEV    51712
#define QUEUES 2
#define PAGE   XEN_FAKE_PAGE
#define DATA   8 /* the first page, and grant, behind the rings */

/* A call and how it ended. */
struct call {
	struct tapctl_call *call;
	bool ended;
	int error;
	struct wire_msg rsp;
	char text[4096];
};

struct test {
	char dir[64];
	struct vbd_env env;
	struct server *server;
	struct metrics *metrics;
	struct control *control;
	struct xen_fake *fake;
	struct front front[QUEUES];
	uint32_t port[QUEUES];
	bool ended;
};

static inline void on_reply(void *arg, const struct wire_msg *msg)
{
	struct call *c = arg;

	c->rsp = *msg;
}

static inline void on_data(void *arg, const char *text, size_t len)
{
	struct call *c = arg;

	assert_true(len < sizeof(c->text));
	memcpy(c->text, text, len + 1);
}

static inline void on_end(void *arg, int error, const struct err *err)
{
	struct call *c = arg;

	(void)err;
	c->ended = true;
	c->error = error;
}

/* What of the guest's device is in shared memory: "" is the folder. */
static inline bool has_metrics(struct test *t, const char *name)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/vbd3-%u-%u/%s", t->dir, GUEST,
		       DEV, name); /* it fits */
	return !stat(path, &st);
}

/* Turn the loop until flag, or, without one, until nothing happens. */
static inline void settle(struct test *t, const bool *flag)
{
	time_t end = time(NULL) + 60; /* a busy machine */
	unsigned idle = 0;

	while (flag ? !*flag : idle < 6) {
		idle = loop_turn(t->env.loop) ? 0 : idle + 1;
		if (idle)
			(void)usleep(100); /* a worker may be at it */
		assert_true(time(NULL) < end);
	}
}

static inline void begin(struct test *t, struct call *c,
			 const struct wire_msg *msg, int fd)
{
	const struct tapctl_events events = { on_reply, on_data, on_end, c };
	struct tapctl_request req = { .dir = t->dir,
				      .pid = PID,
				      .msg = *msg,
				      .fd = fd,
				      .pass_fd = fd >= 0 };

	memset(c, 0, sizeof(*c));
	c->error = tapctl_start(&c->call, t->env.loop, &req, &events, NULL);
	c->ended = c->error < 0;
	settle(t, NULL);
}

static inline int ask(struct test *t, const struct wire_msg *msg,
		      struct call *out)
{
	struct call c;

	begin(t, &c, msg, -1);
	settle(t, &c.ended);
	if (out)
		*out = c;
	return c.error;
}

static inline int tell(struct test *t, enum wire_type type)
{
	const struct wire_msg msg = { .type = type };

	return ask(t, &msg, NULL);
}

static inline int open_disk(struct test *t, const char *spec)
{
	struct wire_msg msg = { .type = WIRE_OPEN };

	(void)snprintf(msg.u.params.path, WIRE_PATH, "%s", spec);
	return ask(t, &msg, NULL);
}

/* What the daemon would send for a queue of the guest's device. */
static inline struct wire_msg connect_msg(struct test *t, enum wire_type type,
					  unsigned queue)
{
	struct wire_msg msg = { .type = type };

	msg.u.ring.domid = GUEST;
	msg.u.ring.devid = DEV;
	msg.u.ring.queue = queue;
	msg.u.ring.nr_queues = QUEUES;
	msg.u.ring.proto = 1;
	msg.u.ring.grefs[0] = queue;
	msg.u.ring.port = t->port[queue];
	return msg;
}

static inline int connect_queue(struct test *t, unsigned queue)
{
	struct wire_msg msg = connect_msg(t, WIRE_CONNECT_QUEUE, queue);

	return ask(t, &msg, NULL);
}

static inline struct wire_msg disconnect_msg(void)
{
	struct wire_msg msg = { .type = WIRE_DISCONNECT };

	msg.u.ring.domid = GUEST;
	msg.u.ring.devid = DEV;
	return msg;
}

static inline int disconnect(struct test *t)
{
	const struct wire_msg msg = disconnect_msg();

	return ask(t, &msg, NULL);
}

static inline void guest_read(struct test *t, unsigned queue)
{
	const struct front_layout *l = t->front[queue].l;

	(void)front_req(&t->front[queue], l->read, 1, 0, 1, DATA);
	(void)front_push(&t->front[queue]);
	xen_fake_kick(t->fake, t->port[queue]);
	settle(t, NULL);
}

static inline bool answered(struct test *t, unsigned queue)
{
	int16_t status;
	uint64_t id;
	uint8_t op;

	return front_answer(&t->front[queue], &id, &op, &status) && !status;
}

static inline void ended(void *arg)
{
	((struct test *)arg)->ended = true;
}

static inline void make_guest(struct test *t)
{
	uint8_t *mem;

	t->fake = xen_fake_new();
	xen_fake_domain(t->fake, GUEST, DATA + 8);
	mem = xen_fake_memory(t->fake, GUEST);
	for (unsigned i = 0; i < DATA + 8; i++)
		xen_fake_grant(t->fake, GUEST, i, i, true);
	for (unsigned q = 0; q < QUEUES; q++) {
		front_init(&t->front[q], &front_layouts[0], mem + q * PAGE,
			   PAGE);
		t->port[q] = xen_fake_port(t->fake, GUEST);
	}
}

static inline int setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));
	struct control_env env = { .vbd = &t->env, .pid = PID };
	int minor;

	(void)snprintf(t->dir, sizeof(t->dir), "/tmp/blktap-ctl-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	assert_non_null(drivers[0]); /* the tests' own */
	hold_reset();
	make_guest(t);
	assert_int_equal(loop_new(&t->env.loop, NULL), 0);
	assert_int_equal(work_new(&t->env.work, t->env.loop, 1, NULL), 0);
	assert_int_equal(io_new(&t->env.io, t->env.loop, "sync", 8, NULL), 0);
	assert_int_equal(server_new(&t->server, t->env.loop, t->dir, PID, NULL),
			 0);
	assert_int_equal(
		metrics_new(&t->metrics, t->env.loop, t->dir, PID, NULL), 0);
	env.server = t->server;
	env.metrics = t->metrics;
	env.xen = xen_fake_xen(t->fake);
	env.dir = t->dir;
	env.ended = ended;
	env.arg = t;
	assert_int_equal(control_new(&t->control, &env, NULL), 0);
	assert_int_equal(
		tapctl_allocate(t->dir, TAPCTL_KIND_XENIO, &minor, NULL), 0);
	assert_int_equal(minor, 0);
	assert_int_equal(tell(t, WIRE_ATTACH), 0);
	*state = t;
	return 0;
}

static inline int teardown(void **state)
{
	struct test *t = *state;
	char path[TAPCTL_PATH];

	hold.pass = true;
	while (hold_answer(0))
		;
	control_stop(t->control);
	settle(t, &t->ended);
	control_free(t->control);
	server_free(t->server);
	metrics_free(t->metrics);
	assert_int_equal(xen_fake_mapped(t->fake), 0);
	assert_int_equal(xen_fake_bound(t->fake), 0);
	xen_fake_free(t->fake);
	io_free(t->env.io);
	work_free(t->env.work);
	loop_free(t->env.loop);
	assert_int_equal(tapctl_free(t->dir, 0, NULL), 0);
	(void)tapctl_path(path, t->dir, "tapdisk");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(t->dir), 0);
	free(t);
	return 0;
}

static inline unsigned descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	(void)closedir(d); /* was read only */
	return n;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif /* TESTS_UNIT_CONTROL_RIG_H */
