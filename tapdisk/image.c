/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.c - a request on its way into a driver: checked, counted, and put in
 * simpler terms where the driver cannot do what is asked.
 *
 * What is put in simpler terms is done by one request of the image's own
 * pool, one step after the other, and the first is answered when the last
 * step is:
 *
 *	write, FUA           write it; flush
 *	zero                 write zeroes, STEP bytes at a time; flush if FUA
 *	zero, FUA            zero it; flush
 *	read past the end    of a parent: read what there is; the rest is 0
 *
 * When the pool is out, requests wait their turn in order.
 */
#include "tapdisk/image.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/log.h"
#include "tapdisk/passed.h"

#define STAND_INS 64 /* at most, of an image's depth */
#define ZEROES    65536
#define STEP      (4 * ZEROES)

static const uint8_t zeroes[ZEROES] __attribute__((aligned(4096)));
static const struct iovec zero_iov[STEP / ZEROES] = {
	{ (void *)zeroes, ZEROES },
	{ (void *)zeroes, ZEROES },
	{ (void *)zeroes, ZEROES },
	{ (void *)zeroes, ZEROES },
};

/* Behind a request that stands for another. */
struct stand_in {
	struct image *img;
	struct req *req; /* the other */
	uint64_t at;     /* so much of it is done */
	uint64_t end;    /* so much of it is there to do */
	bool flush;      /* then flush */
};

int image_new(struct image **out, const struct driver *drv, const char *name)
{
	struct image_box *box = calloc(1, sizeof(*box));

	if (!box)
		return -ENOMEM;
	list_init(&box->waiting);
	list_init(&box->link);
	box->img.drv = drv;
	box->name = strdup(name);
	box->img.name = box->name;
	box->img.state = calloc(1, drv->state_size ? drv->state_size : 1);
	if (!box->name || !box->img.state) {
		image_free(&box->img);
		return -ENOMEM;
	}
	*out = &box->img;
	return 0;
}

void image_free(struct image *img)
{
	struct image_box *box;

	if (!img)
		return;
	box = image_box(img);
	assert(list_empty(&box->waiting));
	req_pool_free(box->pool);
	free(box->parent_spec);
	free(box->name);
	free(img->state);
	free(box);
}

int image_check(struct image *img, struct err *err)
{
	struct image_info *info = &img->info;

	if (info->block_size != 512 && info->block_size != 4096)
		return err_set(err, -EINVAL,
			       "block size %u, neither 512 nor 4096",
			       info->block_size);
	if (info->size > INT64_MAX || info->size % info->block_size)
		return err_set(err, -EINVAL,
			       "size %llu is no multiple of blocks of %u",
			       (unsigned long long)info->size,
			       info->block_size);
	if (!info->size && !img->grows)
		return err_set(err, -EINVAL, "size 0");
	if (info->phys_block_size < info->block_size)
		info->phys_block_size = info->block_size;
	/* A write below that may land later may do so from here as well. */
	if (img->file && !(img->file->info.caps & IMAGE_FENCED))
		info->caps &= ~IMAGE_FENCED;
	return 0;
}

