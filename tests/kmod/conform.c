/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conform.c - the blktap2 device as every tapdisk and tool expects it.
 *
 * Run as root in a throw-away system with the module loaded; speaks TAP.
 * conform [names|ring|requests|poll|disk|sysfs|large]...
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/kmod/large.h"
#include "tests/kmod/tap.h"
#include "tests/kmod/user.h"

#define SECTORS 4096u

/* A tap with a disk, open and mapped. */
static void setup(struct tap *tap, int control, unsigned flags)
{
	if (tap_alloc(tap, control) || tap_open(tap) || tap_map(tap) ||
	    tap_create(tap, SECTORS, 512, flags)) {
		printf("Bail out! no tap: %s\n", strerror(errno));
		exit(1);
	}
}

static void test_names(int control)
{
	struct tap a, b;
	bool classic = tap_is_classic();
	char name[256];

	tap_check(user_file_has("/proc/devices", " blktap2\n"),
		  "char major blktap2");
	tap_check(user_file_has("/proc/devices", " tapdev\n"),
		  "block major tapdev");
	tap_check(
		access(classic ? "/dev/blktap-control" : "/dev/blktap/control",
		       F_OK) == 0,
		"devtmpfs node of the control device");
	tap_check(tap_alloc(&a, control) == 0 && a.h.minor == 0,
		  "ALLOC gives the lowest minor");
	tap_check(tap_alloc(&b, control) == 0 && b.h.minor == 1,
		  "ALLOC gives the next one");
	tap_check(a.h.ring_major == b.h.ring_major && a.h.ring_major,
		  "one ring major");
	tap_check(access(a.sysfs, F_OK) == 0, "%s", a.sysfs);
	tap_check(access(classic ? "/dev/blktap0" : "/dev/blktap/blktap0",
			 F_OK) == 0,
		  "devtmpfs node of the ring");
	tap_check(access("/sys/block/tda", F_OK) != 0, "no disk before CREATE");
	tap_check(tap_ioctl(control, ABI_FREE_TAP, 0) == 0, "FREE 0");
	tap_check(tap_ioctl(control, ABI_FREE_TAP, 0) == -ENODEV,
		  "FREE of a free minor is ENODEV");
	tap_check(tap_ioctl(control, ABI_FREE_TAP, 16384) == -EINVAL,
		  "FREE past the last minor is EINVAL");
	tap_check(tap_ioctl(control, ABI_FREE_TAP, -1ul) == -EINVAL,
		  "FREE of -1 is EINVAL");
	tap_check(tap_ioctl(control, 199, 0) == -ENOTTY,
		  "unknown control ioctl is ENOTTY");
	tap_check(tap_open(&a) == -ENXIO || tap_open(&a) == -ENOENT,
		  "no ring device for a free minor");
	tap_check(tap_alloc(&a, control) == 0 && a.h.minor == 0,
		  "a freed minor is given again");
	snprintf(name, sizeof(name), "%s/name", a.sysfs);
	tap_check(access(name, F_OK) == 0, "its sysfs files are back");
	tap_check(tap_ioctl(control, ABI_FREE_TAP, 0) == 0, "FREE 0 again");
	tap_check(tap_ioctl(control, ABI_FREE_TAP, 1) == 0, "FREE 1");
}

/* A child that is not the mapper. */
static int child_ioctl(const char *node)
{
	int fd = (int)strtol(node, NULL, 10);

	return -tap_ioctl(fd, ABI_RESPOND, 0);
}

static int child_touch(const char *address)
{
	volatile uint8_t *p = (uint8_t *)strtoul(address, NULL, 16);

	signal(SIGSEGV, SIG_DFL);
	return *p;
}

