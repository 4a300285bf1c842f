/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store.c - a medium in memory that answers in any order and keeps a log. */
#include "tests/lib/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"

struct store store;

uint64_t store_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static struct store_entry *entry(enum store_what what)
{
	struct store_entry *e;

	if (store.entries == store.room) {
		store.room = store.room ? 2 * store.room : 256;
		store.log = realloc(store.log, store.room * sizeof(*store.log));
		assert(store.log);
	}
	e = &store.log[store.entries++];
	*e = (struct store_entry){ .what = what };
	return e;
}

void store_note(int note, unsigned arg)
{
	struct store_entry *e = entry(STORE_NOTE);

	e->note = note;
	e->arg = arg;
}

void store_new(const char *path, uint64_t seed)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	assert(fd >= 0 && !fstat(fd, &st) && !store.data);
	store.data = mmap(NULL, STORE_MAX, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(store.data != MAP_FAILED);
	n = pread(fd, store.data, STORE_MAX, 0);
	assert(n == st.st_size);
	close(fd);
	store.size = (uint64_t)n;
	store.seed = seed * 2654435761u + 88172645463325252u;
	store.caps = IMAGE_CAN_FLUSH | IMAGE_CAN_ZERO | IMAGE_CAN_DISCARD;
	list_init(&store.held);
	list_init(&store.timer.link);
}

void store_free(void)
{
	for (unsigned i = 0; i < store.entries; i++)
		free(store.log[i].data);
	free(store.log);
	munmap(store.data, STORE_MAX);
	memset(&store, 0, sizeof(store));
}

static int serve(struct req *req)
{
	uint64_t end = req->off + req->len;

	if (req->op == REQ_READ && end > store.size)
		return -EIO;
	if (end > STORE_MAX)
		return -ENOSPC;
	if (req->op == REQ_READ)
		req_copy_in(req, 0, store.data + req->off, req->len);
	else if (req->op == REQ_WRITE)
		req_copy_out(req, 0, store.data + req->off, req->len);
	else if (req->op == REQ_ZERO)
		memset(store.data + req->off, 0, req->len);
	if ((req->op == REQ_WRITE || req->op == REQ_ZERO) && end > store.size)
		store.size = end;
	if (req->op == REQ_RESIZE) {
		if (req->off < store.size)
			memset(store.data + req->off, 0, store.size - req->off);
		store.size = req->off;
	}
	return 0;
}

/* req->err holds, until the answer, the index of the entry. */
static void answer(struct req *req)
{
	unsigned asked = (unsigned)req->err;
	int err = serve(req);

	if (req->op != REQ_READ) {
		struct store_entry *e = entry(STORE_ANSWERED);

		e->op = req->op;
		e->entry = asked;
	}
	store.img->info.size = store.size;
	req_done(req, err);
}

static void pick(void)
{
	unsigned n = store_random(&store.seed) % store.count;
	struct list *pos = store.held.next;

	while (!store.at_once && n--)
		pos = pos->next;
	if (store.lazy && store_random(&store.seed) % 20000 &&
	    container_of(pos, struct req, answer.link)->op == REQ_ZERO)
		return;
	list_del(pos);
	store.count--;
	answer(container_of(pos, struct req, answer.link));
}

static void turn(struct timer *t)
{
	unsigned n = 1 + store_random(&store.seed) % 3;

	while (store.count && (store.at_once || n--))
		pick();
	if (store.count)
		loop_timer(store.img->loop, t, 0);
}

static int store_open(struct image *img, struct err *err)
{
	(void)err;
	store.img = img;
	store.timer.fire = turn;
	img->info.size = store.size;
	img->info.block_size = 512;
	img->info.caps = store.caps;
	return 0;
}

static void store_submit(struct image *img, struct req *req)
{
	if (req->op != REQ_READ) {
		struct store_entry *e = entry(STORE_ASKED);

		e->op = req->op;
		e->off = req->off;
		e->len = req->len;
		if (req->op == REQ_WRITE) {
			e->data = malloc(req->len);
			assert(e->data);
			req_copy_out(req, 0, e->data, req->len);
		}
		req->err = (int)store.entries - 1;
	}
	list_add_tail(&store.held, &req->answer.link);
	if (!store.count++)
		loop_timer(img->loop, &store.timer, 0);
}

const struct driver store_driver = {
	.name = "store",
	.summary = "memory that answers in any order",
	.kind = DRIVER_PROTOCOL,
	.open = store_open,
	.submit = store_submit,
};
