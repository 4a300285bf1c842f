// SPDX-License-Identifier: GPL-2.0-only
/*
 * request.c - block requests to the ring, and answers back.
 *
 * A request has its slot of the data area by its tag, so the ring can never
 * be fuller than it is long. Its bytes are packed one after the other from
 * the slot's first page on, whatever shape they have in the bio. What is too
 * large for a slot lies in the window, if the process asked for one and it
 * has room. Or else it goes through the slot in pieces: each is answered
 * before the next is put, and the block layer is told of the last.
 *
 * A slot is FREE; WAITING while there is no mapping to put the request into;
 * COPYING while a write's bytes are copied, without a lock; ISSUED once it is
 * on the ring; ANSWERED while a read's bytes are copied back. When a mapping
 * goes, ISSUED becomes WAITING: the request is held, and the next mapping
 * gets it again, all of it, in the shape that is for it. That is safe because
 * whoever goes away has its I/O waited for before its memory goes, and because
 * nobody was told of an answer.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/highmem.h>

#include "blktap.h"
#include "kcompat.h"

#ifdef CONFIG_HIGHMEM
#error "there never was a tapdisk for a 32-bit host that worked"
#endif

#define SLOT_BYTES ((unsigned int)ABI_SEGS * ABI_PAGE)

static u8 request_op(const struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
		return ABI_OP_READ;
	case REQ_OP_WRITE:
		return ABI_OP_WRITE;
	case REQ_OP_FLUSH:
		return ABI_OP_FLUSH;
	case REQ_OP_DISCARD:
		return ABI_OP_TRIM;
	default:
		return 0xff;
	}
}

static bool request_has_data(const struct request *rq)
{
	return req_op(rq) == REQ_OP_READ || req_op(rq) == REQ_OP_WRITE;
}

static unsigned int request_data(const struct request *rq)
{
	return request_has_data(rq) ? blk_rq_bytes(rq) : 0;
}

/*
 * What the next entry is about: all that is left of the request, if the
 * slot's own pages or the window have room for it, or else a piece of it.
 * Under ring_lock.
 */
static void slot_place(struct ring *ring, struct slot *slot)
{
	unsigned int left = request_data(slot->rq) - slot->done;
	unsigned int n = DIV_ROUND_UP(left, ABI_GRAIN);
	unsigned long first = ring->nr_grains;

	if (left > SLOT_BYTES)
		first = bitmap_find_next_zero_area(ring->grains,
						   ring->nr_grains, 0, n, 0);
	slot->large = first < ring->nr_grains;
	slot->len = slot->large ? left : min(left, SLOT_BYTES);
	if (slot->large) {
		bitmap_set(ring->grains, first, n);
		slot->at = first * ABI_GRAIN;
	}
}

/* Its bytes are where they belong. Under ring_lock. */
static void slot_unplace(struct ring *ring, struct slot *slot)
{
	if (slot->large)
		bitmap_clear(ring->grains, slot->at / ABI_GRAIN,
			     DIV_ROUND_UP(slot->len, ABI_GRAIN));
	slot->large = false;
}

/* From its beginning: nobody was told of what was done. Under ring_lock. */
static void slot_restart(struct slot *slot)
{
	slot->state = SLOT_WAITING;
	slot->done = 0;
}

/*
 * Byte off of what begins with the first-th page; of the *len bytes from
 * there on, so many as lie in one piece.
 */
static char *slot_run(struct ring *ring, unsigned int first, unsigned int off,
		      unsigned int *len)
{
	unsigned int i = first + off / ABI_PAGE;
	unsigned int n = ABI_PAGE - off % ABI_PAGE;
	char *at = (char *)page_address(ring->pages[i]) + off % ABI_PAGE;

	while (n < *len && page_address(ring->pages[++i]) == at + n)
		n += ABI_PAGE;
	*len = min(*len, n);
	return at;
}

