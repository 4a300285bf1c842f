/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw.c - a file or block device, byte for byte; also the file of a format.
 *
 * Who may open what at once, by flock(2) on the open file, which ends with
 * the process however it ends:
 *
 *  - a writer locks it exclusively, a reader shares it, and neither waits.
 *    So a parent may be behind any number of children, here or in other
 *    processes, but nobody may open it for writing under them; and nobody
 *    may read a leaf that is being written, because a format's metadata is
 *    not to be read while it changes;
 *  - a snapshot pauses its disk, which closes the leaf, and so may turn it
 *    into a shared parent;
 *  - the tools that move data between layers of a running disk (coalesce)
 *    take no lock: they write into a parent what its children hide, and are
 *    told by the toolstack which files they own.
 *
 * O_DIRECT is used unless the image is to be cached or the filesystem has no
 * such thing.  A format writes 512 bytes at a time; where the medium cannot,
 * its file goes through the page cache, which can.  Buffers that are not
 * aligned as O_DIRECT wants them go through one bounce buffer, piece by
 * piece: right, not fast, and nothing of ours makes them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/log.h"
#include "tapdisk/driver.h"
#include "tapdisk/io.h"

#define BOUNCE_BYTES (32u << 10)
#define LOCK_TRIES   20 /* udev looks at block devices under a shared lock */
#define LOCK_WAIT_NS 50000000

struct raw {
	int fd;
	bool device;
	bool direct;
	uint32_t mem_align; /* of buffers, for O_DIRECT */
	uint32_t off_align;

	/* The one bounce buffer, whose request it holds, and who waits. */
	uint8_t *bounce;
	struct req *bounced; /* the client's */
	uint64_t bounce_done;
	uint64_t span; /* of it, the piece stands for */
	uint64_t tail; /* not 0: the file ends here, amid a sector */
	struct req piece;
	struct iovec piece_iov;
	struct list waiting;
	struct image *img;

	/* A zero that makes the file longer, one at a time. */
	struct req *growing;
	struct req grow;
	struct list grow_waiting;
};

/* "in use by tapdisk 1234", as far as the kernel tells. */
static int busy(struct err *err, const char *name, const struct stat *st)
{
	char line[256], path[64], comm[32] = "process";
	unsigned long ino;
	unsigned maj, min;
	int pid, found = 0;
	FILE *f = fopen("/proc/locks", "re");

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%lu", &pid,
			       &maj, &min, &ino) == 4 &&
			pid > 0 && ino == st->st_ino &&
			makedev(maj, min) == st->st_dev;
	if (f)
		(void)fclose(f); /* was only read */
	if (!found)
		return err_set(err, -EBUSY, "%s: in use", name);
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f && fgets(comm, sizeof(comm), f))
		comm[strcspn(comm, "\n")] = '\0';
	if (f)
		(void)fclose(f); /* was only read */
	return err_set(err, -EBUSY, "%s: in use by %s %d", name, comm, pid);
}

static int lock(struct image *img, const struct raw *raw, const struct stat *st,
		struct err *err)
{
	struct timespec wait = { .tv_nsec = LOCK_WAIT_NS };
	int op = (img->readonly ? LOCK_SH : LOCK_EX) | LOCK_NB;
	int tries = raw->device ? LOCK_TRIES : 1;

	while (flock(raw->fd, op)) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK && img->readonly)
			return 0; /* no locks here; a reader harms nobody */
		if (errno != EWOULDBLOCK)
			return err_sys(err, "%s: cannot be locked", img->name);
		if (--tries == 0)
			return busy(err, img->name, st);
		(void)nanosleep(&wait, NULL); /* sooner does no harm */
	}
	return 0;
}

static int size_device(struct image *img, struct raw *raw, struct err *err)
{
	unsigned phys = 0;
	uint64_t size;
	int logical;

	if (ioctl(raw->fd, BLKGETSIZE64, &size) ||
	    ioctl(raw->fd, BLKSSZGET, &logical))
		return err_sys(err, "%s: size of the device", img->name);
	if (ioctl(raw->fd, BLKPBSZGET, &phys) || !phys)
		phys = logical;
	img->info.size = size;
	img->info.phys_block_size = phys;
	raw->mem_align = raw->off_align = logical;
	return 0;
}

/* Some old writers of formats left out the last byte of their last sector. */
static void size_file(struct image *img, struct raw *raw, const struct stat *st)
{
	struct statx stx;

	img->info.size = st->st_size;
	if (img->grows && img->info.size % 512) {
		raw->tail = img->info.size;
		img->info.size = bytes_round_up(raw->tail, 512);
	}
	img->info.phys_block_size = st->st_blksize > 512 ? 4096 : 512;
	raw->mem_align = raw->off_align = 512;
	if (!statx(raw->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) &&
	    stx.stx_mask & STATX_DIOALIGN && stx.stx_dio_offset_align) {
		raw->off_align = stx.stx_dio_offset_align;
		raw->mem_align = stx.stx_dio_mem_align;
	}
}

