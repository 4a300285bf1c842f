/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-vhd-util.c - how long people wait for vhd-util, and for its peers.
 *
 *	vhd.coalesce.cp_ratio	speed of coalescing a full child to that of
 *				cp --reflink=never of the same bytes; both
 *				with what it takes to reach the disk
 *	vhd.coalesce.qemu_ratio	to that of qemu-img commit of the same data
 *	vhd.check.2tib		check of a full 2 TiB image, data sparse
 *	vhd.scan.1000		scan -f of 1000 images, warm
 *	vhd.create.2tib		create of 2 TiB, and qemu-img's of the same
 *	vhd.snapshot.2tib	snapshot of it
 *
 * Files lie in $TMPDIR or /tmp. BENCH_MIB is how much is coalesced: 4096, or
 * 512 where there is no room for four times that, or what is given. Sides
 * take turns; each figure is the median of three.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/parse.h"
#include "vhd/data.h"
#include "vhd/format.h"
#include "vhd/image.h"

#define MIB    (1u << 20)
#define ROUNDS 3
#define IMAGES 1000

extern char **environ;

static char folder[256], util[512];

static void die(const char *what)
{
	(void)fprintf(stderr, "bench-vhd-util: %s\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Seconds a command takes, with the disk's; it must succeed. */
static double timed(const char *cmd)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)cmd, NULL };
	double start = now();
	int status;
	pid_t pid;

	if (posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) ||
	    waitpid(pid, &status, 0) < 0 || status)
		die(cmd);
	return now() - start;
}

__attribute__((format(printf, 1, 2))) static double run(const char *fmt, ...)
{
	char cmd[2048];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return timed(cmd);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double t[ROUNDS])
{
	qsort(t, ROUNDS, sizeof(*t), by_value);
	return t[ROUNDS / 2];
}

static bool have_qemu(void)
{
	return !system("command -v qemu-img >/dev/null 2>&1");
}

/* A parent with a child full of noise, for us and for qemu-img. */
static void make_chain(unsigned mib)
{
	run("rm -f p.vhd c.vhd; %s create -n p.vhd -s %u && "
	    "%s snapshot -n c.vhd -p p.vhd && %s fill -n c.vhd >/dev/null",
	    util, mib, util, util);
}

static void bench_coalesce(unsigned mib)
{
	double ours[ROUNDS], cp[ROUNDS], qemu[ROUNDS];
	bool others = have_qemu();

	for (unsigned i = 0; i < ROUNDS; i++) {
		make_chain(mib);
		run("sync");
		ours[i] = run("%s coalesce -n c.vhd >/dev/null", util);
		run("rm -f p.vhd copy; sync");
		cp[i] = run("cp --reflink=never c.vhd copy && sync copy");
		run("rm -f c.vhd copy; sync");
		if (!others)
			continue;
		run("rm -f b.q d.q; qemu-img create -q -f qcow2 b.q %uM && "
		    "qemu-img create -q -f qcow2 -b b.q -F qcow2 d.q && "
		    "for o in $(seq 0 128 %u); do "
		    "qemu-io -f qcow2 -c \"write -P 7 ${o}M 128M\" d.q "
		    ">/dev/null || exit; done && sync",
		    mib, mib - 128);
		qemu[i] = run("qemu-img commit -q d.q && sync b.q");
		run("rm -f b.q d.q");
	}
	printf("bench vhd.coalesce.mib %u MiB\n", mib);
	printf("bench vhd.coalesce.mib_per_s %.0f MiB/s\n", mib / median(ours));
	printf("bench vhd.coalesce.cp_mib_per_s %.0f MiB/s\n",
	       mib / median(cp));
	printf("bench vhd.coalesce.cp_ratio %.2f ratio\n",
	       median(cp) / median(ours));
	if (!others)
		return;
	printf("bench vhd.coalesce.qemu_mib_per_s %.0f MiB/s\n",
	       mib / median(qemu));
	printf("bench vhd.coalesce.qemu_ratio %.2f ratio\n",
	       median(qemu) / median(ours));
}