static void test_mapping(struct tap *tap)
{
	struct pollfd pfd = { .fd = tap->fd, .events = POLLIN };
	struct user u;
	char text[32];
	void *p;
	int second;

	tap_check(tap_ioctl(tap->fd, ABI_RESPOND, 0) == -EACCES,
		  "RESPOND before mmap is EACCES");
	tap_check(tap_ioctl(tap->fd, ABI_REMOVE, 0) == -EACCES,
		  "REMOVE before mmap is EACCES");
	tap_check(poll(&pfd, 1, 0) == 0, "poll before mmap is harmless");
	second = open(tap->ring_node, O_RDWR | O_CLOEXEC);
	tap_check(second < 0 && errno == EBUSY, "second open is EBUSY");
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, tap->fd, 0);
	tap_check(p != MAP_FAILED, "mmap of one page");
	munmap(p, 4096);
	p = mmap(NULL, ABI_MAP_SIZE + 4096, PROT_READ, MAP_SHARED, tap->fd, 0);
	tap_check(p == MAP_FAILED, "mmap of too much is refused");
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, tap->fd, 4096);
	tap_check(p == MAP_FAILED, "mmap of another offset is refused");
	tap_check(tap_map(tap) == 0, "mmap of 353 pages after munmap");
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, tap->fd, 0);
	tap_check(p == MAP_FAILED && errno == EBUSY, "second mmap is EBUSY");
	tap_check(munmap(tap->map + 4096, 4096) < 0,
		  "a piece cannot be unmapped");
	tap_check(tap->ring->req_prod == 0 && tap->ring->req_event == 1 &&
			  tap->ring->rsp_prod == 0 &&
			  tap->ring->rsp_event == 1 && tap->ring->msg == 0,
		  "a fresh ring reads 0, 1, 0, 1, 0");
	snprintf(text, sizeof(text), "%d", tap->fd);
	user_start(&u, child_ioctl, text);
	tap_check(user_end(&u, 30000) == EACCES, "a child's ioctl is EACCES");
	snprintf(text, sizeof(text), "%lx", (unsigned long)tap->map);
	user_start(&u, child_touch, text);
	tap_check(user_end(&u, 30000) == 255, "a child does not inherit it");
}

static void test_ring(int control)
{
	struct tap tap;
	struct abi_params params = { .capacity = 64, .sector_size = 512 };

	tap_check(tap_alloc(&tap, control) == 0 && tap_open(&tap) == 0, "open");
	test_mapping(&tap);
	tap_check(tap_ioctl(tap.fd, ABI_REMOVE, 0) == 0,
		  "REMOVE without a disk is 0");
	tap_check(tap_ioctl(tap.fd, 3, 0) == -ENOTTY, "SETMODE is ENOTTY");
	tap_check(tap_create(&tap, 0, 512, 0) == -EINVAL, "capacity 0");
	tap_check(tap_create(&tap, 64, 256, 0) == -EINVAL, "sector size 256");
	tap_check(tap_create(&tap, 64, 1000, 0) == -EINVAL, "sector size 1000");
	tap_check(tap_create(&tap, 64, 8192, 0) == -EINVAL, "sector size 8192");
	tap_check(tap_ioctl(tap.fd, ABI_CREATE, 1) == -EFAULT,
		  "CREATE from nowhere is EFAULT");
	tap_check(tap_ioctl(tap.fd, ABI_CREATE_COMPAT,
			    (unsigned long)&params) == 0,
		  "old CREATE");
	tap_check(access("/sys/block/tda", F_OK) == 0, "disk is named tda");
	tap_check(tap_create(&tap, 64, 512, 0) == -EEXIST,
		  "second CREATE is EEXIST");
	tap_check(tap_ioctl(control, ABI_FREE_TAP, tap.h.minor) == -EBUSY,
		  "FREE while open is EBUSY");
	user_teardown(&tap, control);
}