/* Copy between the bio and the slot: each byte once, in the longest runs. */
static void request_copy(struct ring *ring, struct slot *slot, bool to_slot)
{
	unsigned int first = slot->large ?
		ABI_MAP_PAGES + slot->at / ABI_PAGE :
		1 + slot->rq->tag * ABI_SEGS;
	unsigned int skip = slot->done, done = 0;
	struct req_iterator iter;
	struct bio_vec bv;

	rq_for_each_bvec(bv, slot->rq, iter) {
		char *bio = (char *)page_address(bv.bv_page) + bv.bv_offset;
		unsigned int at = min(skip, bv.bv_len);
		unsigned int end = at + min(bv.bv_len - at, slot->len - done);
		unsigned int i;

		skip -= at;
		while (at < end) {
			unsigned int n = end - at;
			char *run = slot_run(ring, first, done, &n);

			if (to_slot)
				memcpy(run, bio + at, n);
			else
				memcpy(bio + at, run, n);
			done += n;
			at += n;
		}
		for (i = 0; !to_slot && i < bv.bv_offset + bv.bv_len;
		     i += PAGE_SIZE)
			flush_dcache_page(bv.bv_page + i / PAGE_SIZE);
	}
}

/* Write the slot's entry; the process sees it after request_publish(). */
static void request_put_entry(struct ring *ring, struct slot *slot)
{
	struct abi_request *e =
		&ring->shared->slot[ring->req_prod % ABI_SLOTS].req;
	struct request *rq = slot->rq;
	unsigned int sectors = slot->len / 512;
	unsigned int i;

	slot->op = request_op(rq);
	if (slot->large)
		slot->op = req_op(rq) == REQ_OP_READ ? ABI_OP_READ_LARGE :
						       ABI_OP_WRITE_LARGE;
	memset(e, 0, sizeof(*e));
	e->op = slot->op;
	e->id = rq->tag;
	if (req_op(rq) != REQ_OP_FLUSH)
		e->sector = blk_rq_pos(rq) + slot->done / 512;
	if (req_op(rq) == REQ_OP_DISCARD)
		e->nr_sectors = blk_rq_sectors(rq);
	if (slot->large) {
		e->large.nr_sectors = sectors;
		e->large.at = slot->at;
	} else {
		e->nr_segments = DIV_ROUND_UP(sectors, 8);
		for (i = 0; i < e->nr_segments; i++)
			e->seg[i].last = min(sectors - i * 8, 8u) - 1;
	}
	ring->req_prod++;
}

/* Show the process what was put, and tell it. Under ring_lock. */
static void request_publish(struct tap *tap)
{
	struct ring *ring = tap->ring;

	if (!ring || READ_ONCE(ring->shared->req_prod) == ring->req_prod)
		return;
	smp_store_release(&ring->shared->req_prod, ring->req_prod);
	set_bit(EVENT_REQUEST, &tap->events);
	wake_up_interruptible_poll(&tap->wait, EPOLLIN | EPOLLRDNORM);
}

/*
 * Give a WAITING slot to the current mapping; when the mapping changes while
 * the data is copied, to the next one. Called with ring_lock held.
 */
static blk_status_t request_issue(struct tap *tap, struct slot *slot,
				  unsigned long *irq)
	__must_hold(&tap->ring_lock)
{
	struct request *rq = slot->rq;
	struct ring *ring;

	while ((ring = tap->ring)) {
		if (1 + (rq->tag + 1) * ABI_SEGS > ring->nr_pages)
			return BLK_STS_IOERR;
		slot_place(ring, slot);
		if (req_op(rq) == REQ_OP_WRITE) {
			slot->state = SLOT_COPYING;
			kref_get(&ring->ref);
			spin_unlock_irqrestore(&tap->ring_lock, *irq);
			request_copy(ring, slot, true);
			spin_lock_irqsave(&tap->ring_lock, *irq);
			slot->state = SLOT_WAITING;
			if (ring != tap->ring) {
				slot->done = 0;
				/* Pages may be freed: not under the lock. */
				spin_unlock_irqrestore(&tap->ring_lock, *irq);
				ring_put(ring);
				spin_lock_irqsave(&tap->ring_lock, *irq);
				continue;
			}
			/* Not the last reference: tap->ring has one. */
			ring_put(ring);
		}
		slot->state = SLOT_ISSUED;
		request_put_entry(ring, slot);
		return BLK_STS_OK;
	}
	return tap->dead ? BLK_STS_IOERR : BLK_STS_OK;
}

