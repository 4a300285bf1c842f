/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rig.c - a whole stack in a few lines.
 */
#include "tests/lib/rig.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "lib/log.h"
#include "lib/work.h"
#include "tapdisk/driver.h"
#include "tapdisk/io.h"
#include "tests/lib/test.h"

#define PATIENCE_S 20

static void say_nothing(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

struct rig *rig_new(const struct mem_client *client)
{
	struct rig *rig = test_calloc(1, sizeof(*rig));
	struct vbd_env env;

	log_set(say_nothing);
	assert_non_null(drivers[0]); /* and the tests' table is linked */
	if (client)
		rig->client = *client;
	rig->now_ns = RIG_SECOND;
	assert_int_equal(loop_new(&rig->loop, &rig->err), 0);
	loop_set_now_ns(rig->loop, rig->now_ns);
	assert_int_equal(work_new(&rig->work, rig->loop, 2, &rig->err), 0);
	assert_int_equal(io_new(&rig->io, rig->loop, "sync", 64, &rig->err), 0);
	env = (struct vbd_env){ .loop = rig->loop,
				.work = rig->work,
				.io = rig->io };
	assert_int_equal(vbd_new(&rig->vbd, &env, 0, &rig->err), 0);
	return rig;
}

void rig_free(struct rig *rig)
{
	(void)rig_close(rig, true); /* it may be closed already */
	vbd_free(rig->vbd);
	io_free(rig->io);
	work_free(rig->work);
	rig_settle(rig);
	loop_free(rig->loop);
	test_free(rig);
	log_set(NULL);
}

void rig_settle(struct rig *rig)
{
	while (loop_turn(rig->loop))
		;
}

void rig_wait(struct rig *rig, const bool *flag)
{
	time_t end = time(NULL) + PATIENCE_S;

	while (!*flag) {
		if (!loop_turn(rig->loop))
			sched_yield(); /* the workers have it */
		if (time(NULL) > end)
			fail_msg("waited for %d s", PATIENCE_S);
	}
}

void rig_pass(struct rig *rig, uint64_t ns)
{
	rig_settle(rig);
	rig->now_ns += ns;
	loop_set_now_ns(rig->loop, rig->now_ns);
	rig_settle(rig);
}

static void called(struct vbd_call *call, const struct err *err)
{
	struct rig_call *rc = container_of(call, struct rig_call, call);

	assert_false(rc->done);
	rc->done = true;
	rc->err = *err;
}

struct vbd_call *rig_call(struct rig_call *call)
{
	*call = (struct rig_call){ .call.done = called };
	return &call->call;
}

int rig_called(struct rig *rig, struct rig_call *call)
{
	rig_wait(rig, &call->done);
	rig->err = call->err;
	return call->err.code;
}

int rig_join(struct rig *rig, struct mem_client *client)
{
	struct channel *ch;

	return channel_open(&ch, rig->vbd, &mem_transport, "mem:0", &client,
			    &rig->err);
}

int rig_open_with(struct rig *rig, const struct vbd_open *args)
{
	struct rig_call call;
	int err;

	vbd_open(rig->vbd, args, rig_call(&call));
	err = rig_called(rig, &call);
	if (!err && !rig->client.ch)
		err = rig_join(rig, &rig->client);
	return err;
}

int rig_open(struct rig *rig, const char *spec)
{
	struct vbd_open args = { .spec = spec };

	return rig_open_with(rig, &args);
}

int rig_pause(struct rig *rig)
{
	struct rig_call call;

	vbd_pause(rig->vbd, rig_call(&call));
	return rig_called(rig, &call);
}

int rig_resume(struct rig *rig, const char *spec)
{
	struct rig_call call;

	vbd_resume(rig->vbd, spec, rig_call(&call));
	return rig_called(rig, &call);
}

int rig_close(struct rig *rig, bool force)
{
	struct rig_call call;

	vbd_close(rig->vbd, force, rig_call(&call));
	return rig_called(rig, &call);
}

int rig_op(struct rig *rig, struct mem_op *op)
{
	mem_ask(&rig->client, op);
	rig_wait(rig, &op->done);
	return op->err;
}

int rig_read(struct rig *rig, uint64_t off, void *buf, uint64_t len)
{
	struct mem_op op = {
		.op = REQ_READ, .off = off, .len = len, .buf = buf
	};

	return rig_op(rig, &op);
}

int rig_write(struct rig *rig, uint64_t off, const void *buf, uint64_t len)
{
	struct mem_op op = { REQ_WRITE, .off = off, .len = len,
			     .buf = (void *)buf };

	return rig_op(rig, &op);
}

int rig_flush(struct rig *rig)
{
	struct mem_op op = { .op = REQ_FLUSH };

	return rig_op(rig, &op);
}
