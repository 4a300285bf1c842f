/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stress.c - writers that verify, while their tapdisk is killed again and
 * again: nothing may fail, and nothing may be lost.
 *
 * stress SECONDS; speaks TAP. The disk is memory that all processes share.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/kmod/tap.h"
#include "tests/kmod/user.h"

#define SIZE    (16u << 20)
#define MIB     (1u << 20)
#define WRITERS 4u
#define REGION  (SIZE / WRITERS)
#define MOST    (128u << 10) /* of most transfers; of others, a MiB */

struct shared {
	volatile bool stop_writers;
	volatile bool stop_server;
	volatile uint64_t transfers[WRITERS];
	uint8_t disk[SIZE] __attribute__((aligned(4096)));
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/* Ask for large requests, as every second tapdisk does; 0 or the window. */
static size_t ask_large(struct tap *tap, unsigned nr)
{
	struct abi_large large = { ABI_LARGE_VERSION, ABI_LARGE_BYTES,
				   nr % 4 ? MIB : 4 * MIB, 0 };

	if (nr % 2 || tap_ioctl(tap->fd, ABI_LARGE, (unsigned long)&large))
		return 0;
	return large.window;
}

/* What the nr-th tapdisk does; comes back only when told to. */
static int server(struct tap *tap, struct shared *sh, unsigned nr)
{
	int err = tap_open(tap);

	if (!err)
		err = tap_map_large(tap, ask_large(tap, nr));
	if (!err)
		err = tap_create(tap, SIZE / 512, 512, ABI_FLUSH | ABI_TRIM);
	if (err && err != -EEXIST)
		return 1;
	tap_serve(tap, sh->disk, SIZE, &sh->stop_server);
	return 0;
}

/* Write a pattern somewhere in the region, read it back, compare. */
static int write_once(int fd, uint8_t *buf, uint8_t *back, unsigned region)
{
	uint32_t seed = (uint32_t)random();
	size_t most = seed % 8 ? MOST : MIB;
	size_t len = (1 + seed / 8 % (most / 512)) * 512;
	off_t off = (off_t)region * REGION +
		    (off_t)(random() % ((REGION - len) / 512)) * 512;

	for (size_t i = 0; i < len; i += 4)
		memcpy(buf + i, &(uint32_t){ seed + (uint32_t)i }, 4);
	if (pwrite(fd, buf, len, off) != (ssize_t)len)
		return errno ? errno : EIO;
	if (pread(fd, back, len, off) != (ssize_t)len)
		return errno ? errno : EIO;
	return memcmp(buf, back, len) ? EBADMSG : 0;
}

static int writer(struct tap *tap, struct shared *sh, unsigned region)
{
	uint8_t *buf = NULL, *back = NULL;
	int fd = open(tap->disk_node, O_RDWR | O_DIRECT | O_CLOEXEC);
	int err = fd < 0 ? errno : 0;

	srandom(region + 1);
	if (posix_memalign((void **)&buf, 4096, MIB) ||
	    posix_memalign((void **)&back, 4096, MIB))
		return ENOMEM;
	while (!err && !sh->stop_writers) {
		err = write_once(fd, buf, back, region);
		sh->transfers[region]++;
	}
	return err;
}

/* Opens and closes, and reads what can be read, all the while. */
static int visitor(struct tap *tap, struct shared *sh)
{
	char text[4096];

	while (!sh->stop_writers) {
		int fd = open(tap->disk_node, O_RDONLY | O_CLOEXEC);

		if (fd >= 0)
			close(fd);
		tap_sysfs(tap, "debug", text, sizeof(text));
		usleep(1000);
	}
	return 0;
}

static pid_t start_server(struct tap *tap, struct shared *sh, unsigned nr)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(server(tap, sh, nr));
	return pid;
}

static int reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return 254;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static uint64_t transfers(const struct shared *sh)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < WRITERS; i++)
		sum += sh->transfers[i];
	return sum;
}

/* However slow the machine is: something went through the new server. */
static void wait_for_transfer(const struct shared *sh)
{
	uint64_t before = transfers(sh);

	for (int i = 0; i < 3000 && transfers(sh) == before; i++)
		usleep(10000);
}

static unsigned kill_for(struct tap *tap, struct shared *sh, pid_t *pid,
			 unsigned seconds)
{
	uint64_t end = now_ms() + seconds * 1000ull;
	unsigned kills = 0;

	while (now_ms() < end) {
		wait_for_transfer(sh);
		usleep(50000 + random() % 100000);
		kill(*pid, SIGKILL);
		(void)reap(*pid); /* it was killed */
		*pid = start_server(tap, sh, ++kills);
	}
	return kills;
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
	struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int control = tap_control(), err = -EBUSY;
	pid_t pid, users[WRITERS + 1];
	struct tap tap;
	unsigned kills;

	if (control < 0 || sh == MAP_FAILED || tap_alloc(&tap, control)) {
		printf("Bail out! %s\n", strerror(errno));
		return 1;
	}
	pid = start_server(&tap, sh, 0);
	user_wait_disk(tap.disk_node);
	for (unsigned i = 0; i <= WRITERS; i++) {
		users[i] = fork();
		if (!users[i])
			_exit(i < WRITERS ? writer(&tap, sh, i)
					  : visitor(&tap, sh));
	}
	kills = kill_for(&tap, sh, &pid, seconds);
	sh->stop_writers = true;
	for (unsigned i = 0; i <= WRITERS; i++) {
		int status = reap(users[i]);

		tap_check(status == 0, "user %u: %s", i, strerror(status));
	}
	tap_check(kills > 0 && transfers(sh) > kills,
		  "%llu transfers over %u kills",
		  (unsigned long long)transfers(sh), kills);
	sh->stop_server = true;
	tap_check(reap(pid) == 0, "the last server ends by itself");
	for (int i = 0; err == -EBUSY && i < 3000; i++, usleep(10000))
		err = tap_ioctl(control, ABI_FREE_TAP, tap.h.minor);
	tap_check(err == 0, "FREE takes the disk away");
	tap_done();
	return tap_failed() != 0;
}
