/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cbt.c - a filter that notes which blocks of 64 KiB were written.
 *
 * "cbt:/a.cbtlog:vhd:/a.vhd"; the log is a file or device of cbt-util's (see
 * lib/cbt.h).  It is mapped, so that others see its bits at once and a dead
 * process loses none.  A bit is set before the write goes down; before a
 * flush does, and before a write that must be on the disk, so is the log.
 *
 * Space for all of it is taken in open(): storing into a hole of a full file
 * system would end the process.  If the log cannot be made durable it is
 * dropped: its flag says from then on that bits are missing, and the disk
 * goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/cbt.h"
#include "lib/err.h"
#include "lib/list.h"
#include "lib/log.h"
#include "tapdisk/driver.h"
#include "tapdisk/io.h"

struct cbt {
	struct image *img;
	int fd;
	uint8_t *map;
	size_t len;
	bool dirty;          /* bits were set that no sync has seen */
	bool syncing;        /* sync is under way */
	struct list covered; /* requests that it is for */
	struct list waiting; /* for the next one */
	struct req sync;
};

/* --- the file ------------------------------------------------------------- */

static int file_length(int fd, uint64_t *out, bool *exact, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_sys(err, "length");
	*exact = !S_ISBLK(st.st_mode);
	*out = (uint64_t)st.st_size;
	if (!*exact && ioctl(fd, BLKGETSIZE64, out))
		return err_sys(err, "length");
	return 0;
}

static int check_header(struct cbt *c, uint64_t disk, struct err *err)
{
	uint8_t buf[CBT_HEADER];
	struct cbt_header h;
	uint64_t size;
	bool exact;
	int rc = file_length(c->fd, &size, &exact, err);

	if (rc)
		return rc;
	if (pread(c->fd, buf, sizeof(buf), 0) != (ssize_t)sizeof(buf))
		return err_set(err, -EINVAL, "too short for a log");
	rc = cbt_decode(&h, buf, size, exact, err);
	if (rc)
		return rc;
	if (h.size != disk)
		return err_set(err, -EINVAL,
			       "the log is of a disk of %llu bytes, not %llu",
			       (unsigned long long)h.size,
			       (unsigned long long)disk);
	c->len = (size_t)(CBT_HEADER + cbt_bitmap_bytes(disk));
	rc = exact ? posix_fallocate(c->fd, 0, (off_t)c->len) : 0;
	return rc ? err_set(err, -rc, "no room for the log") : 0;
}

static int cbt_open(struct image *img, struct err *err)
{
	struct cbt *c = img->state;
	int rc;

	img->info = img->file->info;
	c->img = img;
	list_init(&c->covered);
	list_init(&c->waiting);
	c->fd = open(img->name, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (c->fd < 0)
		return err_sys(err, "change log");
	rc = check_header(c, img->info.size, err);
	if (!rc) {
		c->map = mmap(NULL, c->len, PROT_READ | PROT_WRITE, MAP_SHARED,
			      c->fd, 0);
		if (c->map == MAP_FAILED)
			rc = err_sys(err, "the log cannot be mapped");
	}
	if (rc)
		(void)close(c->fd); /* nothing was written */
	return rc;
}

/* --- bits ----------------------------------------------------------------- */

/* Bits missing: who reads the log must not rely on it. */
static void drop(struct cbt *c, int err)
{
	if (c->img->dropped)
		return;
	c->img->dropped = true;
	c->dirty = true;
	bytes_put_le32(c->map + 32, 0);
	log_error("change log %s is dropped: %s", c->img->name, strerror(-err));
}

static void cbt_close(struct image *img)
{
	struct cbt *c = img->state;

	if (c->dirty && fdatasync(c->fd))
		drop(c, -errno);
	(void)munmap(c->map, c->len); /* it is the kernel's that counts */
	(void)close(c->fd);           /* was synced */
}

static void note(struct cbt *c, const struct req *req)
{
	uint64_t first = req->off / CBT_BLOCK;
	uint64_t last = (req->off + req->len - 1) / CBT_BLOCK;

	if (!req->len || c->img->dropped)
		return;
	if (CBT_HEADER + last / 8 >= c->len) {
		drop(c, -ERANGE); /* the disk has grown */
		return;
	}
	for (uint64_t i = first; i <= last; i++) {
		uint8_t *byte = c->map + CBT_HEADER + i / 8;
		uint8_t bit = (uint8_t)(1u << i % 8);

		if (*byte & bit)
			continue;
		*byte |= bit;
		c->dirty = true;
	}
}

/* --- requests ------------------------------------------------------------- */

static void begin_sync(struct cbt *c);

static void synced(struct req *sync)
{
	struct cbt *c = container_of(sync, struct cbt, sync);
	struct list *link;

	c->syncing = false;
	if (sync->err)
		drop(c, sync->err);
	while ((link = list_pop(&c->covered)))
		image_submit(c->img->file,
			     container_of(link, struct req, answer.link));
	if (!list_empty(&c->waiting))
		begin_sync(c);
}

static void begin_sync(struct cbt *c)
{
	struct list *link;

	while ((link = list_pop(&c->waiting)))
		list_add_tail(&c->covered, link);
	c->dirty = false;
	c->syncing = true;
	c->sync = (struct req){ .op = REQ_FLUSH,
				.done = synced,
				.loop = c->img->loop };
	io_start(c->img->io, c->fd, &c->sync);
}

static bool changes(const struct req *req)
{
	return req->op == REQ_WRITE || req->op == REQ_ZERO ||
	       req->op == REQ_DISCARD;
}

static void cbt_submit(struct image *img, struct req *req)
{
	struct cbt *c = img->state;

	if (changes(req))
		note(c, req);
	if ((req->op == REQ_FLUSH || req->flags & REQ_FUA) &&
	    (c->dirty || c->syncing) && !img->dropped) {
		list_add_tail(&c->waiting, &req->answer.link);
		if (!c->syncing)
			begin_sync(c);
		return;
	}
	image_submit(img->file, req);
}

const struct driver cbt_driver = {
	.name = "cbt",
	.summary = "notes which blocks are written, in a log of cbt-util's",
	.kind = DRIVER_FILTER,
	.state_size = sizeof(struct cbt),
	.open = cbt_open,
	.close = cbt_close,
	.submit = cbt_submit,
};
