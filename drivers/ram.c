/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ram.c - a disk in memory, gone when it is closed.
 *
 * The name is its size in bytes, "ram:1048576", or a file it starts as a copy
 * of, "ram:/path". Memory is used as it is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/parse.h"
#include "tapdisk/driver.h"

#define RAM_MAX (UINT64_C(1) << 30)

struct ram {
	char *mem;
	uint64_t size;
};

static int make(struct ram *ram, uint64_t size, struct err *err)
{
	if (size < 512 || size > RAM_MAX)
		return err_set(
			err, -EINVAL, "%llu bytes, not between 512 and %llu",
			(unsigned long long)size, (unsigned long long)RAM_MAX);
	ram->size = bytes_round_up(size, 512);
	ram->mem = mmap(NULL, ram->size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram->mem == MAP_FAILED)
		return err_sys(err, "%llu bytes of memory",
			       (unsigned long long)ram->size);
	return 0;
}

static int fill(const struct ram *ram, int fd, struct err *err)
{
	uint64_t at = 0;
	ssize_t n;

	while (at < ram->size) {
		n = pread(fd, ram->mem + at, ram->size - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read");
		if (n == 0) /* the end of a file that is no multiple of 512 */
			break;
		at += (uint64_t)n;
	}
	return 0;
}

static int from_file(struct ram *ram, const char *path, struct err *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int ret;

	if (fd < 0)
		return err_sys(err, "open");
	if (fstat(fd, &st))
		return err_sys(err, "stat");
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "not a file");
	ret = make(ram, (uint64_t)st.st_size, err);
	if (ret)
		return ret;
	ret = fill(ram, fd, err);
	if (ret)
		(void)munmap(ram->mem, ram->size); /* it is what we mapped */
	return ret;
}

static int ram_open(struct image *img, struct err *err)
{
	struct ram *ram = img->state;
	uint64_t size;
	int ret;

	if (!parse_uint(&size, img->name, 0, UINT64_MAX) && size % 512 == 0)
		ret = make(ram, size, err);
	else if (img->name[0] == '/')
		ret = from_file(ram, img->name, err);
	else
		ret = err_set(err, -EINVAL, "neither a size nor a path");
	if (ret)
		return ret;
	img->info.size = ram->size;
	img->info.block_size = 512;
	img->info.caps = IMAGE_CAN_FLUSH | IMAGE_CAN_FUA | IMAGE_CAN_ZERO |
			 IMAGE_CAN_DISCARD | IMAGE_FENCED;
	return 0;
}

static void ram_close(struct image *img)
{
	struct ram *ram = img->state;

	(void)munmap(ram->mem, ram->size); /* it is what we mapped */
}

static void ram_submit(struct image *img, struct req *req)
{
	struct ram *ram = img->state;

	/* As the file of a format it may be asked for what it cannot have. */
	if (req->op == REQ_RESIZE ||
	    (req->op != REQ_FLUSH &&
	     !bytes_within(req->off, req->len, ram->size))) {
		req_done(req, req->op == REQ_READ ? -EIO : -ENOSPC);
		return;
	}
	if (req->op == REQ_READ)
		req_copy_in(req, 0, ram->mem + req->off, req->len);
	else if (req->op == REQ_WRITE)
		req_copy_out(req, 0, ram->mem + req->off, req->len);
	else if (req->op == REQ_ZERO || req->op == REQ_DISCARD)
		memset(ram->mem + req->off, 0, req->len);
	req_done(req, 0);
}

const struct driver ram_driver = {
	.name = "ram",
	.summary = "in memory, as large as it says or a copy of a file",
	.kind = DRIVER_PROTOCOL,
	.state_size = sizeof(struct ram),
	.open = ram_open,
	.close = ram_close,
	.submit = ram_submit,
};