/* Go through the page cache: asked for, or nothing else will do. */
static int uncouple(struct image *img, struct raw *raw, struct err *err)
{
	int flags = fcntl(raw->fd, F_GETFL);

	if (flags < 0 || fcntl(raw->fd, F_SETFL, flags & ~O_DIRECT))
		return err_sys(err, "%s: without O_DIRECT", img->name);
	raw->direct = false;
	return 0;
}

static int measure(struct image *img, struct raw *raw, const struct stat *st,
		   struct err *err)
{
	int ret = 0;

	if (raw->device)
		ret = size_device(img, raw, err);
	else
		size_file(img, raw, st);
	img->info.block_size = 512;
	if (ret || img->grows)
		return ret;
	if (img->info.size < 512)
		return err_set(err, -EINVAL, "%s: %s", img->name,
			       img->info.size ? "less than a sector" : "empty");
	/* As it was for older tools, and is for a loop device. */
	if (img->info.size % 512)
		log_warn("raw:%s: the last %u bytes are no whole sector, and "
			 "are left alone",
			 img->name, (unsigned)(img->info.size % 512));
	img->info.size -= img->info.size % 512;
	/*
	 * A file has always had sectors of 512, and what a guest has written
	 * to it counts in them: where the disk below has larger ones it goes
	 * through the page cache, which reads, changes and writes.
	 */
	if (raw->device && raw->off_align == 4096 && img->info.size % 4096 == 0)
		img->info.block_size = 4096;
	return 0;
}

