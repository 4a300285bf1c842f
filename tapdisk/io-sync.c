/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io-sync.c - I/O by worker threads that wait for it.
 *
 * An engine of its own, for what asynchronous I/O cannot do, and the part of
 * the other engines that has no asynchronous call: flush where the kernel
 * does not take it, zero, discard, resize, extents.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/work.h"
#include "tapdisk/io-engine.h"

#define JOBS       32
#define PIECES     64
#define ZERO_BYTES (64u << 10)

struct io_job {
	struct job job;
	struct io *io;
	struct req *req;
	int fd;
	int err;
	struct list link;
};

/* Aligned for O_DIRECT on anything. */
static const uint8_t zeroes[ZERO_BYTES] __attribute__((aligned(4096)));

int io_flatten(struct iovec *iov, int max, const struct req *req, uint64_t skip,
	       size_t *len)
{
	uint64_t left = req->len - skip;
	int n = 0;

	*len = 0;
	skip += req->iov_skip;
	for (int i = 0; i < req->iovcnt && left && n < max; i++) {
		size_t part = req->iov[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part -= skip;
		if (part > left)
			part = left;
		iov[n].iov_base = (char *)req->iov[i].iov_base + skip;
		iov[n++].iov_len = part;
		skip = 0;
		left -= part;
		*len += part;
	}
	return n;
}

static int transfer(int fd, const struct req *req)
{
	struct iovec iov[PIECES];
	uint64_t done = 0;

	while (done < req->len) {
		size_t len;
		int n = io_flatten(iov, PIECES, req, done, &len);
		ssize_t ret = req->op == REQ_READ
				      ? preadv(fd, iov, n, req->off + done)
				      : pwritev(fd, iov, n, req->off + done);

		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return ret ? -errno : -EIO;
		done += ret;
	}
	return 0;
}

static int write_zeroes(int fd, uint64_t off, uint64_t len)
{
	while (len) {
		size_t part = len < ZERO_BYTES ? len : ZERO_BYTES;
		ssize_t ret = pwrite(fd, zeroes, part, off);

		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return ret ? -errno : -EIO;
		off += ret;
		len -= ret;
	}
	return 0;
}

static bool unsupported(int err)
{
	return err == EOPNOTSUPP || err == ENOSYS || err == ENODEV ||
	       err == ENOTTY;
}

static int zero_device(int fd, const struct req *req)
{
	uint64_t range[2] = { req->off, req->len };

	if (!ioctl(fd, BLKZEROOUT, range))
		return 0;
	if (unsupported(errno) || errno == EINVAL)
		return write_zeroes(fd, req->off, req->len);
	return -errno;
}

/*
 * Beyond the end of the file there is nothing to write: the last bytes make
 * it longer, and what lies before them is a hole. Not by ftruncate(), which
 * would cut off what another thread has appended meanwhile.
 */
static int zero_by_hand(int fd, const struct req *req, uint64_t size)
{
	uint64_t end = req->off + req->len;
	uint64_t tail = req->len < 4096 ? req->len : 4096;
	int ret = 0;

	if (req->off < size)
		ret = write_zeroes(fd, req->off,
				   (end < size ? end : size) - req->off);
	if (!ret && end > size)
		ret = write_zeroes(fd, end - tail, tail);
	return ret;
}

static int zero(int fd, const struct req *req)
{
	struct stat st;
	int mode = FALLOC_FL_ZERO_RANGE;

	if (fstat(fd, &st))
		return -errno;
	if (S_ISBLK(st.st_mode))
		return zero_device(fd, req);
	if (req->flags & REQ_MAY_UNMAP &&
	    req->off + req->len <= (uint64_t)st.st_size)
		mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	if (!fallocate(fd, mode, req->off, req->len))
		return 0;
	if (!unsupported(errno))
		return -errno;
	return zero_by_hand(fd, req, st.st_size);
}

/* A hint: what cannot do it has done enough. */
static int discard(int fd, const struct req *req)
{
	uint64_t range[2] = { req->off, req->len };
	struct stat st;
	int ret;

	if (fstat(fd, &st))
		return -errno;
	if (S_ISBLK(st.st_mode))
		ret = ioctl(fd, BLKDISCARD, range);
	else
		ret = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				req->off, req->len);
	return !ret || unsupported(errno) ? 0 : -errno;
}

