/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * large.c - the module's requests of more than 11 pages.
 */
#include "tests/kmod/large.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/kmod/tap.h"
#include "tests/kmod/user.h"

#define SECTORS 8192u
#define MIB     (1u << 20)
#define PIECE   ((size_t)ABI_SEGS * ABI_PAGE)
#define PARAM   "/sys/module/blktap/parameters/large_kib"

/* --- the disk's bytes: each word says where it is --- */

static void fill(uint8_t *at, uint64_t off, size_t len)
{
	for (size_t i = 0; i < len; i += 4)
		memcpy(at + i, &(uint32_t){ (uint32_t)(off + i) ^ 0x5bd1e995 },
		       4);
}

static bool filled(const uint8_t *at, uint64_t off, size_t len)
{
	for (size_t i = 0; i < len; i += 4)
		if (memcmp(at + i,
			   &(uint32_t){ (uint32_t)(off + i) ^ 0x5bd1e995 }, 4))
			return false;
	return true;
}

/* For user_start(): a MiB, of as many pages as one bio has. */
static int transfer(const char *node, bool write, off_t off)
{
	uint8_t *buf = NULL;
	ssize_t n;
	int fd;

	/* The ring device is its tapdisk's alone, and may be opened anew. */
	for (fd = 3; fd < 64; fd++)
		(void)close(fd); /* most are not open */
	fd = open(node, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || posix_memalign((void **)&buf, 4096, MIB))
		return errno;
	fill(buf, off, write ? MIB : 0);
	n = write ? pwrite(fd, buf, MIB, off) : pread(fd, buf, MIB, off);
	if (n < 0)
		return errno;
	return n == MIB && filled(buf, off, MIB) ? 0 : EBADMSG;
}

static int read_first(const char *node)
{
	return transfer(node, false, 0);
}

static int read_second(const char *node)
{
	return transfer(node, false, MIB);
}

static int write_second(const char *node)
{
	return transfer(node, true, MIB);
}

/* --- questions --- */

static int ask(struct tap *tap, uint32_t bytes, uint32_t window,
	       struct abi_large *out)
{
	*out = (struct abi_large){ ABI_LARGE_VERSION, bytes, window, 0 };
	return tap_ioctl(tap->fd, ABI_LARGE, (unsigned long)out);
}

/* What cannot be meant; the promise from before is not touched. */
static void bad_questions(struct tap *tap)
{
	static const struct {
		struct abi_large in;
		const char *what;
	} bad[] = {
		{ { 0, MIB, MIB, 0 }, "version 0" },
		{ { 2, MIB, MIB, 0 }, "version 2" },
		{ { 1, MIB, MIB, 1 }, "a reserved word" },
		{ { 1, 0, MIB, 0 }, "requests of no bytes" },
		{ { 1, PIECE, MIB, 0 }, "requests of 11 pages" },
		{ { 1, MIB - 512, MIB, 0 }, "a part of a page" },
		{ { 1, MIB, 0, 0 }, "no window" },
		{ { 1, MIB, MIB / 2, 0 }, "a window for less than a request" },
		{ { 1, 65536, MIB + 4096, 0 }, "a part of a grain" },
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct abi_large large = bad[i].in;

		tap_check(tap_ioctl(tap->fd, ABI_LARGE,
				    (unsigned long)&large) == -EINVAL,
			  "%s is EINVAL", bad[i].what);
	}
	tap_check(tap_ioctl(tap->fd, ABI_LARGE, 1) == -EFAULT,
		  "a question from nowhere is EFAULT");
}

static bool maps(struct tap *tap, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, tap->fd,
		       0);

	if (p != MAP_FAILED)
		munmap(p, size);
	return p != MAP_FAILED;
}

static void good_questions(struct tap *tap)
{
	struct abi_large out;

	tap_check(ask(tap, MIB, 4 * MIB, &out) == 0 && out.bytes == MIB &&
			  out.window == 4 * MIB && out.version == 1,
		  "a tapdisk that asks gets what it asks for");
	tap_check(ask(tap, 64 * MIB, 64 * MIB, &out) == 0 && out.bytes == MIB &&
			  out.window == 4 * MIB,
		  "or as much as there is");
	tap_check(ask(tap, 65536, 65536, &out) == 0 && out.bytes == 65536 &&
			  out.window == 65536,
		  "asked again, it is as little as that");
	bad_questions(tap);
	tap_check(maps(tap, ABI_MAP_SIZE + 65536),
		  "what was promised is there");
	tap_check(!maps(tap, ABI_MAP_SIZE + 65536 - 4096), "not less");
	tap_check(!maps(tap, ABI_MAP_SIZE + 65536 + 4096), "nor more");
}

