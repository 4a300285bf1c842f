/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * channel_test.c - the kernel device passes the suite of all transports, over
 * the real module.
 *
 * Run as root in a throw-away system with the module loaded. The client is a
 * user of the block device, whose requests the block layer brings; nonsense
 * is written into the ring page itself. All is one thread: the kernel does
 * what is asked for while the loop turns.
 */
#include "tests/lib/channel-suite.h"

#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "compat/blktap2/abi.h"
#include "compat/blktap2/blktap2.h"
#include "tests/lib/test.h"

/* No more than get a slot each: none of them is merged with another. */
#define DEPTH    16
#define LEN      4096
#define PATIENCE 20

extern const struct transport blktap2_transport;

struct client {
	struct blktap2_host host;
	unsigned minor;
	struct blktap2_dev *dev;
	struct channel *ch; /* NULL once it is gone */
	int fd;             /* of the block device */
	io_context_t ctx;
	struct iocb iocbs[DEPTH];
	void *bufs[DEPTH]; /* aligned */
	void *theirs[DEPTH];
	enum req_op op[DEPTH];
	pthread_t discards;
	_Atomic int discarded; /* 1: going on; 2: well; 3: not */
	unsigned discard_tag;
	uint64_t discard_off;
};

static void gone(void *arg)
{
	((struct client *)arg)->ch = NULL;
}

/* Each request by itself, as soon as it is there. */
static void no_scheduler(unsigned minor)
{
	char path[64];
	int fd;

	assert_true(minor < 26);
	(void)snprintf(path, sizeof(path), "/sys/block/td%c/queue/scheduler",
		       'a' + (int)minor); /* it fits */
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "none", 4), 4);
	assert_int_equal(close(fd), 0);
}

static void *join(struct rig *rig)
{
	struct client *c = calloc(1, sizeof(*c));
	char node[64];

	assert_non_null(c);
	assert_int_equal(blktap2_probe(&c->host, "", &rig->err), 0);
	assert_int_equal(blktap2_allocate(&c->host, &c->minor, &rig->err), 0);
	assert_int_equal(blktap2_open(&c->dev, c->minor, &rig->err), 0);
	assert_int_equal(channel_open(&c->ch, rig->vbd, &blktap2_transport,
				      "blktap2:0", &c->dev, &rig->err),
			 0);
	channel_on_gone(c->ch, gone, c);
	no_scheduler(c->minor);
	(void)snprintf(node, sizeof(node), BLKTAP2_DIR "/tapdev%u",
		       c->minor); /* it fits */
	c->fd = open(node, O_RDWR | O_DIRECT | O_CLOEXEC);
	assert_true(c->fd >= 0);
	assert_int_equal(io_setup(DEPTH, &c->ctx), 0);
	for (unsigned i = 0; i < DEPTH; i++)
		assert_int_equal(posix_memalign(&c->bufs[i], LEN, LEN), 0);
	return c;
}

/* There is no asynchronous one. */
static void *discard(void *arg)
{
	struct client *c = arg;
	uint64_t range[2] = { c->discard_off, LEN };

	c->discarded = ioctl(c->fd, BLKDISCARD, range) ? 3 : 2;
	return NULL;
}

static void ask(void *client, unsigned tag, enum req_op op, uint64_t off,
		void *buf)
{
	struct client *c = client;
	struct iocb *cb = &c->iocbs[tag];

	assert_true(tag < DEPTH);
	c->op[tag] = op;
	c->theirs[tag] = buf;
	if (op == REQ_DISCARD) {
		c->discard_tag = tag;
		c->discard_off = off;
		c->discarded = 1;
		assert_int_equal(pthread_create(&c->discards, NULL, discard, c),
				 0);
		return;
	}
	if (op == REQ_WRITE)
		memcpy(c->bufs[tag], buf, LEN);
	if (op == REQ_READ)
		io_prep_pread(cb, c->fd, c->bufs[tag], LEN, (long long)off);
	else if (op == REQ_WRITE)
		io_prep_pwrite(cb, c->fd, c->bufs[tag], LEN, (long long)off);
	else
		io_prep_fsync(cb, c->fd);
	cb->data = cb;
	assert_int_equal(io_submit(c->ctx, 1, &cb), 1);
}

static bool discard_answer(struct client *c, unsigned *tag, bool *ok)
{
	if (c->discarded < 2)
		return false;
	assert_int_equal(pthread_join(c->discards, NULL), 0);
	*tag = c->discard_tag;
	*ok = c->discarded == 2;
	c->discarded = 0;
	return true;
}

static bool answer(void *client, unsigned *tag, bool *ok)
{
	struct client *c = client;
	struct timespec none = { 0 };
	struct io_event ev;

	if (io_getevents(c->ctx, 0, 1, &ev, &none) != 1)
		return discard_answer(c, tag, ok);
	*tag = (unsigned)((struct iocb *)ev.data - c->iocbs);
	assert_true(*tag < DEPTH);
	*ok = (long)ev.res == (c->op[*tag] == REQ_FLUSH ? 0 : LEN);
	if (c->op[*tag] == REQ_READ)
		memcpy(c->theirs[*tag], c->bufs[*tag], LEN);
	return true;
}

/* A ring that cannot be one: only whoever looks at it finds out. */
static void leave(void *client)
{
	struct abi_ring *ring = ((struct client *)client)->dev->map;

	__atomic_fetch_add(&ring->req_prod, 1000, __ATOMIC_SEQ_CST);
}

/* The module holds what was not answered until the minor is given back. */
static void free_client(void *client)
{
	time_t end = time(NULL) + PATIENCE;
	struct client *c = client;
	int err = -EBUSY;

	assert_null(c->ch);
	c->dev->close(c->dev);
	assert_int_equal(io_destroy(c->ctx), 0);
	assert_int_equal(close(c->fd), 0);
	while (err == -EBUSY && time(NULL) < end)
		err = blktap2_free(&c->host, c->minor, NULL);
	assert_int_equal(err, 0);
	for (unsigned i = 0; i < DEPTH; i++)
		free(c->bufs[i]);
	free(c);
}

int main(void)
{
	static const struct suite_kit kit = {
		.name = "channel suite: blktap2",
		.depth = DEPTH,
		.discards = true,
		.join = join,
		.ask = ask,
		.answer = answer,
		.leave = leave,
		.free = free_client,
	};

	return suite_run(&kit);
}
