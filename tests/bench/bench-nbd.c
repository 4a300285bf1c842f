/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-nbd.c - what 4 KiB reads over NBD cost, beside qemu-nbd and nbdkit.
 *
 * One raw image, filled and in the page cache; three servers on it, each
 * through the page cache; fio's nbd engine at queue depth 32, the servers in
 * turn, ROUNDS times; ratios are of medians.  Then the same with O_DIRECT on
 * both sides, against qemu-nbd --cache=none --aio=native.
 *
 * System calls are counted where our server makes them, by functions of libc
 * and libaio put in front of the real ones: a tracer would slow the server
 * down, and a slow server's batches are larger.
 */
#include <dlfcn.h>
#include <errno.h>
#include <libaio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/loop.h"
#include "lib/work.h"
#include "tapdisk/driver.h"
#include "tapdisk/io.h"
#include "tapdisk/nbd-listen.h"
#include "tapdisk/vbd.h"

#define SIZE   (256u << 20)
#define ROUNDS 5
#define TEXT   512

/* Calls of our server, in memory it shares with us; NULL in other processes. */
static unsigned long *calls;

#define COUNT(name, ret, params, args)                                         \
	ret name params;                                                       \
	ret name params                                                        \
	{                                                                      \
		static ret(*real) params;                                      \
		if (!real)                                                     \
			real = (ret(*) params)dlsym(RTLD_NEXT, #name);         \
		if (calls)                                                     \
			++*calls;                                              \
		return real args;                                              \
	}

COUNT(epoll_wait, int, (int e, struct epoll_event *v, int n, int t),
      (e, v, n, t));
COUNT(epoll_pwait2, int,
      (int e, struct epoll_event *v, int n, const struct timespec *t,
       const sigset_t *m),
      (e, v, n, t, m));
COUNT(epoll_ctl, int, (int e, int op, int fd, struct epoll_event *v),
      (e, op, fd, v));
COUNT(recvmsg, ssize_t, (int fd, struct msghdr *m, int f), (fd, m, f));
COUNT(sendmsg, ssize_t, (int fd, const struct msghdr *m, int f), (fd, m, f));
COUNT(read, ssize_t, (int fd, void *p, size_t n), (fd, p, n));
COUNT(write, ssize_t, (int fd, const void *p, size_t n), (fd, p, n));
COUNT(io_submit, int, (io_context_t c, long n, struct iocb **v), (c, n, v));
COUNT(io_getevents, int,
      (io_context_t c, long m, long n, struct io_event *v, struct timespec *t),
      (c, m, n, v, t));

static char dir[] = "/tmp/bench-nbd.XXXXXX";
static pid_t servers[8];
static unsigned server_count;

static void clean(void)
{
	static const char *const names[] = { "image", "qemu", "kit",
					     "qemu-direct" };
	char path[TEXT];
	unsigned i;

	for (i = 0; i < server_count; i++) {
		(void)kill(servers[i], SIGTERM); /* may be gone */
		(void)waitpid(servers[i], NULL, 0);
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path); /* may not be there */
	}
	(void)rmdir(dir); /* is temporary */
}

static void give_up(const char *why)
{
	(void)fprintf(stderr, "bench-nbd: %s: %s\n", why, strerror(errno));
	exit(1);
}

static void fill_image(const char *path)
{
	static unsigned char buf[1 << 20];
	FILE *f = fopen(path, "w");
	unsigned i, j;

	if (!f)
		give_up(path);
	for (i = 0; i < SIZE / sizeof(buf); i++) {
		for (j = 0; j < sizeof(buf); j++)
			buf[j] = (unsigned char)(random() >> 7);
		if (fwrite(buf, sizeof(buf), 1, f) != 1)
			give_up(path);
	}
	if (fflush(f) || fsync(fileno(f)) || fclose(f))
		give_up(path);
}

/* --- our server ---------------------------------------------------------- */

struct ours {
	struct vbd_call call;
	struct loop *loop;
	struct vbd *vbd;
	struct nbd_listen *listen;
};

static void opened(struct vbd_call *call, const struct err *err)
{
	struct ours *o = (struct ours *)(void *)call;
	struct err e = *err;

	if (e.code || nbd_listen_new(&o->listen, o->vbd, dir, getpid(), &e)) {
		(void)fprintf(stderr, "bench-nbd: %s\n", e.msg);
		_exit(1);
	}
}

static struct nbd_listen *listening;

static void leave(int sig)
{
	(void)sig;
	/* Only its unlink() and close() matter here. */
	nbd_listen_free(listening); /* NOLINT(bugprone-signal-handler) */
	_exit(0);
}

static void serve(const char *spec, bool cached, unsigned long *counter)
{
	struct vbd_open open = { .spec = spec, .cached = cached };
	struct ours o = { .call.done = opened };
	struct vbd_env env = { .in_flight = VBD_IN_FLIGHT_DEFAULT };
	struct err err;

	if (loop_new(&o.loop, &err) || io_new(&env.io, o.loop, NULL, 512, &err))
		_exit(1);
	env.loop = o.loop;
	if (work_new(&env.work, o.loop, 2, &err) ||
	    vbd_new(&o.vbd, &env, cached, &err))
		_exit(1);
	vbd_open(o.vbd, &open, &o.call);
	while (!o.listen)
		(void)loop_turn(o.loop); /* until it is open */
	listening = o.listen;
	calls = counter;
	loop_run(o.loop);
	_exit(0);
}