static void test_read(struct tap *tap)
{
	struct abi_request req = { 0 };
	struct user u;

	user_start(&u, user_read, tap->disk_node);
	tap_check(tap_next(tap, &req, 30000), "a read comes");
	tap_check(req.op == ABI_OP_READ && req.id < ABI_SLOTS &&
			  req.sector == 8 && req.nr_segments == 1 &&
			  req.seg[0].first == 0 && req.seg[0].last == 7,
		  "op 0, sector 8, one whole page");
	memset(tap_data(tap, req.id), 0xa5, 4096);
	tap_answer(tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&u, 30000) == 0, "the reader gets the bytes");

	user_start(&u, user_read_big, tap->disk_node);
	tap_check(tap_next(tap, &req, 30000) && req.nr_segments == 11 &&
			  req.seg[10].last == 7,
		  "64 KiB come as 88 sectors first");
	memset(tap_data(tap, req.id), 0xa5, 11 * 4096);
	tap_answer(tap, req.id, req.op, ABI_OKAY);
	tap_check(tap_next(tap, &req, 30000) && req.nr_segments == 5 &&
			  req.sector == 88,
		  "and 40 sectors then");
	memset(tap_data(tap, req.id), 0xa5, 5 * 4096);
	tap_answer(tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&u, 30000) == 0, "all of it");
}

static void test_write(struct tap *tap)
{
	struct abi_request req = { 0 };
	struct user u;

	user_start(&u, user_write, tap->disk_node);
	tap_check(tap_next(tap, &req, 30000) && req.op == ABI_OP_WRITE &&
			  req.sector == 3 && req.nr_segments == 1 &&
			  req.seg[0].first == 0 && req.seg[0].last == 1,
		  "a write of two sectors");
	tap_check(tap_data(tap, req.id)[0] == 0x5a &&
			  tap_data(tap, req.id)[1023] == 0x5a,
		  "with its bytes");
	tap_answer(tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&u, 30000) == 0, "the writer is told");
}

static void test_bad_answers(struct tap *tap)
{
	struct abi_request req = { 0 };
	struct user u;

	user_start(&u, user_write, tap->disk_node);
	tap_check(tap_next(tap, &req, 30000), "a write comes");
	tap_answer(tap, 77, req.op, ABI_OKAY);
	tap_answer(tap, (req.id + 1) % ABI_SLOTS, req.op, ABI_OKAY);
	tap_check(user_end(&u, 100) == -1,
		  "answers to unknown requests are ignored");
	tap_answer(tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&u, 30000) == 0, "the true one is not");
	tap_answer(tap, req.id, req.op, ABI_OKAY);
	user_start(&u, user_write, tap->disk_node);
	tap_check(tap_next(tap, &req, 30000), "a second answer does no harm");
	tap_answer(tap, req.id, req.op + 1, ABI_OKAY);
	tap_check(user_end(&u, 30000) == EIO, "a wrong op is EIO");
	user_start(&u, user_write, tap->disk_node);
	tap_check(tap_next(tap, &req, 30000), "and frees the slot");
	tap_answer(tap, req.id, req.op, ABI_EOPNOTSUPP);
	tap_check(user_end(&u, 30000) == EIO, "-2 is EIO");
	user_start(&u, user_write, tap->disk_node);
	tap_check(tap_next(tap, &req, 30000), "another write");
	tap->ring->rsp_prod += 1000;
	tap_check(tap_ioctl(tap->fd, ABI_RESPOND, 0) == -EINVAL,
		  "rsp_prod too far is EINVAL");
	tap->ring->rsp_prod -= 1000;
	tap_answer(tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&u, 30000) == 0, "and changes nothing");
}

static void test_requests(int control)
{
	struct tap tap;

	setup(&tap, control, 0);
	test_read(&tap);
	test_write(&tap);
	test_bad_answers(&tap);
	user_teardown(&tap, control);
}