static blk_status_t request_queue_rq(struct blk_mq_hw_ctx *hctx,
				     const struct blk_mq_queue_data *bd)
{
	struct tap *tap = hctx->queue->queuedata;
	struct request *rq = bd->rq;
	struct slot *slot = &tap->slots[rq->tag];
	unsigned long irq;
	blk_status_t ret;

	if (request_op(rq) == 0xff)
		return BLK_STS_NOTSUPP;
	if ((tap->flags & ABI_RO) && op_is_write(req_op(rq)) &&
	    req_op(rq) != REQ_OP_FLUSH)
		return BLK_STS_IOERR;

	blk_mq_start_request(rq);
	spin_lock_irqsave(&tap->ring_lock, irq);
	slot->rq = rq;
	slot->since = ktime_get();
	slot->done = 0;
	slot->state = SLOT_WAITING;
	ret = request_issue(tap, slot, &irq);
	if (ret != BLK_STS_OK) {
		slot->state = SLOT_FREE;
		slot->rq = NULL;
	}
	if (bd->last || ret != BLK_STS_OK)
		request_publish(tap);
	spin_unlock_irqrestore(&tap->ring_lock, irq);
	return ret;
}

static void request_commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct tap *tap = hctx->queue->queuedata;
	unsigned long irq;

	spin_lock_irqsave(&tap->ring_lock, irq);
	request_publish(tap);
	spin_unlock_irqrestore(&tap->ring_lock, irq);
}

const struct blk_mq_ops request_ops = {
	.queue_rq = request_queue_rq,
	.commit_rqs = request_commit_rqs,
};

/*
 * What follows a piece that went well: the next one, and all of them again
 * for a mapping that came meanwhile. Called with ring_lock held.
 */
static blk_status_t request_next_piece(struct tap *tap, struct ring *ring,
				       struct slot *slot, unsigned long *irq)
	__must_hold(&tap->ring_lock)
{
	unsigned int done = slot->done + slot->len;

	slot_restart(slot);
	if (tap->ring == ring)
		slot->done = done;
	return request_issue(tap, slot, irq);
}

/* One answer: believed only if it names what is on the ring. */
static void request_answer(struct tap *tap, struct ring *ring,
			   const struct abi_response *rsp)
{
	struct slot *slot;
	struct request *rq;
	blk_status_t status = BLK_STS_OK;
	unsigned long irq;

	if (rsp->id >= ABI_SLOTS) {
		pr_warn_ratelimited("tap %u: answer to unknown request %llu ignored\n",
				    tap->minor, rsp->id);
		return;
	}
	slot = &tap->slots[rsp->id];
	spin_lock_irqsave(&tap->ring_lock, irq);
	if (tap->ring != ring || slot->state != SLOT_ISSUED) {
		spin_unlock_irqrestore(&tap->ring_lock, irq);
		pr_warn_ratelimited("tap %u: second answer to request %llu ignored\n",
				    tap->minor, rsp->id);
		return;
	}
	slot->state = SLOT_ANSWERED;
	rq = slot->rq;
	spin_unlock_irqrestore(&tap->ring_lock, irq);

	if (rsp->op != slot->op) {
		pr_warn_ratelimited("tap %u: request %llu is no op %u\n",
				    tap->minor, rsp->id, rsp->op);
		status = BLK_STS_IOERR;
	} else if (rsp->status == ABI_EOPNOTSUPP &&
		   req_op(rq) == REQ_OP_DISCARD) {
		status = BLK_STS_NOTSUPP;
	} else if (rsp->status != ABI_OKAY) {
		status = BLK_STS_IOERR;
	} else if (req_op(rq) == REQ_OP_READ) {
		request_copy(ring, slot, false);
	}

	spin_lock_irqsave(&tap->ring_lock, irq);
	slot_unplace(ring, slot);
	if (status == BLK_STS_OK &&
	    slot->done + slot->len < request_data(rq)) {
		status = request_next_piece(tap, ring, slot, &irq);
		if (status == BLK_STS_OK) {
			spin_unlock_irqrestore(&tap->ring_lock, irq);
			return;
		}
	}
	slot->state = SLOT_FREE;
	slot->rq = NULL;
	spin_unlock_irqrestore(&tap->ring_lock, irq);
	blk_mq_end_request(rq, status);
}

/* All answers that the process has published. */
int request_answers(struct ring *ring)
{
	struct tap *tap = ring->tap;
	unsigned long irq;
	int ret = 0;
	u32 prod;

	mutex_lock(&tap->answer_lock);
	prod = smp_load_acquire(&ring->shared->rsp_prod);
	if (prod - ring->rsp_cons > ABI_SLOTS) {
		pr_warn_ratelimited("tap %u: %u answers at once ignored\n",
				    tap->minor, prod - ring->rsp_cons);
		ret = -EINVAL;
		goto out;
	}
	while (ring->rsp_cons != prod) {
		/* The other side may write here: look at a copy. */
		struct abi_response rsp;

		memcpy(&rsp, &ring->shared->slot[ring->rsp_cons % ABI_SLOTS].rsp,
		       sizeof(rsp));
		barrier();
		ring->rsp_cons++;
		request_answer(tap, ring, &rsp);
	}
	spin_lock_irqsave(&tap->ring_lock, irq);
	request_publish(tap);
	spin_unlock_irqrestore(&tap->ring_lock, irq);
out:
	mutex_unlock(&tap->answer_lock);
	return ret;
}

