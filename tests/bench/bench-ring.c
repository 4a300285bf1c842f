/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-ring.c - what 4 KiB requests over a guest's ring cost, in calls.
 *
 * Our disk and transport serve a raw image, filled and with O_DIRECT, over an
 * in-memory Xen; the guest is another process, which keeps 32 requests out, or
 * one. The fake Xen's copy and unmask make one trivial system call each, its
 * other calls make one as they are: so the server makes as many as on a real
 * Xen.
 *
 * They are counted in the server by functions of libc and libaio put in front
 * of the real ones: a tracer would slow the server down, and a slow server's
 * batches are larger.  (strace -c agrees on which calls there are.)
 */
#include <dlfcn.h>
#include <errno.h>
#include <libaio.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/loop.h"
#include "lib/work.h"
#include "tapdisk/channel.h"
#include "tapdisk/driver.h"
#include "tapdisk/io.h"
#include "tapdisk/vbd.h"
#include "tests/lib/front.h"
#include "tests/lib/xen-fake.h"
#include "xenio/blkif.h"

#define PAGE   4096u
#define SIZE   (64u << 20)
#define DEPTH  32u
#define GUEST  1
#define ROUNDS 5
#define COUNT  20000u /* requests a round */

extern const struct transport xenio_transport;

/* The server's, in memory that both share. */
struct counts {
	unsigned long calls;
	unsigned long copies;
	unsigned long submits;
	unsigned long batches; /* of answers */
	unsigned long ready;
};

static struct counts *counts; /* NULL where nothing is to be counted */

