/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap.c - the module's device as a test sees it, and TAP output.
 */
#include "tests/kmod/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int tap_count, tap_bad;

bool tap_check(bool ok, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", ok ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	if (ok)
		printf("\n");
	else
		printf("\n# errno %d: %s\n", errno, strerror(errno));
	fflush(stdout);
	tap_bad += !ok;
	return ok;
}

int tap_failed(void)
{
	return tap_bad;
}

void tap_done(void)
{
	printf("1..%d\n", tap_count);
}

/* The misc minor of a name in /proc/misc, -1 if it is not there. */
static int misc_minor(const char *name)
{
	char line[128], found[64];
	int minor, ret = -1;
	FILE *f = fopen("/proc/misc", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%d %63s", &minor, found) == 2 &&
		    !strcmp(found, name))
			ret = minor;
	if (f)
		fclose(f);
	return ret;
}

bool tap_is_classic(void)
{
	return misc_minor(ABI_MISC_CLASSIC) >= 0;
}

int tap_control(void)
{
	int minor =
		misc_minor(tap_is_classic() ? ABI_MISC_CLASSIC : ABI_MISC_XS);
	const char *node = "/tmp/blktap-control";

	if (minor < 0)
		return -1;
	(void)unlink(node); /* may not be there */
	if (mknod(node, S_IFCHR | 0600, makedev(10, minor)))
		return -1;
	return open(node, O_RDONLY | O_CLOEXEC);
}

int tap_ioctl(int fd, unsigned long nr, unsigned long arg)
{
	return ioctl(fd, nr, arg) < 0 ? -errno : 0;
}

int tap_alloc(struct tap *tap, int control)
{
	int err;

	memset(tap, 0, sizeof(*tap));
	tap->fd = -1;
	err = tap_ioctl(control, ABI_ALLOC_TAP, (unsigned long)&tap->h);
	if (err)
		return err;
	snprintf(tap->ring_node, sizeof(tap->ring_node), "/tmp/blktap%u",
		 tap->h.minor);
	snprintf(tap->disk_node, sizeof(tap->disk_node), "/tmp/tapdev%u",
		 tap->h.minor);
	snprintf(tap->sysfs, sizeof(tap->sysfs), "/sys/class/blktap2/%s%u",
		 tap_is_classic() ? "blktap" : "blktap!blktap", tap->h.minor);
	(void)unlink(tap->ring_node); /* may not be there */
	(void)unlink(tap->disk_node); /* may not be there */
	if (mknod(tap->ring_node, S_IFCHR | 0600,
		  makedev(tap->h.ring_major, tap->h.minor)) ||
	    mknod(tap->disk_node, S_IFBLK | 0600,
		  makedev(tap->h.disk_major, tap->h.minor)))
		return -errno;
	return 0;
}

int tap_open(struct tap *tap)
{
	tap->fd = open(tap->ring_node, O_RDWR | O_CLOEXEC);
	return tap->fd < 0 ? -errno : 0;
}

int tap_map(struct tap *tap)
{
	return tap_map_large(tap, 0);
}

int tap_map_large(struct tap *tap, size_t window)
{
	void *p = mmap(NULL, ABI_MAP_SIZE + window, PROT_READ | PROT_WRITE,
		       MAP_SHARED, tap->fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	tap->map = p;
	tap->window = window;
	tap->ring = p;
	tap->req_cons = 0;
	return 0;
}

void tap_close(struct tap *tap)
{
	if (tap->map)
		munmap(tap->map, ABI_MAP_SIZE + tap->window);
	if (tap->fd >= 0)
		close(tap->fd);
	tap->map = NULL;
	tap->fd = -1;
}

int tap_create(struct tap *tap, uint64_t sectors, uint32_t sector_size,
	       unsigned flags)
{
	struct abi_info info = {
		.capacity = sectors,
		.sector_size = sector_size,
		.physical_sector_size = sector_size,
		.flags = flags,
		.phys_block_size = sector_size,
		.trim_block_size = sector_size,
	};

	return tap_ioctl(tap->fd, ABI_CREATE, (unsigned long)&info);
}

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

bool tap_next(struct tap *tap, struct abi_request *req, int timeout_ms)
{
	struct pollfd pfd = { .fd = tap->fd, .events = POLLIN };

	while (load(&tap->ring->req_prod) == tap->req_cons) {
		int step = timeout_ms < 20 ? timeout_ms : 20;

		if (timeout_ms <= 0)
			return false;
		(void)poll(&pfd, 1, step); /* a hint: the ring is the truth */
		timeout_ms -= step;
	}
	*req = tap->ring->slot[tap->req_cons++ % ABI_SLOTS].req;
	return true;
}

uint8_t *tap_data(struct tap *tap, uint64_t id)
{
	return tap->map + ABI_PAGE + id * ABI_SEGS * ABI_PAGE;
}

static bool is_large(const struct abi_request *req)
{
	return req->op == ABI_OP_READ_LARGE || req->op == ABI_OP_WRITE_LARGE;
}

uint8_t *tap_bytes(struct tap *tap, const struct abi_request *req)
{
	return is_large(req) ? tap->map + ABI_MAP_SIZE + req->large.at
			     : tap_data(tap, req->id);
}

void tap_answer(struct tap *tap, uint64_t id, uint8_t op, int16_t status)
{
	uint32_t prod = tap->ring->rsp_prod;
	struct abi_response *rsp = &tap->ring->slot[prod % ABI_SLOTS].rsp;

	memset(rsp, 0, sizeof(*rsp));
	rsp->id = id;
	rsp->op = op;
	rsp->status = status;
	__atomic_store_n(&tap->ring->rsp_prod, prod + 1, __ATOMIC_RELEASE);
	(void)tap_ioctl(tap->fd, ABI_RESPOND, 0); /* the caller looks */
}

static uint64_t bytes_of(const struct abi_request *req)
{
	uint64_t n = 0;

	if (is_large(req))
		return req->large.nr_sectors * 512;
	for (unsigned i = 0; i < req->nr_segments; i++)
		n += (req->seg[i].last - req->seg[i].first + 1) * 512u;
	return n;
}

static int16_t serve_one(struct tap *tap, const struct abi_request *req,
			 uint8_t *disk, uint64_t size)
{
	uint64_t off = req->sector * 512, len = bytes_of(req);

	if (req->op == ABI_OP_FLUSH || req->op == ABI_OP_TRIM)
		return ABI_OKAY;
	if (off > size || len > size - off)
		return ABI_ERROR;
	if (req->op == ABI_OP_READ || req->op == ABI_OP_READ_LARGE)
		memcpy(tap_bytes(tap, req), disk + off, len);
	else
		memcpy(disk + off, tap_bytes(tap, req), len);
	return ABI_OKAY;
}

void tap_serve(struct tap *tap, uint8_t *disk, uint64_t size,
	       volatile bool *stop)
{
	struct abi_request req;

	while (!*stop)
		if (tap_next(tap, &req, 20))
			tap_answer(tap, req.id, req.op,
				   serve_one(tap, &req, disk, size));
}

void tap_sysfs(const struct tap *tap, const char *file, char *out, size_t n)
{
	char path[256];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", tap->sysfs, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, out, n - 1);
	if (fd >= 0)
		close(fd);
	out[got > 0 ? got : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

int tap_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}