/* Fork ours; its socket's path is in sock. */
static void start_ours(char *sock, const char *spec, bool cached,
		       unsigned long *counter)
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork");
	if (!pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* a courtesy */
		(void)signal(SIGTERM, leave);
		server_count = 0;
		serve(spec, cached, counter);
	}
	servers[server_count++] = pid;
	(void)snprintf(sock, TEXT, "%s/nbd%d.%d", dir, (int)pid, cached);
}

static void start_other(const char *const *argv)
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork");
	if (!pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* a courtesy */
		server_count = 0;
		(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	servers[server_count++] = pid;
}

static void wait_for(const char *sock)
{
	struct timespec ms = { .tv_nsec = 1000000 };
	int i;

	for (i = 0; access(sock, F_OK); i++) {
		if (i == 10000)
			give_up(sock);
		(void)nanosleep(&ms, NULL); /* may be cut short */
	}
}

/* --- rounds -------------------------------------------------------------- */

/* fio's reads a second; *requests, how many they were. */
static double fio(const char *sock, double *requests)
{
	char cmd[2 * TEXT], line[4096], *field, *rest;
	double iops = -1, kib = 0;
	FILE *out;
	int i;

	(void)snprintf(cmd, sizeof(cmd),
		       "fio --name=r --ioengine=nbd --rw=randread --bs=4k "
		       "--uri='nbd+unix:///?socket=%s' --size=%u --iodepth=32 "
		       "--runtime=2 --time_based --output-format=terse 2>&1",
		       sock, SIZE);
	out = popen(cmd, "r");
	if (!out)
		give_up("fio");
	while (fgets(line, sizeof(line), out)) {
		rest = line;
		for (i = 1; line[0] == '3' && (field = strsep(&rest, ";"));
		     i++) {
			if (i == 6)
				kib = strtod(field, NULL);
			if (i == 8)
				iops = strtod(field, NULL);
		}
	}
	(void)pclose(out); /* what it printed tells */
	if (iops <= 0)
		give_up("fio");
	*requests = kib / 4;
	return iops;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), compare);
	return v[ROUNDS / 2];
}

/* Each socket in turn, ROUNDS times; the first is ours. */
static void rounds(char sock[][TEXT], int count, double *iops,
		   unsigned long *counter, double *calls_per_req)
{
	double all[3][ROUNDS], cost[ROUNDS], requests;
	unsigned long before;
	int i, j;

	for (i = 0; i < ROUNDS; i++) {
		for (j = 0; j < count; j++) {
			before = *counter;
			all[j][i] = fio(sock[j], &requests);
			if (!j)
				cost[i] =
					(double)(*counter - before) / requests;
		}
	}
	for (j = 0; j < count; j++)
		iops[j] = median(all[j]);
	*calls_per_req = median(cost);
}

static void direct(const char *image, const char *spec, unsigned long *counter)
{
	char sock[2][TEXT];
	const char *qemu[] = { "qemu-nbd",     "-t",           "-e",  "4",
			       "-f",           "raw",          "-k",  sock[1],
			       "--cache=none", "--aio=native", image, NULL };
	double iops[2], cost;

	(void)snprintf(sock[1], TEXT, "%s/qemu-direct", dir);
	start_ours(sock[0], spec, false, counter);
	start_other(qemu);
	wait_for(sock[0]);
	wait_for(sock[1]);
	rounds(sock, 2, iops, counter, &cost);
	printf("bench nbd.4k.qd32.direct.iops %.0f 1/s\n", iops[0]);
	printf("bench nbd.4k.qd32.direct.syscalls_per_req %.2f calls\n", cost);
	printf("bench nbd.4k.qd32.direct.iops_vs_qemu %.2f ratio\n",
	       iops[0] / iops[1]);
}

static void cached(const char *image, const char *spec, unsigned long *counter)
{
	char sock[3][TEXT];
	const char *qemu[] = { "qemu-nbd", "-t", "-e",    "4",   "-f",
			       "raw",      "-k", sock[1], image, NULL };
	const char *kit[] = {
		"nbdkit", "-f", "-U", sock[2], "file", image, NULL
	};
	double iops[3], cost;

	(void)snprintf(sock[1], TEXT, "%s/qemu", dir);
	(void)snprintf(sock[2], TEXT, "%s/kit", dir);
	start_ours(sock[0], spec, true, counter);
	start_other(qemu);
	start_other(kit);
	wait_for(sock[0]);
	wait_for(sock[1]);
	wait_for(sock[2]);
	rounds(sock, 3, iops, counter, &cost);
	printf("bench nbd.4k.qd32.iops %.0f 1/s\n", iops[0]);
	printf("bench nbd.4k.qd32.syscalls_per_req %.2f calls\n", cost);
	printf("bench nbd.4k.qd32.iops_vs_qemu %.2f ratio\n",
	       iops[0] / iops[1]);
	printf("bench nbd.4k.qd32.iops_vs_nbdkit %.2f ratio\n",
	       iops[0] / iops[2]);
}

int main(void)
{
	unsigned long *counter =
		mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char image[TEXT], spec[TEXT + 8];

	/* To name drivers here is what makes the linker look for them. */
	if (counter == MAP_FAILED || !drivers[0] || !mkdtemp(dir))
		give_up(dir);
	(void)atexit(clean); /* else a directory is left */
	(void)snprintf(image, sizeof(image), "%s/image", dir);
	(void)snprintf(spec, sizeof(spec), "raw:%s", image);
	(void)setvbuf(stdout, NULL, _IOLBF, 0); /* children print nothing */
	fill_image(image);
	cached(image, spec, counter);
	clean();
	server_count = 0;
	if (mkdir(dir, 0700))
		give_up(dir);
	fill_image(image);
	direct(image, spec, counter);
	return 0;
}