/* Every block has its place; none has data. */
static void fill_table(const char *name)
{
	struct vhd_files *files = vhd_files_local();
	struct err err = { 0 };
	struct vhd_io *io;
	struct vhd *vhd;
	uint64_t map, data;

	if (files->open(files, &io, name, VHD_FILES_WRITE, &err) ||
	    vhd_open(&vhd, io, true, &err))
		die(err.msg);
	for (uint32_t b = 0; b < vhd_blocks(vhd); b++) {
		if (vhd_place(vhd, &map, &data))
			die("no place");
		vhd_bat_set(vhd, b, map);
	}
	if (vhd_footer_move(vhd, vhd_end(vhd), &err) ||
	    vhd_bat_write(vhd, &err))
		die(err.msg);
	vhd_close(vhd);
	io->close(io);
}

static void bench_large(void)
{
	double create[ROUNDS], qemu[ROUNDS], snap[ROUNDS], check[ROUNDS];
	bool others = have_qemu();

	for (unsigned i = 0; i < ROUNDS; i++) {
		run("rm -f *.vhd");
		create[i] = run("%s create -n l.vhd -s 2088960", util);
		snap[i] = run("%s snapshot -n s.vhd -p l.vhd", util);
		if (others)
			qemu[i] = run("qemu-img create -q -f vpc q.vhd 2040G");
		fill_table("l.vhd");
		check[i] = run("%s check -n l.vhd >/dev/null", util);
	}
	printf("bench vhd.create.2tib %.1f ms\n", median(create) * 1e3);
	if (others)
		printf("bench vhd.create.2tib.qemu %.1f ms\n",
		       median(qemu) * 1e3);
	printf("bench vhd.snapshot.2tib %.1f ms\n", median(snap) * 1e3);
	printf("bench vhd.check.2tib %.0f ms\n", median(check) * 1e3);
}

static void bench_scan(void)
{
	double t[ROUNDS];

	run("rm -f *.vhd; %s create -n p.vhd -s 1024", util);
	for (unsigned i = 1; i < IMAGES; i++) {
		char cmd[1024];

		(void)snprintf(cmd, sizeof(cmd),
			       "%s snapshot -n s%u.vhd -p p.vhd", util, i);
		(void)timed(cmd);
	}
	for (unsigned i = 0; i < ROUNDS; i++)
		t[i] = run("%s scan -f -m '*.vhd' | grep -c ^vhd= >/dev/null",
			   util);
	printf("bench vhd.scan.1000 %.0f ms\n", median(t) * 1e3);
	for (unsigned i = 0; i < ROUNDS; i++)
		t[i] = run("%s scan -m '*.vhd' >/dev/null", util);
	printf("bench vhd.scan.1000.parents %.0f ms\n", median(t) * 1e3);
}

/* Parent, child, copy, and what the file system wants for itself. */
static uint64_t most(const char *dir)
{
	struct statvfs st;
	uint64_t mib = 4096;

	if (statvfs(dir, &st) ||
	    (uint64_t)st.f_bavail * st.f_frsize / MIB < 4 * mib)
		mib = 512;
	return mib;
}

int main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR"), *mib = getenv("BENCH_MIB");
	uint64_t size;
	char *self = realpath(argv[0], NULL), *end;

	(void)argc;
	size = most(tmp ? tmp : "/tmp");
	/* build/tests/bench/bench-vhd-util: the program is in build/bin. */
	for (unsigned i = 0; self && i < 3; i++) {
		end = strrchr(self, '/');
		if (end)
			*end = '\0';
	}
	if (!self || (mib && parse_uint(&size, mib, 128, 1 << 20)))
		die("BENCH_MIB");
	(void)snprintf(util, sizeof(util), "%s/bin/vhd-util", self);
	free(self);
	(void)snprintf(folder, sizeof(folder), "%s/bench-vhd.XXXXXX",
		       tmp ? tmp : "/tmp");
	if (!mkdtemp(folder) || chdir(folder))
		die(folder);
	bench_coalesce((unsigned)size);
	bench_large();
	bench_scan();
	run("rm -rf '%s'", folder);
	return 0;
}
