/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-vhd.c - what a VHD costs over its file, in the same run.
 *
 *	vhd.overwrite.cpu_ratio	4 KiB writes to blocks that are there, 32 at
 *				a time: CPU time a request, VHD to raw
 *	vhd.read.cpu_ratio	the same for reads
 *	vhd.chain30.cpu_ratio	reads that the leaf has: 30 layers to one
 *	vhd.first_write.ratio	one write at a time: time of the first into a
 *				block to that of the next ones
 *
 * Files lie in $TMPDIR or /tmp, pre-filled; each figure is the median of
 * rounds in which its two sides take turns.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/loop.h"
#include "lib/work.h"
#include "tapdisk/chain.h"
#include "tapdisk/io.h"
#include "vhd/vhd.h"

#define MIB    (1u << 20)
#define SIZE   (256 * MIB)
#define FRESH  (512 * MIB)
#define BLOCK  (2 * MIB)
#define DEPTH  32
#define COUNT  6000
#define ROUNDS 7
#define CHAIN  30

struct client {
	struct req req;
	struct iovec iov;
};

static struct {
	struct loop *loop;
	struct work *work;
	struct io *io;
	struct client client[DEPTH];
	uint8_t *buf;
	char folder[256];

	/* Of what runs. */
	struct image *top;
	enum req_op op;
	uint64_t next;
	uint64_t stride; /* 0: anywhere */
	uint64_t size;
	unsigned start, left;
	uint64_t seed;
} b;

static void die(const char *what, const struct err *err)
{
	fprintf(stderr, "bench-vhd: %s: %s\n", what, err ? err->msg : "failed");
	exit(1);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* --- images --------------------------------------------------------------- */

static const char *path(const char *name)
{
	static char text[4][300];
	static unsigned n;

	n = (n + 1) % 4;
	snprintf(text[n], sizeof(text[n]), "%s/%s", b.folder, name);
	return text[n];
}

static struct vhd_io *fresh(const char *name)
{
	int fd = open(path(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct vhd_io *io;

	if (fd < 0 || vhd_io_file(&io, fd))
		die(name, NULL);
	return io;
}

static void make(const char *name, const char *parent, uint64_t size)
{
	struct vhd_new p = { .type = VHD_DYNAMIC,
			     .size = size,
			     .time = 1700000000 };
	struct vhd_snapshot snap = { .name = path(name), .empty = true };
	struct vhd_io *io = fresh(name);
	struct err err = { 0 };
	int ret;

	vhd_new_id(p.id);
	snap.parent = parent ? path(parent) : NULL;
	ret = parent ? vhd_snapshot(io, vhd_files_local(), &snap, &p, &err)
		     : vhd_create(io, &p, &err);
	if (ret)
		die(name, &err);
	io->close(io);
}

static void opened(void *arg, struct image *top, const struct err *err)
{
	if (!top)
		die(arg, err);
	b.top = top;
	loop_stop(b.loop);
}

static struct image *open_image(const char *type, const char *name)
{
	char spec[400];
	struct chain_args args = { .loop = b.loop,
				   .io = b.io,
				   .work = b.work,
				   .spec = spec,
				   .depth = DEPTH };

	snprintf(spec, sizeof(spec), "%s:%s", type, path(name));
	chain_open(&args, opened, spec);
	loop_run(b.loop);
	return b.top;
}

static void closed(void *arg)
{
	(void)arg;
	loop_stop(b.loop);
}

static void close_image(struct image *top)
{
	chain_close(top, b.work, closed, NULL);
	loop_run(b.loop);
}

/* --- load ----------------------------------------------------------------- */

static void start(struct client *c, uint64_t len)
{
	uint64_t off;

	b.seed ^= b.seed << 13;
	b.seed ^= b.seed >> 7;
	b.seed ^= b.seed << 17;
	off = b.stride ? b.next : b.seed % (b.size / len) * len;
	b.next += b.stride;
	b.start--;
	c->iov.iov_len = len;
	c->req.op = b.op;
	c->req.off = off;
	c->req.len = len;
	c->req.iov = &c->iov;
	c->req.iovcnt = 1;
	c->req.iov_skip = 0;
	image_submit(b.top, &c->req);
}

static void done(struct req *req)
{
	if (req->err)
		die(strerror(-req->err), NULL);
	if (b.start)
		start(container_of(req, struct client, req), req->len);
	if (--b.left == 0)
		loop_stop(b.loop);
}

/* count requests of len bytes, depth at a time. */
static void load(struct image *top, enum req_op op, unsigned count,
		 unsigned depth, uint64_t len)
{
	b.top = top;
	b.op = op;
	b.start = b.left = count;
	for (unsigned i = 0; i < depth && b.start; i++)
		start(&b.client[i], len);
	loop_run(b.loop);
}

static void fill(struct image *top)
{
	b.stride = MIB;
	b.next = 0;
	load(top, REQ_WRITE, SIZE / MIB, 1, MIB);
	b.stride = 0;
}

static double cpu(struct image *top, enum req_op op)
{
	uint64_t start_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);

	load(top, op, COUNT, DEPTH, 4096);
	return (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - start_ns) / COUNT;
}

static int compare(const void *x, const void *y)
{
	const double *p = x, *q = y;

	return *p < *q ? -1 : *p > *q;
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), compare);
	return v[n / 2];
}