static int open_fd(struct image *img, struct raw *raw, struct stat *st,
		   struct err *err)
{
	int flags = (img->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;

	raw->direct = !img->cached;
	raw->fd = open(img->name, flags | (raw->direct ? O_DIRECT : 0));
	if (raw->fd < 0 && errno == EINVAL && raw->direct) {
		raw->direct = false;
		raw->fd = open(img->name, flags);
	}
	if (raw->fd < 0)
		return err_sys(err, "%s", img->name);
	if (fstat(raw->fd, st))
		return err_sys(err, "%s", img->name);
	raw->device = S_ISBLK(st->st_mode);
	if (!raw->device && !S_ISREG(st->st_mode))
		return err_set(err, -EINVAL,
			       "%s: neither a file nor a block device",
			       img->name);
	return 0;
}

static void raw_close(struct image *img)
{
	struct raw *raw = img->state;

	if (raw->fd >= 0)
		(void)close(raw->fd); /* what was answered is written */
	free(raw->bounce);
	raw->fd = -1;
	raw->bounce = NULL;
}

static int raw_open(struct image *img, struct err *err)
{
	struct raw *raw = img->state;
	struct stat st;
	int ret;

	list_init(&raw->waiting);
	list_init(&raw->grow_waiting);
	raw->img = img;
	ret = open_fd(img, raw, &st, err);
	if (!ret)
		ret = lock(img, raw, &st, err);
	if (!ret)
		ret = measure(img, raw, &st, err);
	if (!ret && raw->direct &&
	    (raw->off_align > img->info.block_size || raw->tail))
		ret = uncouple(img, raw, err);
	if (!ret && (raw->direct || raw->tail)) {
		raw->bounce = aligned_alloc(4096, BOUNCE_BYTES);
		if (!raw->bounce)
			ret = err_set(err, -ENOMEM, "%s: no memory", img->name);
	}
	img->info.caps = IMAGE_CAN_FLUSH | IMAGE_CAN_ZERO | IMAGE_CAN_DISCARD |
			 IMAGE_CAN_EXTENTS |
			 (io_fenced(img->io) ? IMAGE_FENCED : 0);
	if (ret)
		raw_close(img);
	return ret;
}

static bool aligned(const struct raw *raw, const struct req *req)
{
	uint64_t skip = req->iov_skip, left = req->len;
	uintptr_t bits = 0;

	for (int i = 0; left && i < req->iovcnt; i++) {
		uint64_t part = req->iov[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part = part - skip < left ? part - skip : left;
		bits |= ((uintptr_t)req->iov[i].iov_base + skip) &
			(raw->mem_align - 1);
		bits |= part & (raw->off_align - 1);
		left -= part;
		skip = 0;
	}
	return !bits;
}

/* Copy between the bounce buffer and the part of the request it stands for. */
static void bounce_copy(struct raw *raw, bool out)
{
	const struct req *req = raw->bounced;
	uint64_t skip = req->iov_skip + raw->bounce_done;
	uint64_t at = 0;

	for (int i = 0; at < raw->span; i++) {
		uint8_t *base = req->iov[i].iov_base;
		uint64_t part = req->iov[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part -= skip;
		if (part > raw->span - at)
			part = raw->span - at;
		if (out)
			memcpy(raw->bounce + at, base + skip, part);
		else
			memcpy(base + skip, raw->bounce + at, part);
		at += part;
		skip = 0;
	}
}

static void bounce_piece(struct raw *raw)
{
	struct req *req = raw->bounced;
	uint64_t left = req->len - raw->bounce_done;

	raw->piece.op = req->op;
	raw->piece.off = req->off + raw->bounce_done;
	raw->span = left < BOUNCE_BYTES ? left : BOUNCE_BYTES;
	raw->piece.len = raw->span;
	if (raw->tail && raw->piece.off + raw->span > raw->tail) {
		memset(raw->bounce, 0, raw->span);
		raw->piece.len = raw->tail - raw->piece.off;
	}
	if (req->op == REQ_WRITE)
		bounce_copy(raw, true);
	io_start(raw->img->io, raw->fd, &raw->piece);
}

static void bounce_start(struct raw *raw, struct req *req)
{
	raw->bounced = req;
	raw->bounce_done = 0;
	bounce_piece(raw);
}

static void bounce_done(struct req *piece)
{
	struct raw *raw = container_of(piece, struct raw, piece);
	struct req *req = raw->bounced;
	struct list *link;

	if (!piece->err && req->op == REQ_READ)
		bounce_copy(raw, false);
	raw->bounce_done += raw->span;
	if (!piece->err && raw->bounce_done < req->len) {
		bounce_piece(raw);
		return;
	}
	raw->bounced = NULL;
	req_done(req, piece->err);
	link = list_pop(&raw->waiting);
	if (link)
		bounce_start(raw, container_of(link, struct req, answer.link));
}

static void bounce(struct raw *raw, struct req *req)
{
	raw->piece_iov.iov_base = raw->bounce;
	raw->piece_iov.iov_len = BOUNCE_BYTES;
	raw->piece.iov = &raw->piece_iov;
	raw->piece.iovcnt = 1;
	raw->piece.done = bounce_done;
	raw->piece.loop = raw->img->loop;
	if (raw->bounced)
		list_add_tail(&raw->waiting, &req->answer.link);
	else
		bounce_start(raw, req);
}

static void grow_start(struct raw *raw, struct req *req);

static void grow_done(struct req *grow)
{
	struct raw *raw = container_of(grow, struct raw, grow);
	struct image *img = raw->img;
	struct list *link;

	if (!grow->err && grow->off + grow->len > img->info.size)
		img->info.size = grow->off + grow->len;
	req_done(raw->growing, grow->err);
	raw->growing = NULL;
	link = list_pop(&raw->grow_waiting);
	if (link)
		grow_start(raw, container_of(link, struct req, answer.link));
}

/* The file may have no room: its size is not known before it is answered. */
static void grow_start(struct raw *raw, struct req *req)
{
	if (raw->growing) {
		list_add_tail(&raw->grow_waiting, &req->answer.link);
		return;
	}
	raw->growing = req;
	req_slice(&raw->grow, req, 0, req->len);
	raw->grow.done = grow_done;
	raw->grow.loop = raw->img->loop;
	io_start(raw->img->io, raw->fd, &raw->grow);
}

static bool meets_tail(const struct raw *raw, const struct req *req)
{
	return raw->tail && req->off + req->len > raw->tail &&
	       req->off + req->len <= bytes_round_up(raw->tail, 512);
}

static void raw_submit(struct image *img, struct req *req)
{
	struct raw *raw = img->state;
	uint64_t end = req->off + req->len;
	bool moves = req->op == REQ_READ || req->op == REQ_WRITE;
	bool changes = req->op == REQ_WRITE || req->op == REQ_ZERO;
	bool grows = img->grows && !raw->device && end > img->info.size;

	if (raw->tail &&
	    ((changes && end > raw->tail) || req->op == REQ_RESIZE))
		raw->tail = 0;
	if (grows && req->op == REQ_WRITE)
		img->info.size = end;
	else if (req->op == REQ_RESIZE && !raw->device)
		img->info.size = req->off;
	if (req->op == REQ_RESIZE && raw->device)
		req_done(req, -EOPNOTSUPP);
	else if (grows && req->op == REQ_ZERO)
		grow_start(raw, req);
	else if ((req->op == REQ_READ && meets_tail(raw, req)) ||
		 (moves && raw->direct && !aligned(raw, req)))
		bounce(raw, req);
	else
		io_start(img->io, raw->fd, req);
}

const struct driver raw_driver = {
	.name = "raw",
	.summary = "a file or block device, byte for byte",
	.kind = DRIVER_PROTOCOL,
	.state_size = sizeof(struct raw),
	.open = raw_open,
	.close = raw_close,
	.submit = raw_submit,
};