/* Fail what waits and nobody will take. */
static void request_fail_waiting(struct tap *tap)
{
	unsigned long irq;
	unsigned int i;

	for (i = 0; i < ABI_SLOTS; i++) {
		struct slot *slot = &tap->slots[i];
		struct request *rq = NULL;

		spin_lock_irqsave(&tap->ring_lock, irq);
		if (!tap->ring && slot->state == SLOT_WAITING) {
			rq = slot->rq;
			slot->state = SLOT_FREE;
			slot->rq = NULL;
		}
		spin_unlock_irqrestore(&tap->ring_lock, irq);
		if (rq)
			blk_mq_end_request(rq, BLK_STS_IOERR);
	}
}

/* A new mapping: it gets, in the order of their tags, what waits. */
void request_replay(struct work_struct *work)
{
	struct tap *tap = container_of(work, struct tap, replay);
	unsigned long irq;
	unsigned int i;

	for (i = 0; i < ABI_SLOTS; i++) {
		struct slot *slot = &tap->slots[i];
		struct request *rq = NULL;
		blk_status_t ret;

		spin_lock_irqsave(&tap->ring_lock, irq);
		if (tap->ring && slot->state == SLOT_WAITING) {
			ret = request_issue(tap, slot, &irq);
			if (ret != BLK_STS_OK) {
				rq = slot->rq;
				slot->state = SLOT_FREE;
				slot->rq = NULL;
			}
		}
		request_publish(tap);
		spin_unlock_irqrestore(&tap->ring_lock, irq);
		if (rq)
			blk_mq_end_request(rq, BLK_STS_IOERR);
	}
}

/* Make ring the current mapping: -EBUSY if there is one. */
int request_attach(struct tap *tap, struct ring *ring)
{
	unsigned long irq;
	int err = -EBUSY;

	cancel_delayed_work_sync(&tap->expire);
	spin_lock_irqsave(&tap->ring_lock, irq);
	if (!tap->ring) {
		kref_get(&ring->ref);
		tap->ring = ring;
		tap->dead = false;
		err = 0;
	}
	spin_unlock_irqrestore(&tap->ring_lock, irq);
	if (!err)
		schedule_work(&tap->replay);
	return err;
}

/*
 * The mapping is gone: what was on its ring waits for the next. An answer
 * that is being copied goes on; it holds the ring by the ioctl's reference.
 */
void request_detach(struct tap *tap, struct ring *ring)
{
	unsigned long irq;
	unsigned int i;
	bool current_one;

	spin_lock_irqsave(&tap->ring_lock, irq);
	current_one = tap->ring == ring;
	if (current_one) {
		tap->ring = NULL;
		for (i = 0; i < ABI_SLOTS; i++)
			if (tap->slots[i].state == SLOT_ISSUED)
				slot_restart(&tap->slots[i]);
	}
	spin_unlock_irqrestore(&tap->ring_lock, irq);
	if (!current_one)
		return;
	ring_put(ring);
	schedule_delayed_work(&tap->expire,
			      min(tap_hold_seconds, 86400u) * HZ);
}

/* Nobody came back in time. */
void request_expire(struct work_struct *work)
{
	struct tap *tap = container_of(to_delayed_work(work), struct tap,
				       expire);
	unsigned long irq;
	bool dead;

	spin_lock_irqsave(&tap->ring_lock, irq);
	dead = !tap->ring;
	tap->dead = dead;
	spin_unlock_irqrestore(&tap->ring_lock, irq);
	if (dead)
		request_fail_waiting(tap);
}

unsigned int request_pending(struct tap *tap)
{
	unsigned int i, n = 0;
	unsigned long irq;

	spin_lock_irqsave(&tap->ring_lock, irq);
	for (i = 0; i < ABI_SLOTS; i++)
		n += tap->slots[i].state != SLOT_FREE;
	spin_unlock_irqrestore(&tap->ring_lock, irq);
	return n;
}