static void versus(const char *name, struct image *x, struct image *y,
		   enum req_op op)
{
	double rx[ROUNDS], ry[ROUNDS], mx, my;

	b.size = SIZE;
	(void)cpu(x, op);
	(void)cpu(y, op);
	for (unsigned i = 0; i < ROUNDS; i++) {
		rx[i] = cpu(x, op);
		ry[i] = cpu(y, op);
	}
	mx = median(rx, ROUNDS);
	my = median(ry, ROUNDS);
	printf("# %s: %.0f ns and %.0f ns of CPU a request\n", name, mx, my);
	printf("bench %s %.3f ratio\n", name, mx / my);
}

/* --- the figures ---------------------------------------------------------- */

static double latency(struct image *top, uint64_t skew, unsigned count)
{
	uint64_t start_ns = now_ns(CLOCK_MONOTONIC);

	b.stride = BLOCK;
	b.next = skew;
	load(top, REQ_WRITE, count, 1, 4096);
	b.stride = 0;
	return (double)(now_ns(CLOCK_MONOTONIC) - start_ns) / count;
}

static void first_write(void)
{
	const unsigned blocks = FRESH / BLOCK;
	double first[ROUNDS], next[ROUNDS], mf, mn;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct image *top;

		make("fresh.vhd", NULL, FRESH);
		top = open_image("vhd", "fresh.vhd");
		first[i] = latency(top, MIB, blocks);
		next[i] = latency(top, MIB, blocks);
		close_image(top);
	}
	mf = median(first, ROUNDS);
	mn = median(next, ROUNDS);
	printf("# vhd.first_write: %.1f us, overwrite %.1f us\n", mf / 1000,
	       mn / 1000);
	printf("bench vhd.first_write.ratio %.2f ratio\n", mf / mn);
}

static void cpu_ratios(void)
{
	struct image *raw, *vhd;

	make("a.vhd", NULL, SIZE);
	if (truncate(path("raw"), 0) || truncate(path("raw"), SIZE))
		die("raw", NULL);
	raw = open_image("raw", "raw");
	vhd = open_image("vhd", "a.vhd");
	fill(raw);
	fill(vhd);
	versus("vhd.overwrite.cpu_ratio", vhd, raw, REQ_WRITE);
	versus("vhd.read.cpu_ratio", vhd, raw, REQ_READ);
	close_image(vhd);
	close_image(raw);
}

static void chain_ratio(void)
{
	struct image *one, *deep;
	char last[16] = "c0.vhd", name[16];

	make(last, NULL, SIZE);
	for (unsigned i = 1; i < CHAIN; i++) {
		snprintf(name, sizeof(name), "c%u.vhd", i);
		make(name, last, SIZE);
		memcpy(last, name, sizeof(last));
	}
	deep = open_image("vhd", last);
	one = open_image("vhd", "a.vhd");
	fill(deep);
	versus("vhd.chain30.cpu_ratio", deep, one, REQ_READ);
	close_image(deep);
	close_image(one);
}

static void setup(void)
{
	const char *tmp = getenv("TMPDIR");
	struct err err = { 0 };

	snprintf(b.folder, sizeof(b.folder), "%s/bench-XXXXXX",
		 tmp ? tmp : "/tmp");
	if (!mkdtemp(b.folder) || !drivers[0])
		die(b.folder, NULL);
	if (loop_new(&b.loop, &err) || work_new(&b.work, b.loop, 2, &err) ||
	    io_new(&b.io, b.loop, NULL, 2 * DEPTH, &err))
		die("setup", &err);
	b.seed = 88172645463325252u;
	b.buf = aligned_alloc(4096, MIB);
	memset(b.buf, 0x5a, MIB);
	for (unsigned i = 0; i < DEPTH; i++) {
		b.client[i].iov.iov_base = b.buf;
		b.client[i].req.done = done;
	}
	close(open(path("raw"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static void cleanup(void)
{
	char name[16];

	for (unsigned i = 0; i < CHAIN; i++) {
		snprintf(name, sizeof(name), "c%u.vhd", i);
		unlink(path(name));
	}
	unlink(path("a.vhd"));
	unlink(path("fresh.vhd"));
	unlink(path("raw"));
	rmdir(b.folder);
	io_free(b.io);
	work_free(b.work);
	loop_free(b.loop);
	free(b.buf);
}

int main(void)
{
	setup();
	cpu_ratios();
	chain_ratio();
	first_write();
	cleanup();
	return 0;
}