static void test_poll(int control)
{
	struct tap tap;
	struct pollfd pfd = { .events = POLLIN };
	struct abi_request req;
	struct user u;

	setup(&tap, control, 0);
	pfd.fd = tap.fd;
	(void)poll(&pfd, 1, 200); /* what udev did */
	tap_check(tap_write_file("/sys/module/blktap/parameters/level_poll",
				 "0") == 0,
		  "edge poll");
	user_start(&u, user_write, tap.disk_node);
	tap_check(poll(&pfd, 1, 30000) == 1, "a request wakes poll");
	tap_check(tap.ring->req_prod != tap.req_cons,
		  "and is on the ring then");
	tap_check(poll(&pfd, 1, 0) == 0, "once");
	tap_write_file("/sys/module/blktap/parameters/level_poll", "1");
	/* NOLINTNEXTLINE(misc-redundant-expression): twice is the point */
	tap_check(poll(&pfd, 1, 0) == 1 && poll(&pfd, 1, 0) == 1,
		  "level poll stays readable until the answer");
	tap_check(tap_next(&tap, &req, 1000), "take it");
	tap_answer(&tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&u, 30000) == 0, "the writer is done");
	tap_write_file("/sys/module/blktap/parameters/level_poll", "0");
	tap_check(poll(&pfd, 1, 30000) == 1, "the last close wakes poll");
	tap_check(poll(&pfd, 1, 50) == 0, "once");
	user_teardown(&tap, control);
}

static void test_readonly(int control)
{
	struct tap tap;
	int fd;

	setup(&tap, control, ABI_RO);
	fd = open(tap.disk_node, O_RDWR | O_CLOEXEC);
	tap_check(fd < 0 || (pwrite(fd, "x", 1, 0) < 0 && errno == EPERM),
		  "a read-only disk takes no write");
	if (fd >= 0)
		close(fd);
	user_teardown(&tap, control);
}

static void test_flush(int control)
{
	struct tap tap;
	struct abi_request req = { 0 };
	struct user u;

	setup(&tap, control, 0);
	user_start(&u, user_fsync, tap.disk_node);
	tap_check(user_end(&u, 30000) == 0 && !tap_next(&tap, &req, 0),
		  "without the flag no flush is sent");
	user_start(&u, user_discard, tap.disk_node);
	tap_check(user_end(&u, 30000) == EOPNOTSUPP, "nor a trim");
	user_teardown(&tap, control);

	setup(&tap, control, ABI_FLUSH | ABI_TRIM);
	user_start(&u, user_fsync, tap.disk_node);
	tap_check(tap_next(&tap, &req, 30000) && req.op == ABI_OP_FLUSH &&
			  req.nr_segments == 0 && req.sector == 0,
		  "fsync is op 2, sector 0");
	tap_answer(&tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&u, 30000) == 0, "answered");
	user_start(&u, user_discard, tap.disk_node);
	tap_check(tap_next(&tap, &req, 30000) && req.op == ABI_OP_TRIM &&
			  req.sector == 2048 && req.nr_sectors == 2048,
		  "1 MiB of BLKDISCARD is op 3, sector 2048, 2048 of them");
	tap_answer(&tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&u, 30000) == 0, "answered");
	user_teardown(&tap, control);
}

static void test_flags(int control)
{
	struct abi_info info = { .capacity = 64,
				 .sector_size = 512,
				 .physical_sector_size = 4096,
				 .flags = ABI_RO | 1u << 31,
				 .phys_block_size = 4096 };
	struct tap tap;
	char text[32];
	uint64_t size = 0;
	int fd;

	tap_check(!tap_alloc(&tap, control) && !tap_open(&tap) &&
			  !tap_map(&tap),
		  "a tap");
	tap_check(tap_ioctl(tap.fd, ABI_CREATE, (unsigned long)&info) == 0 &&
			  info.flags == ABI_RO,
		  "unknown flags are cleared");
	fd = open("/sys/block/tda/queue/physical_block_size", O_RDONLY);
	tap_check(fd >= 0 && read(fd, text, 5) == 5 &&
			  !memcmp(text, "4096\n", 5),
		  "physical size of XS's field");
	close(fd);
	fd = open(tap.disk_node, O_RDONLY | O_CLOEXEC);
	tap_check(fd >= 0 && ioctl(fd, BLKGETSIZE64, &size) == 0 &&
			  size == 64 * 512,
		  "capacity is in sectors of 512");
	tap_check(tap_ioctl(tap.fd, ABI_REMOVE, 0) == -EBUSY,
		  "REMOVE while the disk is open is EBUSY");
	close(fd);
	user_teardown(&tap, control);
}

