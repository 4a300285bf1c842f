/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io_test.c - the same suite for every I/O engine, and what libaio does with
 * a turn's requests.
 *
 * io_submit() of libaio is taken over here, to count its calls and to let it
 * have no room.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "tapdisk/io.h"

#define REQS  128
#define BLOCK 4096u

static struct {
	unsigned calls;
	long most;  /* iocbs that a call takes */
	long iocbs; /* that were taken */
	unsigned refuse;
} kernel;

int io_submit(io_context_t ctx, long n, struct iocb **list)
{
	long ret;

	kernel.calls++;
	if (kernel.refuse) {
		kernel.refuse--;
		return -EAGAIN;
	}
	if (n > kernel.most)
		n = kernel.most;
	ret = syscall(SYS_io_submit, ctx, n, list);
	if (ret > 0)
		kernel.iocbs += ret;
	return ret < 0 ? -errno : (int)ret;
}

struct rig {
	const char *engine;
	struct loop *loop;
	struct io *io;
	int fd;
	unsigned left;
	struct req req[REQS];
	struct iovec iov[REQS];
	uint8_t *buf; /* BLOCK bytes for each */
};

static struct rig *rig;

static void answered(struct req *req)
{
	(void)req;
	if (--rig->left == 0)
		loop_stop(rig->loop);
}

static void start(unsigned n)
{
	rig->left = n;
	for (unsigned i = 0; i < n; i++) {
		rig->req[i].loop = rig->loop;
		rig->req[i].done = answered;
		rig->req[i].answer.run = NULL;
		io_start(rig->io, rig->fd, &rig->req[i]);
	}
	loop_run(rig->loop);
	assert_int_equal(rig->left, 0);
}

/* Request i moves its block of the buffer, to or from off. */
static void fill(unsigned i, enum req_op op, uint64_t off)
{
	rig->iov[i].iov_base = rig->buf + (size_t)i * BLOCK;
	rig->iov[i].iov_len = BLOCK;
	rig->req[i] = (struct req){ .op = op,
				    .off = off,
				    .len = BLOCK,
				    .iov = &rig->iov[i],
				    .iovcnt = 1 };
}

static int one(enum req_op op, uint64_t off, uint64_t len)
{
	rig->req[0] = (struct req){ .op = op, .off = off, .len = len };
	start(1);
	return rig->req[0].err;
}

static void rig_depth(unsigned depth)
{
	struct err err = { 0 };

	io_free(rig->io);
	rig->io = NULL;
	if (io_new(&rig->io, rig->loop, rig->engine, depth, &err))
		fail_msg("%s", err.msg);
}

static int up(void **state)
{
	memset(&kernel, 0, sizeof(kernel));
	kernel.most = REQS;
	rig = calloc(1, sizeof(*rig));
	rig->engine = *state;
	rig->buf = aligned_alloc(4096, (size_t)REQS * BLOCK);
	memset(rig->buf, 0, (size_t)REQS * BLOCK);
	rig->fd = memfd_create("io", MFD_CLOEXEC);
	assert_int_equal(ftruncate(rig->fd, (off_t)REQS * BLOCK), 0);
	assert_int_equal(loop_new(&rig->loop, NULL), 0);
	rig_depth(REQS);
	return 0;
}

static int down(void **state)
{
	(void)state;
	io_free(rig->io);
	loop_free(rig->loop);
	close(rig->fd);
	free(rig->buf);
	free(rig);
	return 0;
}

static void write_all(unsigned stride)
{
	for (unsigned i = 0; i < REQS; i++) {
		memset(rig->buf + (size_t)i * BLOCK, i + 1, BLOCK);
		fill(i, REQ_WRITE, (uint64_t)i * stride);
	}
	start(REQS);
	for (unsigned i = 0; i < REQS; i++)
		assert_int_equal(rig->req[i].err, 0);
}

static void read_all(unsigned stride)
{
	memset(rig->buf, 0, (size_t)REQS * BLOCK);
	for (unsigned i = 0; i < REQS; i++)
		fill(i, REQ_READ, (uint64_t)i * stride);
	start(REQS);
	for (unsigned i = 0; i < REQS; i++) {
		assert_int_equal(rig->req[i].err, 0);
		assert_int_equal(rig->buf[(size_t)i * BLOCK], i + 1);
		assert_int_equal(rig->buf[(size_t)i * BLOCK + BLOCK - 1],
				 i + 1);
	}
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	write_all(BLOCK);
	read_all(BLOCK);
	write_all(3 * BLOCK);
	read_all(3 * BLOCK);
}

