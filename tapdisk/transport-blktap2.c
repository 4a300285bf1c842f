/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport-blktap2.c - the kernel's block layer as a client: the char device
 * of the blktap2 module.
 *
 * A wake of the descriptor is a hint and no more: some modules report an
 * event once, and to whichever call asked first, others as long as anything
 * is unanswered. So the descriptor is watched edge-triggered, and the shared
 * index is compared at the end of every turn of the loop, whatever woke it.
 *
 * No byte is copied here: a request's segments lie in the mapped data area,
 * which the module takes back when it consumes the answer. An answer is
 * published once, by ring_push(), and one ioctl tells of a whole batch.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "compat/blktap2/abi.h"
#include "compat/blktap2/blktap2.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/list.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tapdisk/driver.h"
#include "tapdisk/transport.h"
#include "tapdisk/vbd.h"
#include "xenio/ring.h"

struct blktap2 {
	struct channel *ch;
	struct blktap2_dev *dev; /* its maker's */
	struct ring *ring;
	struct watch watch;
	struct hook hook;
	bool running;
	bool full;     /* channel_get() had none */
	bool answered; /* answers not yet pushed */
	uint64_t reqs[2];
	uint64_t kicks[2];
	struct ring_req next;
};

/* Behind each request. */
struct slot {
	uint64_t id;
	uint8_t answer_op;
	struct iovec iov[ABI_SEGS];
};

static struct blktap2 *state_of(const struct channel *ch)
{
	return ch->state;
}

static void answer(struct blktap2 *b, uint64_t id, uint8_t op, int16_t status)
{
	(void)ring_answer(b->ring, id, op, status); /* no journal here */
	b->answered = true;
	b->reqs[1]++;
}

/* The segments of a slot of the data area, neighbours joined. */
static int fill_iov(struct blktap2 *b, const struct ring_req *in,
		    struct slot *slot)
{
	char *base =
		(char *)b->dev->map + ABI_PAGE + in->id * ABI_SEGS * ABI_PAGE;
	int n = 0;

	if (in->large) {
		slot->iov[0] = (struct iovec){
			(char *)b->dev->map + ABI_MAP_SIZE + in->at,
			in->sectors * 512,
		};
		return 1;
	}
	for (unsigned i = 0; i < in->nr_segs; i++) {
		const struct ring_seg *seg = &in->segs[i];
		char *at = base + i * ABI_PAGE + seg->first * 512;
		size_t len = (seg->last - seg->first + 1u) * 512;
		struct iovec *last = n ? &slot->iov[n - 1] : NULL;

		if (last && (char *)last->iov_base + last->iov_len == at)
			last->iov_len += len;
		else
			slot->iov[n++] = (struct iovec){ at, len };
	}
	return n;
}

static enum req_op op_of(enum ring_op op)
{
	switch (op) {
	case RING_READ:
		return REQ_READ;
	case RING_WRITE:
		return REQ_WRITE;
	case RING_DISCARD:
		return REQ_DISCARD;
	case RING_FLUSH:
	case RING_BARRIER:
	default:
		return REQ_FLUSH;
	}
}

static void submit(struct blktap2 *b, struct req *req)
{
	const struct ring_req *in = &b->next;
	struct slot *slot = channel_extra(req);

	slot->id = in->id;
	slot->answer_op = in->answer_op;
	req->op = op_of(in->op);
	req->flags = 0;
	req->off = req->op == REQ_FLUSH ? 0 : in->sector * 512;
	req->len = req->op == REQ_FLUSH ? 0 : in->sectors * 512;
	req->iov = slot->iov;
	req->iovcnt = fill_iov(b, in, slot);
	req->iov_skip = 0;
	channel_submit(b->ch, req);
}

/* A large request: whether its bytes are within the window. */
static bool fits(const struct blktap2_dev *dev, const struct ring_req *in)
{
	return in->sectors <= dev->largest / 512 && in->at <= dev->window &&
	       in->sectors * 512 <= dev->window - in->at;
}

/* One request off the ring; false: no more for now. */
static bool take_one(struct blktap2 *b)
{
	int ret = ring_peek(b->ring, &b->next);
	struct req *req;

	if (ret == 0)
		return false;
	if (ret == -EPROTO || (ret == 1 && b->next.id >= ABI_SLOTS)) {
		b->running = false;
		channel_dead(b->ch, -EPROTO, "the kernel's ring is nonsense");
		return false;
	}
	if (ret == 1 && b->next.large && !fits(b->dev, &b->next))
		ret = -EINVAL;
	if (ret < 0) {
		(void)ring_take(b->ring); /* no journal here */
		b->reqs[0]++;
		answer(b, b->next.id, b->next.answer_op,
		       ret == -EOPNOTSUPP ? ABI_EOPNOTSUPP : ABI_ERROR);
		return true;
	}
	req = channel_get(b->ch, 0);
	b->full = !req;
	if (!req)
		return false;
	(void)ring_take(b->ring); /* no journal here */
	b->reqs[0]++;
	submit(b, req);
	return true;
}