/* The descriptor's own offset is moved: nothing else here uses it. */
static int extents(int fd, const struct req *req)
{
	uint64_t at = req->off, end = req->off + req->len;

	while (at < end) {
		off_t data = lseek(fd, at, SEEK_DATA);
		off_t hole;

		if (data < 0 && errno != ENXIO) {
			extents_add(req->extents, end - at, 0);
			return 0;
		}
		if (data < 0 || (uint64_t)data > end)
			data = end;
		if ((uint64_t)data > at &&
		    !extents_add(req->extents, data - at,
				 EXTENT_HOLE | EXTENT_ZERO))
			return 0;
		at = data;
		if (at == end)
			return 0;
		hole = lseek(fd, at, SEEK_HOLE);
		if (hole < 0 || (uint64_t)hole > end)
			hole = end;
		if (!extents_add(req->extents, hole - at, 0))
			return 0;
		at = hole;
	}
	return 0;
}

static int perform(int fd, const struct req *req)
{
	switch (req->op) {
	case REQ_READ:
	case REQ_WRITE:
		return transfer(fd, req);
	case REQ_FLUSH:
		return fdatasync(fd) ? -errno : 0;
	case REQ_ZERO:
		return zero(fd, req);
	case REQ_DISCARD:
		return discard(fd, req);
	case REQ_EXTENTS:
		return extents(fd, req);
	case REQ_RESIZE:
		return ftruncate(fd, req->off) ? -errno : 0;
	}
	return -EOPNOTSUPP;
}

static void job_run(struct job *j)
{
	struct io_job *job = container_of(j, struct io_job, job);

	job->err = perform(job->fd, job->req);
}

static void job_done(struct job *j)
{
	struct io_job *job = container_of(j, struct io_job, job);
	struct io *io = job->io;
	struct req *next;
	int fd;

	req_done(job->req, job->err);
	list_add_head(&io->jobs_free, &job->link);
	next = io_unpark(&io->jobs_wait, &fd);
	if (next)
		io_offload(io, fd, next);
}

void io_offload(struct io *io, int fd, struct req *req)
{
	struct list *link = list_pop(&io->jobs_free);
	struct io_job *job;

	if (!link) {
		io_park(&io->jobs_wait, fd, req);
		return;
	}
	job = container_of(link, struct io_job, link);
	job->job.run = job_run;
	job->job.done = job_done;
	job->io = io;
	job->req = req;
	job->fd = fd;
	work_submit(io->work, &job->job);
}

int io_offload_open(struct io *io, unsigned threads, struct err *err)
{
	list_init(&io->jobs_free);
	list_init(&io->jobs_wait);
	io->jobs = calloc(JOBS, sizeof(*io->jobs));
	if (!io->jobs)
		return err_set(err, -ENOMEM, "no memory for I/O");
	for (int i = 0; i < JOBS; i++)
		list_add_tail(&io->jobs_free, &io->jobs[i].link);
	return work_new(&io->work, io->loop, threads, err);
}

void io_offload_close(struct io *io)
{
	if (io->work)
		work_free(io->work);
	free(io->jobs);
}

static int sync_open(struct io *io, unsigned depth, struct err *err)
{
	(void)io;
	(void)depth;
	(void)err;
	return 0;
}

static void sync_close(struct io *io)
{
	(void)io;
}

const struct io_engine io_sync = {
	.name = "sync",
	.fenced = true,
	.open = sync_open,
	.submit = io_offload,
	.close = sync_close,
};