static long queue_kib(void)
{
	char text[32] = "";
	int fd = open("/sys/block/tda/queue/max_hw_sectors_kb", O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	if (fd >= 0)
		close(fd);
	return strtol(text, NULL, 10);
}

void large_questions(int control)
{
	struct abi_large out;
	struct tap tap;

	tap_check(tap_alloc(&tap, control) == 0 && tap_open(&tap) == 0, "open");
	tap_check(!maps(&tap, ABI_MAP_SIZE + 65536),
		  "who does not ask has no window");
	good_questions(&tap);
	tap_close(&tap);
	tap_check(tap_open(&tap) == 0 && !maps(&tap, ABI_MAP_SIZE + 65536),
		  "the next opener has to ask for itself");
	tap_write_file(PARAM, "0");
	tap_check(ask(&tap, MIB, MIB, &out) == -ENOTTY,
		  "without memory for it the module knows nothing of it");
	tap_write_file(PARAM, "1000");
	tap_check(ask(&tap, MIB, MIB, &out) == 0 && out.window == 15 * 65536 &&
			  out.bytes == out.window,
		  "a limit is kept to, in whole grains");
	tap_write_file(PARAM, "4096");
	tap_check(ask(&tap, MIB, MIB, &out) == 0 && tap_map(&tap) == 0,
		  "who asked may still map the old size");
	tap_check(ask(&tap, MIB, MIB, &out) == -EBUSY,
		  "a question after mmap is EBUSY");
	tap_check(tap_create(&tap, SECTORS, 512, 0) == 0 && queue_kib() == 44,
		  "and gets 44 KiB a request");
	tap_check(ask(&tap, MIB, MIB, &out) == -EBUSY, "after CREATE likewise");
	user_teardown(&tap, control);
}

/* --- requests --- */

static bool is_large(const struct abi_request *req, uint8_t op, uint64_t sector,
		     uint64_t sectors)
{
	return req->op == op && !req->nr_segments && req->id < ABI_SLOTS &&
	       req->sector == sector && req->large.nr_sectors == sectors &&
	       req->large.at % ABI_PAGE == 0;
}

static bool is_piece(const struct abi_request *req, uint8_t op, uint64_t off,
		     size_t len)
{
	size_t n = 0;

	for (unsigned i = 0; i < req->nr_segments && i < ABI_SEGS; i++)
		n += req->seg[i].first ? 0 : (req->seg[i].last + 1u) * 512;
	return req->op == op && req->id < ABI_SLOTS &&
	       req->sector == off / 512 && n == len;
}

/* A tap with a disk and a window of so many bytes. */
static void setup(struct tap *tap, int control, uint32_t window)
{
	struct abi_large out;

	if (tap_alloc(tap, control) || tap_open(tap) ||
	    ask(tap, MIB, window, &out) || tap_map_large(tap, window) ||
	    tap_create(tap, SECTORS, 512, 0)) {
		printf("Bail out! no tap: %s\n", strerror(errno));
		exit(1);
	}
	/* What is asked for at once is not to be merged with another. */
	tap_write_file("/sys/block/tda/queue/scheduler", "none");
	tap_write_file("/sys/block/tda/queue/nomerges", "2");
}

static void one_message(struct tap *tap)
{
	struct abi_request req = { 0 };
	struct user u;

	tap_check(queue_kib() == 1024, "a request may have a MiB");
	user_start(&u, read_second, tap->disk_node);
	tap_check(tap_next(tap, &req, 30000) &&
			  is_large(&req, ABI_OP_READ_LARGE, 2048, 2048) &&
			  req.large.at <= 3 * MIB,
		  "a MiB is read with one request");
	fill(tap_bytes(tap, &req), MIB, MIB);
	tap_answer(tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&u, 30000) == 0, "the reader gets the bytes");
	user_start(&u, write_second, tap->disk_node);
	tap_check(tap_next(tap, &req, 30000) &&
			  is_large(&req, ABI_OP_WRITE_LARGE, 2048, 2048) &&
			  filled(tap_bytes(tap, &req), MIB, MIB),
		  "and written with one");
	tap_answer(tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&u, 30000) == 0, "the writer is told");
	user_start(&u, user_read, tap->disk_node);
	tap_check(tap_next(tap, &req, 30000) &&
			  is_piece(&req, ABI_OP_READ, 4096, 4096),
		  "a page comes as ever");
	memset(tap_data(tap, req.id), 0xa5, 4096);
	tap_answer(tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&u, 30000) == 0, "and goes as ever");
}

static void wrong_answers(struct tap *tap)
{
	struct abi_request req = { 0 };
	struct user u;

	user_start(&u, write_second, tap->disk_node);
	tap_check(tap_next(tap, &req, 30000), "a large write comes");
	tap_answer(tap, req.id, ABI_OP_WRITE, ABI_OKAY);
	tap_check(user_end(&u, 30000) == EIO, "the old op for it is EIO");
	user_start(&u, read_second, tap->disk_node);
	tap_check(tap_next(tap, &req, 30000), "a large read comes");
	tap_answer(tap, req.id, req.op, ABI_ERROR);
	tap_check(user_end(&u, 30000) == EIO, "an error is EIO");
	tap_check(tap->ring->req_prod == tap->req_cons, "and the end of it");
}

