/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-core.c - what the core costs a request, with no I/O at all.
 *
 * Writes of 4 KiB, 32 at a time, to "fault:n=...:null:": two layers, of which
 * neither touches the data. "core.image" is from image_submit() to done();
 * "core.channel" is the whole way, with channel, disk and buffers. Time is
 * the best of several runs; instructions, where the kernel counts them, are
 * the better figure to compare.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/work.h"
#include "tapdisk/channel.h"
#include "tapdisk/driver.h"

#define DEPTH  32
#define ROUNDS 8000
#define RUNS   7
#define SPEC   "fault:n=18446744073709551615:null:1073741824"

struct bench {
	struct loop *loop;
	struct work *work;
	struct vbd *vbd;
	struct channel *ch;
	struct req_pool *pool;
	unsigned done;
	bool called;
	int counter; /* of instructions; -1: there is none */
};

static struct bench bench;

static void die(const char *what)
{
	(void)fprintf(stderr, "bench-core: %s\n", what); /* last words */
	exit(1);
}

/* --- a client that only counts ---------------------------------------------
 */

static int count_open(struct channel *ch, const void *arg, struct err *err)
{
	(void)arg;
	(void)err;
	ch->depth = DEPTH;
	return 0;
}

static void count_start(struct channel *ch, const struct image_info *info)
{
	(void)ch;
	(void)info;
}

static void count_nothing(struct channel *ch)
{
	(void)ch;
}

static void count_complete(struct channel *ch, struct req *req)
{
	(void)ch;
	if (req->err)
		die("a request failed");
	bench.done++;
}

static const struct transport counting = {
	.name = "count",
	.summary = "counts answers",
	.open = count_open,
	.start = count_start,
	.stop = count_nothing,
	.complete = count_complete,
	.flush = count_nothing,
	.close = count_nothing,
};

/* --- the two ways --------------------------------------------------------- */

static void turn_until(unsigned count)
{
	while (bench.done < count)
		(void)loop_turn(bench.loop); /* until all are answered */
	bench.done = 0;
}

static void by_channel(void)
{
	struct req *req;
	unsigned i;

	for (i = 0; i < DEPTH; i++) {
		req = channel_get(bench.ch, 4096);
		if (!req)
			die("no request");
		req->op = REQ_WRITE;
		req->off = 4096 * i;
		req->len = 4096;
		channel_submit(bench.ch, req);
	}
	turn_until(DEPTH);
}

static void image_done(struct req *req)
{
	bench.done++;
	req_put(bench.pool, req);
}

static void by_image(void)
{
	/* The core's own callers have it without the const. */
	struct image *top = (struct image *)vbd_image(bench.vbd);
	struct req *req;
	unsigned i;

	for (i = 0; i < DEPTH; i++) {
		req = req_get(bench.pool);
		req->op = REQ_WRITE;
		req->off = 4096 * i;
		req->len = 4096;
		req->done = image_done;
		image_submit(top, req);
	}
	turn_until(DEPTH);
}

/* --- measuring ------------------------------------------------------------ */

static int open_counter(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_HW_INSTRUCTIONS,
					.exclude_kernel = 1,
					.exclude_hv = 1 };

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static uint64_t read_counter(void)
{
	uint64_t v = 0;

	if (bench.counter >= 0 && read(bench.counter, &v, 8) != 8)
		die("the counter cannot be read");
	return v;
}

static double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void measure(const char *name, void (*batch)(void))
{
	const double count = (double)ROUNDS * DEPTH;
	double best = 0, ns, from;
	uint64_t instructions = 0, first;
	int run, i;

	for (run = 0; run < RUNS; run++) {
		first = read_counter();
		from = now();
		for (i = 0; i < ROUNDS; i++)
			batch();
		ns = now() - from;
		instructions = read_counter() - first;
		if (!best || ns < best)
			best = ns;
	}
	printf("bench core.%s.time %.1f ns\n", name, best / count);
	if (bench.counter >= 0)
		printf("bench core.%s.instructions %.0f count\n", name,
		       (double)instructions / count);
}

static void opened(struct vbd_call *call, const struct err *err)
{
	(void)call;
	if (err->code)
		die(err->msg);
	bench.called = true;
}

static void quiet(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

int main(void)
{
	struct vbd_open args = { .spec = SPEC };
	struct vbd_call call = { .done = opened };
	struct vbd_env env = { 0 };
	struct err err;

	log_set(quiet);
	bench.counter = open_counter();
	if (!drivers[0] || loop_new(&bench.loop, &err) ||
	    work_new(&bench.work, bench.loop, 1, &err))
		die(err.msg);
	env.loop = bench.loop;
	env.work = bench.work;
	if (vbd_new(&bench.vbd, &env, 0, &err))
		die(err.msg);
	vbd_open(bench.vbd, &args, &call);
	while (!bench.called)
		(void)loop_turn(bench.loop); /* until it is open */
	if (channel_open(&bench.ch, bench.vbd, &counting, "count:0", NULL,
			 &err) ||
	    req_pool_new(&bench.pool, DEPTH, 0))
		die(err.msg);
	measure("image", by_image);
	measure("channel", by_channel);
	return 0;
}