static void push(struct blktap2 *b)
{
	int err;

	if (!b->answered)
		return;
	b->answered = false;
	(void)ring_push(b->ring); /* the ioctl is the only way to tell */
	b->kicks[1]++;
	err = b->dev->respond(b->dev);
	if (err)
		log_error("%s: the kernel takes no answers: %s", b->ch->name,
			  strerror(-err));
}

static void end_of_turn(struct hook *hook)
{
	struct blktap2 *b = container_of(hook, struct blktap2, hook);

	while (b->running && take_one(b))
		continue;
	push(b);
}

static void ready(struct watch *watch, uint32_t events)
{
	struct blktap2 *b = container_of(watch, struct blktap2, watch);

	(void)events; /* the hook looks at the ring, whatever they say */
	b->kicks[0]++;
}

static int blktap2_channel_open(struct channel *ch, const void *arg,
				struct err *err)
{
	struct blktap2 *b = state_of(ch);
	struct blktap2_dev *dev = *(struct blktap2_dev *const *)arg;
	const struct image_info *info = vbd_info(ch->vbd);
	struct blktap2_disk disk = {
		.sectors = info->size / 512,
		.sector_size = info->block_size,
		.physical_size = info->phys_block_size,
		.readonly = vbd_readonly(ch->vbd),
		.flush = info->caps & IMAGE_CAN_FLUSH,
		.trim = info->caps & IMAGE_CAN_DISCARD,
	};
	int ret;

	b->ch = ch;
	b->dev = dev;
	ch->depth = ABI_SLOTS;
	ret = ring_new(&b->ring, dev->map, ABI_PAGE,
		       dev->window ? RING_BLKTAP2_LARGE : RING_BLKTAP2);
	if (ret)
		return err_set(err, ret, "the kernel's ring: %s",
			       strerror(-ret));
	ret = dev->create(dev, &disk, err);
	if (ret)
		goto fail;
	ch->no_flush = !dev->flush;
	b->watch = (struct watch){ .fd = dev->fd, .ready = ready };
	ret = loop_watch(ch->loop, &b->watch, EPOLLIN | EPOLLET);
	if (ret) {
		err_set(err, ret, "the kernel's ring: %s", strerror(-ret));
		(void)dev->remove(dev); /* ret says it */
		goto fail;
	}
	b->hook.run = end_of_turn;
	loop_hook(ch->loop, &b->hook);
	return 0;
fail:
	ring_free(b->ring);
	return ret;
}

static void blktap2_channel_start(struct channel *ch,
				  const struct image_info *info)
{
	struct blktap2 *b = state_of(ch);

	(void)info; /* a disk comes back with the size it had */
	b->running = true;
}

static void blktap2_channel_stop(struct channel *ch)
{
	state_of(ch)->running = false;
}

static int16_t status_of(int err)
{
	if (!err)
		return ABI_OKAY;
	return err == -EOPNOTSUPP ? ABI_EOPNOTSUPP : ABI_ERROR;
}

static void blktap2_channel_complete(struct channel *ch, struct req *req)
{
	const struct slot *slot = channel_extra(req);

	answer(state_of(ch), slot->id, slot->answer_op, status_of(req->err));
}

static void blktap2_channel_flush(struct channel *ch)
{
	push(state_of(ch));
}

static void blktap2_channel_close(struct channel *ch)
{
	struct blktap2 *b = state_of(ch);

	loop_unhook(&b->hook);
	loop_unwatch(ch->loop, &b->watch);
	ring_free(b->ring);
}

static void blktap2_channel_stats(const struct channel *ch, struct json *out)
{
	const struct blktap2 *b = state_of(ch);

	json_object(out, "tap");
	json_uint(out, "minor", vbd_minor(ch->vbd));
	json_array(out, "reqs");
	json_uint(out, NULL, b->reqs[0]);
	json_uint(out, NULL, b->reqs[1]);
	json_end(out);
	json_array(out, "kicks");
	json_uint(out, NULL, b->kicks[0]);
	json_uint(out, NULL, b->kicks[1]);
	json_end(out);
	json_end(out);
}

const struct transport blktap2_transport = {
	.name = "blktap2",
	.summary = "the blktap2 kernel device: a disk of dom0's own",
	.state_size = sizeof(struct blktap2),
	.req_size = sizeof(struct slot),
	.open = blktap2_channel_open,
	.start = blktap2_channel_start,
	.stop = blktap2_channel_stop,
	.complete = blktap2_channel_complete,
	.flush = blktap2_channel_flush,
	.close = blktap2_channel_close,
	.stats = blktap2_channel_stats,
};