/* A window of a MiB: who comes second finds no room. */
static void no_room(struct tap *tap)
{
	struct abi_request large = { 0 }, req = { 0 };
	struct user first, second;

	user_start(&first, read_first, tap->disk_node);
	tap_check(tap_next(tap, &large, 30000) &&
			  is_large(&large, ABI_OP_READ_LARGE, 0, 2048),
		  "the first has the window");
	user_start(&second, read_second, tap->disk_node);
	for (unsigned i = 0; i < 2; i++) {
		tap_check(tap_next(tap, &req, 30000) &&
				  is_piece(&req, ABI_OP_READ, MIB + i * PIECE,
					   PIECE),
			  "piece %u of the second", i);
		fill(tap_bytes(tap, &req), MIB + i * PIECE, PIECE);
		if (i == 1) {
			fill(tap_bytes(tap, &large), 0, MIB);
			tap_answer(tap, large.id, large.op, ABI_OKAY);
			tap_check(user_end(&first, 30000) == 0,
				  "the first one is through");
		}
		tap_answer(tap, req.id, req.op, ABI_OKAY);
	}
	tap_check(tap_next(tap, &req, 30000) &&
			  is_large(&req, ABI_OP_READ_LARGE,
				   (MIB + 2 * PIECE) / 512,
				   (MIB - 2 * PIECE) / 512),
		  "the rest of the second has the window");
	fill(tap_bytes(tap, &req), MIB + 2 * PIECE, MIB - 2 * PIECE);
	tap_answer(tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&second, 30000) == 0, "its reader gets all bytes");
}

void large_requests(int control)
{
	struct tap tap;

	setup(&tap, control, 4 * MIB);
	one_message(&tap);
	wrong_answers(&tap);
	user_teardown(&tap, control);
	setup(&tap, control, MIB);
	no_room(&tap);
	user_teardown(&tap, control);
}

/* --- another tapdisk --- */

/* Serve a write in pieces; how many there were, or -1. */
static int take_pieces(struct tap *tap, unsigned most)
{
	struct abi_request req;
	unsigned n = 0;

	for (uint64_t off = 0; off < MIB && n < most; n++) {
		size_t len = MIB - off < PIECE ? MIB - off : PIECE;

		if (!tap_next(tap, &req, 30000) ||
		    !is_piece(&req, ABI_OP_WRITE, MIB + off, len) ||
		    !filled(tap_data(tap, req.id), MIB + off, len))
			return -1;
		tap_answer(tap, req.id, req.op, ABI_OKAY);
		off += len;
	}
	return (int)n;
}

static void leave_and_map(struct tap *tap, uint32_t window)
{
	struct abi_large out;

	tap_close(tap);
	tap_check(tap_open(tap) == 0 &&
			  (!window || ask(tap, MIB, window, &out) == 0) &&
			  tap_map_large(tap, window) == 0,
		  "a tapdisk with %u MiB of window maps the ring",
		  window >> 20);
	tap_check(tap_create(tap, SECTORS, 512, 0) == -EEXIST,
		  "and finds the disk there");
}

void large_reattach(int control)
{
	struct abi_request req = { 0 };
	struct tap tap;
	struct user u;

	setup(&tap, control, 4 * MIB);
	user_start(&u, write_second, tap.disk_node);
	tap_check(tap_next(&tap, &req, 30000) &&
			  is_large(&req, ABI_OP_WRITE_LARGE, 2048, 2048),
		  "a tapdisk goes with a large write in its hands");
	leave_and_map(&tap, 0);
	tap_check(take_pieces(&tap, 3) == 3,
		  "an old one gets it in pieces, with their bytes");
	leave_and_map(&tap, 0);
	tap_check(take_pieces(&tap, 24) == 24,
		  "the next one from the beginning, in 24 pieces");
	tap_check(user_end(&u, 30000) == 0, "the writer never knew");

	user_start(&u, write_second, tap.disk_node);
	tap_check(take_pieces(&tap, 3) == 3, "an old one still gets pieces");
	leave_and_map(&tap, MIB);
	tap_check(tap_next(&tap, &req, 30000) &&
			  is_large(&req, ABI_OP_WRITE_LARGE, 2048, 2048) &&
			  filled(tap_bytes(&tap, &req), MIB, MIB),
		  "one that asked gets the whole of it");
	tap_answer(&tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&u, 30000) == 0, "the writer never knew");

	leave_and_map(&tap, 0);
	user_start(&u, write_second, tap.disk_node);
	tap_check(take_pieces(&tap, 2) == 2 && tap_next(&tap, &req, 30000),
		  "two pieces of a write go well");
	tap_answer(&tap, req.id, req.op, ABI_ERROR);
	tap_check(user_end(&u, 30000) == EIO &&
			  tap.ring->req_prod == tap.req_cons,
		  "an error of the third is that of the write");
	user_teardown(&tap, control);
}