static void more_than_the_depth_waits_its_turn(void **state)
{
	(void)state;
	rig_depth(4);
	write_all(2 * BLOCK);
	read_all(2 * BLOCK);
}

static void any_number_of_pieces_is_moved(void **state)
{
	struct iovec iov[300];

	(void)state;
	write_all(BLOCK);
	memset(rig->buf, 0, 301 * 512);
	for (unsigned i = 0; i < 300; i++)
		iov[i] = (struct iovec){ rig->buf + (size_t)i * 512, 512 };
	rig->req[0] = (struct req){ .op = REQ_READ,
				    .off = 1024,
				    .len = 299 * 512 - 512,
				    .iov = iov,
				    .iovcnt = 300,
				    .iov_skip = 512 };
	start(1);
	assert_int_equal(rig->req[0].err, 0);
	assert_int_equal(rig->buf[511], 0);
	for (unsigned i = 1; i < 299; i++)
		assert_int_equal(rig->buf[(size_t)i * 512],
				 (i - 1 + 2) * 512 / BLOCK + 1);
	assert_int_equal(rig->buf[(size_t)299 * 512], 0);
}

static void a_read_past_the_end_fails_alone(void **state)
{
	(void)state;
	write_all(BLOCK);
	for (unsigned i = 0; i < 3; i++)
		fill(i, REQ_READ, (uint64_t)(REQS - 2 + i) * BLOCK);
	start(3);
	assert_int_equal(rig->req[0].err, 0);
	assert_int_equal(rig->req[1].err, 0);
	assert_int_equal(rig->req[2].err, -EIO);
	assert_int_equal(rig->buf[BLOCK], REQS);
}

static void a_bad_descriptor_is_an_error(void **state)
{
	int fd = rig->fd;

	(void)state;
	rig->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fill(0, REQ_WRITE, 0);
	fill(1, REQ_WRITE, BLOCK);
	start(2);
	assert_int_equal(rig->req[0].err, -EBADF);
	assert_int_equal(rig->req[1].err, -EBADF);
	close(rig->fd);
	rig->fd = fd;
}

static void a_flush_is_answered(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		rig->req[i] = (struct req){ .op = REQ_FLUSH };
	start(3);
	assert_int_equal(rig->req[0].err | rig->req[1].err | rig->req[2].err,
			 0);
}

/* /dev/null has nothing that could be made durable, and says so. */
static void a_flush_is_the_files_to_answer(void **state)
{
	int fd = rig->fd;

	(void)state;
	rig->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	rig->req[0] = (struct req){ .op = REQ_FLUSH };
	start(1);
	assert_int_equal(rig->req[0].err, -EINVAL);
	close(rig->fd);
	rig->fd = fd;
}

static void what_is_zeroed_reads_as_zeroes(void **state)
{
	uint8_t byte[4];

	(void)state;
	write_all(BLOCK);
	assert_int_equal(one(REQ_ZERO, BLOCK, 2 * BLOCK), 0);
	assert_int_equal(pread(rig->fd, byte, 2, BLOCK - 1), 2);
	assert_int_equal(pread(rig->fd, byte + 2, 2, 3 * BLOCK - 1), 2);
	assert_memory_equal(byte, "\1\0\0\4", 4);
	rig->req[0].flags = REQ_MAY_UNMAP;
	assert_int_equal(one(REQ_ZERO, 0, BLOCK), 0);
	assert_int_equal(pread(rig->fd, byte, 1, 0), 1);
	assert_int_equal(byte[0], 0);
	assert_int_equal(one(REQ_DISCARD, 4 * BLOCK, BLOCK), 0);
}

static void a_zero_past_the_end_makes_the_file_longer(void **state)
{
	uint64_t end = (uint64_t)REQS * BLOCK;
	struct stat st;
	uint8_t byte;

	(void)state;
	write_all(BLOCK);
	assert_int_equal(one(REQ_ZERO, end - BLOCK, 1 << 20), 0);
	assert_int_equal(fstat(rig->fd, &st), 0);
	assert_int_equal(st.st_size, end - BLOCK + (1 << 20));
	assert_int_equal(pread(rig->fd, &byte, 1, end - 1), 1);
	assert_int_equal(byte, 0);
	assert_int_equal(pread(rig->fd, &byte, 1, end - BLOCK - 1), 1);
	assert_int_equal(byte, REQS - 1);
	assert_int_equal(one(REQ_RESIZE, BLOCK, 0), 0);
	assert_int_equal(fstat(rig->fd, &st), 0);
	assert_int_equal(st.st_size, BLOCK);
}

