/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * job.c - a request of ours, as commands to an NBD server.
 */
#include "drivers/nbd/job.h"

#include <errno.h>
#include <libnbd.h>

#define RANGE_MAX (1u << 30) /* to zero, discard or ask about at a time */

static void command_over(struct job *job, int err)
{
	if (err && !job->err)
		job->err = err;
	if (--job->out == 0)
		list_add_tail(job->finished, &job->link);
}

static int command_done(void *arg, int *error)
{
	command_over(arg, -*error);
	return 1; /* the command may be forgotten */
}

/* Whether a command was made; its cookie is of no use to us. */
static void command_made(struct job *job, int64_t cookie)
{
	int code;

	if (cookie >= 0)
		return;
	code = nbd_get_errno();
	if (nbd_aio_is_dead(job->h) || nbd_aio_is_closed(job->h))
		code = ENOTCONN;
	command_over(job, code > 0 ? -code : -EIO);
}

static nbd_completion_callback on_done(struct job *job)
{
	job->out++;
	return (nbd_completion_callback){ .callback = command_done,
					  .user_data = job };
}

/* One run of memory, at off of the disk. */
static void move(struct job *job, char *base, size_t len, uint64_t off)
{
	struct nbd_handle *h = job->h;
	uint64_t most = job->command_max;
	uint32_t fua = job->req->flags & REQ_FUA ? LIBNBD_CMD_FLAG_FUA : 0;
	int64_t cookie;
	size_t part;

	for (; len; len -= part, base += part, off += part) {
		part = len < most ? len : most;
		if (job->req->op == REQ_READ)
			cookie = nbd_aio_pread(h, base, part, off, on_done(job),
					       0);
		else
			cookie = nbd_aio_pwrite(h, base, part, off,
						on_done(job), fua);
		command_made(job, cookie);
	}
}

static void move_all(struct job *job)
{
	const struct req *req = job->req;
	size_t skip = req->iov_skip, len;
	uint64_t off = req->off, left = req->len;
	int i;

	for (i = 0; i < req->iovcnt && left; i++) {
		if (skip >= req->iov[i].iov_len) {
			skip -= req->iov[i].iov_len;
			continue;
		}
		len = req->iov[i].iov_len - skip;
		len = len < left ? len : left;
		move(job, (char *)req->iov[i].iov_base + skip, len, off);
		off += len;
		left -= len;
		skip = 0;
	}
}

/* The next piece of a range that has no data. */
static void range(struct job *job)
{
	const struct req *req = job->req;
	uint64_t len = req->len - job->at, off = req->off + job->at;
	uint32_t flags = req->flags & REQ_FUA ? LIBNBD_CMD_FLAG_FUA : 0;
	struct nbd_handle *h = job->h;

	len = len < RANGE_MAX ? len : RANGE_MAX;
	job->at += len;
	if (req->op == REQ_DISCARD) {
		command_made(job, nbd_aio_trim(h, len, off, on_done(job), 0));
		return;
	}
	if (!(req->flags & REQ_MAY_UNMAP))
		flags |= LIBNBD_CMD_FLAG_NO_HOLE;
	command_made(job, nbd_aio_zero(h, len, off, on_done(job), flags));
}

/* Whole sectors of what the server says; the rest is asked for again. */
static int extents_told(void *arg, const char *context, uint64_t off,
			uint32_t *entries, size_t count, int *error)
{
	struct job *job = arg;
	const struct req *req = job->req;
	uint64_t left, len;
	size_t i;

	(void)context; /* there is one */
	if (*error || off != req->off + job->at)
		return 0;
	for (i = 0; i + 1 < count; i += 2) {
		left = req->len - job->at;
		len = entries[i] < left ? entries[i] : left;
		if (len % 512 && i)
			break;
		len -= len % 512;
		if (!left || !extents_add(req->extents, len ? len : 512,
					  len ? entries[i + 1] & 3 : 0))
			break;
		job->at += len ? len : 512;
		if (entries[i] % 512)
			break;
	}
	return 0;
}

static void ask_extents(struct job *job)
{
	uint64_t left = job->req->len - job->at;
	nbd_extent_callback told = { .callback = extents_told,
				     .user_data = job };

	command_made(job,
		     nbd_aio_block_status(
			     job->h, left < RANGE_MAX ? left : RANGE_MAX,
			     job->req->off + job->at, told, on_done(job), 0));
}

void job_issue(struct job *job)
{
	job->from = job->at;
	job->out = 1;
	switch (job->req->op) {
	case REQ_READ:
	case REQ_WRITE:
		move_all(job);
		break;
	case REQ_FLUSH:
		command_made(job, nbd_aio_flush(job->h, on_done(job), 0));
		break;
	case REQ_ZERO:
	case REQ_DISCARD:
		range(job);
		break;
	case REQ_EXTENTS:
		ask_extents(job);
		break;
	case REQ_RESIZE:
		job->err = -EOPNOTSUPP;
		break;
	}
	command_over(job, 0);
}

bool job_goes_on(struct job *job)
{
	const struct req *req = job->req;

	if (job->err)
		return false;
	if (req->op == REQ_ZERO || req->op == REQ_DISCARD)
		return job->at < req->len;
	if (req->op != REQ_EXTENTS || job->at == req->len)
		return false;
	if (job->at > job->from)
		return req->extents->count < req->extents->max;
	/* It said nothing: data, then. */
	(void)extents_add(req->extents, req->len - job->at, 0);
	return false;
}