static void test_resize(int control)
{
	struct abi_params params = { .capacity = SECTORS * 2,
				     .sector_size = 512 };
	struct tap tap;
	uint64_t size = 0;
	int fd;

	setup(&tap, control, 0);
	tap_check(tap_ioctl(tap.fd, ABI_SET_PARAMS, (unsigned long)&params) ==
			  0,
		  "SET_PARAMS");
	fd = open(tap.disk_node, O_RDONLY | O_CLOEXEC);
	tap_check(fd >= 0 && ioctl(fd, BLKGETSIZE64, &size) == 0 &&
			  size == SECTORS * 2 * 512ull,
		  "resizes the disk");
	close(fd);
	user_teardown(&tap, control);
}

static void test_disk(int control)
{
	test_readonly(control);
	test_flush(control);
	test_flags(control);
	test_resize(control);
}

static void test_sysfs(int control)
{
	struct tap tap;
	char text[512], path[256];

	setup(&tap, control, 0);
	tap_sysfs(&tap, "name", text, sizeof(text));
	tap_check(!strcmp(text, "0"), "name is the minor at first");
	snprintf(path, sizeof(path), "%s/name", tap.sysfs);
	tap_check(tap_write_file(path, "vhd:/a b\n") == 0, "name is written");
	tap_sysfs(&tap, "name", text, sizeof(text));
	tap_check(!strcmp(text, "vhd:/a b"), "and read without the newline");
	tap_sysfs(&tap, "task", text, sizeof(text));
	tap_check(strtol(text, NULL, 10) == getpid(), "task is the opener");
	tap_sysfs(&tap, "pool", text, sizeof(text));
	tap_check(!strcmp(text, "default"), "pool is default");
	snprintf(path, sizeof(path), "%s/pool", tap.sysfs);
	tap_check(tap_write_file(path, "sr1") == -EBUSY,
		  "and stays while there is a disk");
	tap_sysfs(&tap, "debug", text, sizeof(text));
	tap_check(!strncmp(text, "tap ", 4), "debug");
	tap_check(user_file_has("/sys/class/blktap2/devices", "0 vhd:/a b\n"),
		  "devices lists it");
	snprintf(path, sizeof(path), "%s/remove", tap.sysfs);
	tap_check((access(path, F_OK) == 0) == tap_is_classic(),
		  "remove exists with the old names only");
	tap_check(tap_ioctl(tap.fd, ABI_REMOVE, 0) == 0, "REMOVE");
	snprintf(path, sizeof(path), "%s/pool", tap.sysfs);
	tap_check(tap_write_file(path, "sr1\n") == 0, "now the pool moves");
	snprintf(path, sizeof(path), "/sys/class/misc/%s/pools/sr1/size",
		 tap_is_classic() ? "blktap-control" : "blktap!control");
	tap_check(tap_write_file(path, "1056") == 0, "its size is written");
	tap_check(user_file_has(path, "1056"), "and read");
	tap_close(&tap);
	tap_sysfs(&tap, "task", text, sizeof(text));
	tap_check(!strcmp(text, ""), "no task after close");
	tap_check(tap_ioctl(control, ABI_FREE_TAP, tap.h.minor) == 0, "FREE");
	tap_check(access(path, F_OK) != 0, "a pool goes with its last user");
}

static void test_large(int control)
{
	large_questions(control);
	large_requests(control);
	large_reattach(control);
}

static const struct {
	const char *name;
	void (*run)(int control);
} groups[] = {
	{ "names", test_names },       { "ring", test_ring },
	{ "requests", test_requests }, { "poll", test_poll },
	{ "disk", test_disk },         { "sysfs", test_sysfs },
	{ "large", test_large },
};

int main(int argc, char **argv)
{
	int control = tap_control();

	if (control < 0) {
		printf("Bail out! no control device: %s\n", strerror(errno));
		return 1;
	}
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		bool wanted = argc < 2;

		for (int a = 1; a < argc; a++)
			wanted |= !strcmp(argv[a], groups[i].name);
		if (wanted)
			groups[i].run(control);
	}
	tap_done();
	return tap_failed() != 0;
}