static void extents_tell_holes(void **state)
{
	struct extent ext[4];
	struct extents e = { .max = 4, .ext = ext };

	(void)state;
	fill(0, REQ_WRITE, 2 * BLOCK);
	start(1);
	rig->req[0] = (struct req){ .op = REQ_EXTENTS,
				    .len = 6 * BLOCK,
				    .extents = &e };
	start(1);
	assert_int_equal(rig->req[0].err, 0);
	assert_int_equal(e.count, 3);
	assert_int_equal(ext[0].len, 2 * BLOCK);
	assert_int_equal(ext[0].flags, EXTENT_HOLE | EXTENT_ZERO);
	assert_int_equal(ext[1].len, BLOCK);
	assert_int_equal(ext[1].flags, 0);
	assert_int_equal(ext[2].len, 3 * BLOCK);
}

static void an_unknown_engine_is_refused(void **state)
{
	struct err err = { 0 };
	struct io *io;

	(void)state;
	assert_int_equal(io_new(&io, rig->loop, "posix", 1, &err), -EINVAL);
	assert_string_equal(err.msg, "posix: no such I/O engine");
}

static void a_turn_is_one_call(void **state)
{
	(void)state;
	write_all(2 * BLOCK);
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(kernel.iocbs, REQS);
}

static void neighbours_go_together(void **state)
{
	(void)state;
	write_all(BLOCK);
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(kernel.iocbs, 1);
}

/* Guests' requests of 128 KiB, each page of which lies elsewhere. */
static void a_mebibyte_in_pages_is_one_request_of_the_kernels(void **state)
{
	struct iovec pages[32];

	(void)state;
	for (unsigned i = 0; i < 32; i++)
		pages[i] =
			(struct iovec){ rig->buf + (size_t)(31 - i) * 2 * BLOCK,
					BLOCK };
	for (unsigned i = 0; i < 12; i++)
		rig->req[i] = (struct req){ .op = REQ_WRITE,
					    .off = (uint64_t)i * 32 * BLOCK,
					    .len = (uint64_t)32 * BLOCK,
					    .iov = pages,
					    .iovcnt = 32 };
	start(12);
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(kernel.iocbs, 2); /* one of 8, one of 4 */
	assert_int_equal(rig->req[11].err, 0);
}

static void flushes_of_a_turn_are_one(void **state)
{
	(void)state;
	a_flush_is_answered(NULL);
	assert_int_equal(kernel.iocbs, 1);
}

static void what_the_kernel_has_no_room_for_waits(void **state)
{
	(void)state;
	kernel.refuse = 2;
	kernel.most = 5;
	write_all(2 * BLOCK);
	read_all(2 * BLOCK);
	assert_int_equal(kernel.iocbs, 2 * REQS);
}

#define EACH(engine, test)                                                     \
	{                                                                      \
		engine ": " #test, test, up, down, (void *)(engine)            \
	}
#define SUITE(engine)                                                          \
	EACH(engine, what_is_written_is_read),                                 \
		EACH(engine, more_than_the_depth_waits_its_turn),              \
		EACH(engine, any_number_of_pieces_is_moved),                   \
		EACH(engine, a_read_past_the_end_fails_alone),                 \
		EACH(engine, a_bad_descriptor_is_an_error),                    \
		EACH(engine, a_flush_is_answered),                             \
		EACH(engine, a_flush_is_the_files_to_answer),                  \
		EACH(engine, what_is_zeroed_reads_as_zeroes),                  \
		EACH(engine, a_zero_past_the_end_makes_the_file_longer),       \
		EACH(engine, extents_tell_holes)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE("libaio"),
		SUITE("sync"),
#ifdef WITH_URING
		SUITE("uring"),
#endif
		EACH("libaio", an_unknown_engine_is_refused),
		EACH("libaio", a_turn_is_one_call),
		EACH("libaio", neighbours_go_together),
		EACH("libaio",
		     a_mebibyte_in_pages_is_one_request_of_the_kernels),
		EACH("libaio", flushes_of_a_turn_are_one),
		EACH("libaio", what_the_kernel_has_no_room_for_waits),
	};

	return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