static void id_text(char *out, const uint8_t *id)
{
	unsigned i;

	for (i = 0; i < 16; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", id[i]); /* it fits */
}

int image_join(struct image *child, struct image *parent, struct err *err)
{
	struct image_box *box = image_box(child);
	char want[33], have[33];

	if (box->parent_known &&
	    memcmp(box->parent_id, parent->info.id, 16) != 0) {
		id_text(want, box->parent_id);
		id_text(have, parent->info.id);
		return err_set(err, -EINVAL,
			       "%s:%s is image %s, not the parent %s",
			       parent->drv->name, parent->name, have, want);
	}
	if (parent->info.block_size > child->info.block_size)
		return err_set(err, -EINVAL,
			       "blocks of %u over a parent with blocks of %u",
			       child->info.block_size, parent->info.block_size);
	child->parent = parent;
	image_box(parent)->child = child;
	return 0;
}

static bool needs_stand_ins(const struct image *img)
{
	const struct image *child = image_box(img)->child;
	const unsigned both = IMAGE_CAN_FUA | IMAGE_CAN_ZERO;

	if (child && child->info.size > img->info.size)
		return true;
	return !img->readonly && (img->info.caps & both) != both;
}

int image_ready(struct image *img, struct err *err)
{
	struct image_box *box = image_box(img);
	unsigned count = img->depth < STAND_INS ? img->depth : STAND_INS;

	if (box->pool || !needs_stand_ins(img))
		return 0;
	if (req_pool_new(&box->pool, count ? count : 1,
			 sizeof(struct stand_in)))
		return err_set(err, -ENOMEM, "no memory");
	return 0;
}

void image_write_through(struct image *top, bool on)
{
	for (; top; top = top->file)
		top->write_through = on;
}

int image_set_parent(struct image *img, const char *spec, const uint8_t *id)
{
	struct image_box *box = image_box(img);
	char *copy = strdup(spec);

	if (!copy)
		return -ENOMEM;
	free(box->parent_spec);
	box->parent_spec = copy;
	box->parent_known = id != NULL;
	if (id)
		memcpy(box->parent_id, id, sizeof(box->parent_id));
	return 0;
}

int image_passed_fd(const struct image *img, const char *name)
{
	return passed_take(image_box(img)->passed, name);
}

void image_poison(struct image *img, int err, const char *why)
{
	if (img->poisoned)
		return;
	img->poisoned = true;
	errno = -err;
	log_error("%s:%s: %s: %m; nothing more is read or written",
		  img->drv->name, img->name, why);
}

/* --- requests that stand for others --------------------------------------- */

static void step(struct req *sub);

static void stand_in(struct image *img, struct req *req);

static void next_waiting(struct image_box *box)
{
	struct list *link;
	struct req *req;

	while ((link = list_pop(&box->waiting))) {
		req = container_of(link, struct req, answer.link);
		if (!box->img.poisoned) {
			stand_in(&box->img, req);
			return;
		}
		req_done(req, -EIO);
	}
}

/* What is not there is a hole, if what is there was told to its end. */
static void extents_end(struct stand_in *s)
{
	struct extents *e = s->req->extents;
	uint64_t told = 0;
	unsigned i;

	for (i = 0; i < e->count; i++)
		told += e->ext[i].len;
	if (told == s->end && s->end < s->req->len)
		(void)extents_add(e, s->req->len - s->end,
				  EXTENT_HOLE | EXTENT_ZERO); /* if it fits */
}

static void finish(struct req *sub, int err)
{
	struct stand_in *s = req_extra(sub);
	struct image_box *box = image_box(s->img);

	if (!err && s->req->op == REQ_EXTENTS)
		extents_end(s);
	req_done(s->req, err);
	req_put(box->pool, sub);
	next_waiting(box);
}

static void stepped(struct req *sub)
{
	struct stand_in *s = req_extra(sub);

	if (sub->err) {
		finish(sub, sub->err);
		return;
	}
	s->at += sub->op == REQ_FLUSH ? 0 : sub->len;
	step(sub);
}

/* The next piece of what the driver can do; sub->flags stay. */
static void piece(struct req *sub, const struct stand_in *s)
{
	uint64_t left = s->end - s->at;
	unsigned flags = sub->flags;

	req_slice(sub, s->req, s->at, left);
	sub->flags = flags;
	sub->extents = s->req->extents;
	if (sub->op == REQ_ZERO && !(s->img->info.caps & IMAGE_CAN_ZERO)) {
		sub->op = REQ_WRITE;
		sub->flags &= REQ_FUA;
		sub->iov = zero_iov;
		sub->iovcnt = ARRAY_SIZE(zero_iov);
		sub->iov_skip = 0;
		sub->len = left < STEP ? left : STEP;
	}
}

static void step(struct req *sub)
{
	struct stand_in *s = req_extra(sub);

	if (s->at < s->end) {
		piece(sub, s);
	} else if (s->flush) {
		s->flush = false;
		*sub = (struct req){ .op = REQ_FLUSH, .loop = s->img->loop };
	} else {
		finish(sub, 0);
		return;
	}
	sub->done = stepped;
	s->img->drv->submit(s->img, sub);
}

static void stand_in(struct image *img, struct req *req)
{
	struct image_box *box = image_box(img);
	bool fua = req->flags & REQ_FUA, can = img->info.caps & IMAGE_CAN_FUA;
	struct req *sub = req_get(box->pool);
	struct stand_in *s;
	uint64_t end = req->len;

	if (!sub) {
		list_add_tail(&box->waiting, &req->answer.link);
		return;
	}
	if (box->child && end > img->info.size - req->off)
		end = img->info.size - req->off;
	sub->loop = img->loop;
	sub->flags = can ? req->flags : req->flags & ~REQ_FUA;
	s = req_extra(sub);
	*s = (struct stand_in){
		.img = img, .req = req, .end = end, .flush = fua && !can
	};
	step(sub);
}

/* --- the way in ----------------------------------------------------------- */

/* What a driver has to be able to do, for each op. */
static const unsigned needs[] = {
	[REQ_READ] = 0,
	[REQ_WRITE] = 0,
	[REQ_FLUSH] = IMAGE_CAN_FLUSH,
	[REQ_ZERO] = IMAGE_CAN_ZERO,
	[REQ_DISCARD] = IMAGE_CAN_DISCARD,
	[REQ_EXTENTS] = IMAGE_CAN_EXTENTS,
	[REQ_RESIZE] = 0,
};

static bool changes(const struct req *req)
{
	return req->op != REQ_READ && req->op != REQ_FLUSH &&
	       req->op != REQ_EXTENTS;
}

static int check(const struct image *img, const struct req *req)
{
	const struct image *child = image_box(img)->child;
	uint64_t limit = img->info.size;

	if (img->poisoned)
		return -EIO;
	if (changes(req) && img->readonly)
		return -EROFS;
	if (req->op == REQ_FLUSH)
		return 0;
	if (req->op == REQ_RESIZE)
		return img->grows && req->off <= INT64_MAX ? 0 : -EOPNOTSUPP;
	if (img->grows)
		limit = INT64_MAX;
	else if (child && child->info.size > limit)
		limit = child->info.size;
	if (!bytes_within(req->off, req->len, limit))
		return -EINVAL;
	if ((req->off | req->len) & (img->info.block_size - 1))
		return -EINVAL;
	return 0;
}

static void count(struct image *img, struct req *req)
{
	struct image *child = image_box(img)->child;
	unsigned way = req->op == REQ_WRITE;
	uint64_t sectors = req->len >> 9;

	req->counters = &img->counters;
	req->counters->hits[way] += sectors;
	/* A copy of a write was never its child's. */
	if (child && !way && child->counters.hits[way] >= sectors)
		child->counters.hits[way] -= sectors;
}

/* A parent is asked for more than it has. */
static void past_end(struct image *img, struct req *req)
{
	struct req tail = { .loop = NULL };
	uint64_t there = img->info.size;

	there = req->off < there ? there - req->off : 0;
	if (req->op == REQ_READ) {
		req_slice(&tail, req, there, req->len - there);
		req_fill_zero(&tail);
	}
	if (there) {
		stand_in(img, req);
		return;
	}
	if (req->op == REQ_EXTENTS)
		(void)extents_add(req->extents, req->len,
				  EXTENT_HOLE | EXTENT_ZERO); /* the first */
	req_done(req, 0);
}

static void simplify(struct image *img, struct req *req, unsigned missing)
{
	unsigned can = img->info.caps;

	if (req->op == REQ_EXTENTS) {
		(void)extents_add(req->extents, req->len, 0); /* the first */
		req_done(req, 0);
	} else if (missing & (IMAGE_CAN_FLUSH | IMAGE_CAN_DISCARD) ||
		   (missing & IMAGE_CAN_FUA && !(can & IMAGE_CAN_FLUSH))) {
		req_done(req, -EOPNOTSUPP);
	} else {
		stand_in(img, req);
	}
}

void image_submit(struct image *img, struct req *req)
{
	unsigned missing = needs[req->op];
	int err;

	req->loop = img->loop;
	req->answer.run = NULL;
	req->counters = NULL;
	err = check(img, req);
	if (err || (req->op == REQ_FLUSH && img->readonly) ||
	    (!req->len && req->op != REQ_FLUSH && req->op != REQ_RESIZE)) {
		req_done(req, err);
		return;
	}
	if (req->op == REQ_READ || req->op == REQ_WRITE)
		count(img, req);
	if (req->flags & REQ_FUA && changes(req))
		missing |= IMAGE_CAN_FUA;
	missing &= ~img->info.caps;
	if (image_box(img)->child && req->off + req->len > img->info.size)
		past_end(img, req);
	else if (missing)
		simplify(img, req, missing);
	else
		img->drv->submit(img, req);
}

/* --- a request from another thread ---------------------------------------- */

struct waiter {
	struct deferred start;
	struct image *img;
	struct req req;
	pthread_mutex_t lock; /* of answered */
	pthread_cond_t wake;
	bool answered;
};

static void wait_start(struct deferred *d)
{
	struct waiter *w = container_of(d, struct waiter, start);

	image_submit(w->img, &w->req);
}

static void wait_done(struct req *req)
{
	struct waiter *w = container_of(req, struct waiter, req);

	(void)pthread_mutex_lock(&w->lock); /* only fails if misused */
	w->answered = true;
	(void)pthread_cond_signal(&w->wake);  /* cannot fail */
	(void)pthread_mutex_unlock(&w->lock); /* only fails if misused */
}

int image_wait(struct image *img, struct req *req)
{
	struct waiter w = { .start.run = wait_start,
			    .img = img,
			    .req = *req,
			    .lock = PTHREAD_MUTEX_INITIALIZER,
			    .wake = PTHREAD_COND_INITIALIZER };

	assert(!loop_owned(img->loop)); /* it would wait for itself */
	w.req.done = wait_done;
	loop_post(img->loop, &w.start);
	(void)pthread_mutex_lock(&w.lock); /* only fails if misused */
	while (!w.answered)
		(void)pthread_cond_wait(&w.wake, &w.lock); /* likewise */
	(void)pthread_mutex_unlock(&w.lock); /* only fails if misused */
	req->err = w.req.err;
	return req->err;
}