#define COUNT_CALLS(name, ret, params, args)                                   \
	ret name params;                                                       \
	ret name params                                                        \
	{                                                                      \
		static ret(*real) params;                                      \
		if (!real)                                                     \
			real = (ret(*) params)dlsym(RTLD_NEXT, #name);         \
		if (counts)                                                    \
			counts->calls++;                                       \
		return real args;                                              \
	}

COUNT_CALLS(epoll_wait, int, (int e, struct epoll_event *v, int n, int t),
	    (e, v, n, t));
COUNT_CALLS(epoll_pwait2, int,
	    (int e, struct epoll_event *v, int n, const struct timespec *t,
	     const sigset_t *s),
	    (e, v, n, t, s));
COUNT_CALLS(epoll_ctl, int, (int e, int op, int fd, struct epoll_event *v),
	    (e, op, fd, v));
COUNT_CALLS(read, ssize_t, (int fd, void *p, size_t n), (fd, p, n));
COUNT_CALLS(write, ssize_t, (int fd, const void *p, size_t n), (fd, p, n));
COUNT_CALLS(pread, ssize_t, (int fd, void *p, size_t n, off_t o),
	    (fd, p, n, o));
COUNT_CALLS(pwrite, ssize_t, (int fd, const void *p, size_t n, off_t o),
	    (fd, p, n, o));
/* Whoever gives fewer passes what lies there, as libc's own does. */
long syscall(long n, ...)
{
	static long (*real)(long n, ...);
	long a[6];
	va_list args;
	unsigned i;

	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	if (counts)
		counts->calls++;
	va_start(args, n);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	return real(n, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Comes by syscall() as well; each is a batch of requests. */
int io_submit(io_context_t c, long n, struct iocb **v);
int io_submit(io_context_t c, long n, struct iocb **v)
{
	static int (*real)(io_context_t c, long n, struct iocb **v);

	if (!real)
		real = (int (*)(io_context_t, long, struct iocb **))dlsym(
			RTLD_NEXT, "io_submit");
	if (counts)
		counts->submits++;
	return real(c, n, v);
}

static char dir[] = "/tmp/bench-ring.XXXXXX";
static char image[64];
static pid_t server;

static void clean(void)
{
	if (server) {
		(void)kill(server, SIGKILL); /* may be gone */
		(void)waitpid(server, NULL, 0);
	}
	(void)unlink(image); /* may not be there */
	(void)rmdir(dir);    /* is temporary */
}

static void give_up(const char *why)
{
	(void)fprintf(stderr, "bench-ring: %s: %s\n", why, strerror(errno));
	exit(1);
}

static void fill_image(void)
{
	static unsigned char buf[1 << 20];
	FILE *f = fopen(image, "w");
	unsigned i, j;

	if (!f)
		give_up(image);
	for (i = 0; i < SIZE / sizeof(buf); i++) {
		for (j = 0; j < sizeof(buf); j++)
			buf[j] = (unsigned char)(random() >> 7);
		if (fwrite(buf, sizeof(buf), 1, f) != 1)
			give_up(image);
	}
	if (fflush(f) || fsync(fileno(f)) || fclose(f))
		give_up(image);
}

/* --- the server ---------------------------------------------------------- */

static struct {
	struct vbd_call call;
	struct loop *loop;
	struct vbd *vbd;
	struct xen_fake *fake;
	struct blkif_connect connect;
	struct front *front;
	struct counts *counts;
	int (*copy)(struct xen *xen, struct xen_copy *pieces, unsigned count);
} s;

static int counted_copy(struct xen *xen, struct xen_copy *pieces, unsigned n)
{
	s.counts->copies++;
	return s.copy(xen, pieces, n);
}

static void counted_flush(struct channel *ch)
{
	uint32_t before = front_get(s.front, FRONT_RSP_PROD);

	xenio_transport.flush(ch);
	if (front_get(s.front, FRONT_RSP_PROD) != before)
		s.counts->batches++;
}

static void opened(struct vbd_call *call, const struct err *err)
{
	static struct transport tr;
	struct channel *ch;
	struct err e = *err;

	(void)call;
	tr = xenio_transport;
	tr.flush = counted_flush;
	if (e.code || channel_open(&ch, s.vbd, &tr, "bench", &s.connect, &e)) {
		(void)fprintf(stderr, "bench-ring: %s\n", e.msg);
		_exit(1);
	}
	s.counts->ready = 1;
	counts = s.counts;
}

static void serve(struct counts *shared, struct front *front)
{
	struct vbd_open open;
	struct vbd_env env = { .in_flight = VBD_IN_FLIGHT_DEFAULT };
	struct xen *xen = xen_fake_xen(s.fake);
	char spec[80];
	struct err err;

	memset(&open, 0, sizeof(open));
	(void)snprintf(spec, sizeof(spec), "raw:%s", image);
	open.spec = spec;
	s.counts = shared;
	s.front = front;
	s.copy = xen->copy;
	s.call.done = opened;
	xen->copy = counted_copy;
	xen_fake_syscalls(s.fake, true);
	if (loop_new(&s.loop, &err) || io_new(&env.io, s.loop, NULL, 512, &err))
		_exit(1);
	env.loop = s.loop;
	if (work_new(&env.work, s.loop, 2, &err) ||
	    vbd_new(&s.vbd, &env, 0, &err) ||
	    blkif_new(&s.connect.blkif, s.loop, xen, &err))
		_exit(1);
	vbd_open(s.vbd, &open, &s.call);
	loop_run(s.loop);
	_exit(0);
}

/* --- the guest ----------------------------------------------------------- */

static uint64_t any_sector(void)
{
	return (uint64_t)random() % (SIZE / PAGE) * (PAGE / 512);
}

/* Keep depth requests out until so many were answered. */
static void drive(struct front *f, unsigned depth, unsigned op, unsigned left)
{
	unsigned out = 0;
	uint8_t got;
	int16_t status;
	uint64_t id;

	for (id = 0; id < depth && left; id++, left--, out++)
		(void)front_req(f, op, id, any_sector(), 1, (uint32_t)id + 1);
	while (out) {
		if (front_push(f))
			xen_fake_kick(s.fake, s.connect.port);
		if (!front_arm(f) &&
		    !xen_fake_wait(s.fake, s.connect.port, 10000))
			give_up("the server is silent");
		while (front_answer(f, &id, &got, &status)) {
			if (status || got != op)
				give_up("a request failed");
			out--;
			if (!left)
				continue;
			left--;
			out++;
			(void)front_req(f, op, id, any_sector(), 1,
					(uint32_t)id + 1);
		}
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void rounds(struct counts *c, struct front *f, unsigned depth,
		   unsigned op)
{
	double calls[ROUNDS], copies[ROUNDS], iops[ROUNDS], batch;
	struct timespec a, b;
	const char *name = op ? ".write" : "";
	struct counts was;
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		drive(f, depth, op, COUNT / 10); /* warm */
		was = *c;
		(void)clock_gettime(CLOCK_MONOTONIC, &a); /* cannot fail */
		drive(f, depth, op, COUNT);
		(void)clock_gettime(CLOCK_MONOTONIC, &b); /* cannot fail */
		calls[i] = (double)(c->calls - was.calls) / COUNT;
		batch = (double)(op ? c->submits - was.submits
				    : c->batches - was.batches);
		copies[i] = (double)(c->copies - was.copies) / batch;
		iops[i] = COUNT / ((double)(b.tv_sec - a.tv_sec) +
				   (double)(b.tv_nsec - a.tv_nsec) / 1e9);
	}
	qsort(calls, ROUNDS, sizeof(*calls), compare);
	qsort(copies, ROUNDS, sizeof(*copies), compare);
	qsort(iops, ROUNDS, sizeof(*iops), compare);
	printf("bench ring.4k.qd%u%s.syscalls_per_req %.2f calls\n", depth,
	       name, calls[ROUNDS / 2]);
	printf("bench ring.4k.qd%u%s.copies_per_batch %.2f calls\n", depth,
	       name, copies[ROUNDS / 2]);
	printf("bench ring.4k.qd%u%s.iops %.0f 1/s\n", depth, name,
	       iops[ROUNDS / 2]);
}

int main(void)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	struct front f;
	struct counts *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned i;

	/* To name drivers here is what makes the linker look for them. */
	if (c == MAP_FAILED || !drivers[0] || !mkdtemp(dir))
		give_up(dir);
	(void)snprintf(image, sizeof(image), "%s/image", dir);
	(void)atexit(clean); /* else a file is left */
	fill_image();
	s.fake = xen_fake_new();
	xen_fake_domain(s.fake, GUEST, DEPTH + 1);
	for (i = 0; i <= DEPTH; i++)
		xen_fake_grant(s.fake, GUEST, i, i, true);
	front_init(&f, &front_layouts[1], xen_fake_memory(s.fake, GUEST), PAGE);
	s.connect.domid = GUEST;
	s.connect.proto = f.l->proto;
	s.connect.port = xen_fake_port(s.fake, GUEST);
	s.connect.journal_fd = -1;
	server = fork();
	if (server < 0)
		give_up("fork");
	if (!server) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a courtesy */
		serve(c, &f);
	}
	for (i = 0; !__atomic_load_n(&c->ready, __ATOMIC_ACQUIRE); i++) {
		if (i == 10000)
			give_up("the server does not come up");
		(void)nanosleep(&ms, NULL); /* may be cut short */
	}
	rounds(c, &f, DEPTH, 0);
	rounds(c, &f, DEPTH, 1);
	rounds(c, &f, 1, 0);
	return 0;
}
