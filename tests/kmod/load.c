/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load.c - so many direct reads of a block device, so many at once.
 *
 * load DEVICE BYTES DEPTH COUNT random|sequential; prints nanoseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX 64

struct load {
	aio_context_t ctx;
	int fd;
	size_t bytes;
	uint64_t places;
	uint64_t next;
	bool random;
	struct iocb iocbs[DEPTH_MAX];
};

static void prepare(struct load *l, struct iocb *cb, void *buf)
{
	uint64_t place = l->random ? (uint64_t)random() : l->next++;

	memset(cb, 0, sizeof(*cb));
	cb->aio_lio_opcode = IOCB_CMD_PREAD;
	cb->aio_fildes = (uint32_t)l->fd;
	cb->aio_buf = (uintptr_t)buf;
	cb->aio_nbytes = l->bytes;
	cb->aio_offset = (int64_t)(place % l->places * l->bytes);
	cb->aio_data = (uintptr_t)cb;
}

static int submit(struct load *l, struct iocb **cbs, long n)
{
	return syscall(SYS_io_submit, l->ctx, n, cbs) == n ? 0 : -1;
}

static int run(struct load *l, unsigned depth, uint64_t count)
{
	struct io_event events[DEPTH_MAX];
	struct iocb *cbs[DEPTH_MAX];
	uint64_t asked = depth, done = 0;

	for (unsigned i = 0; i < depth; i++) {
		void *buf = NULL;

		if (posix_memalign(&buf, 4096, l->bytes))
			return -1;
		prepare(l, &l->iocbs[i], buf);
		cbs[i] = &l->iocbs[i];
	}
	if (submit(l, cbs, depth))
		return -1;
	while (done < count) {
		long n = syscall(SYS_io_getevents, l->ctx, 1, DEPTH_MAX, events,
				 NULL);
		long again = 0;

		for (long i = 0; i < n; i++) {
			struct iocb *cb = (void *)(uintptr_t)events[i].data;

			if (events[i].res != (int64_t)l->bytes)
				return -1;
			if (asked++ >= count)
				continue;
			prepare(l, cb, (void *)(uintptr_t)cb->aio_buf);
			cbs[again++] = cb;
		}
		if (n < 0 || (again && submit(l, cbs, again)))
			return -1;
		done += (uint64_t)n;
	}
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int main(int argc, char **argv)
{
	struct load l = { 0 };
	uint64_t size = 0, start;
	unsigned depth;

	if (argc != 6)
		return 2;
	l.fd = open(argv[1], O_RDONLY | O_DIRECT | O_CLOEXEC);
	l.bytes = strtoul(argv[2], NULL, 10);
	depth = (unsigned)strtoul(argv[3], NULL, 10);
	l.random = !strcmp(argv[5], "random");
	if (l.fd < 0 || ioctl(l.fd, BLKGETSIZE64, &size) || !depth ||
	    depth > DEPTH_MAX || !l.bytes || size < l.bytes ||
	    syscall(SYS_io_setup, DEPTH_MAX, &l.ctx)) {
		perror(argv[1]);
		return 1;
	}
	l.places = size / l.bytes;
	start = now_ns();
	if (run(&l, depth, strtoul(argv[4], NULL, 10))) {
		perror("I/O");
		return 1;
	}
	printf("%llu\n", (unsigned long long)(now_ns() - start));
	return 0;
}
