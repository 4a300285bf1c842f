/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-ring.c - a ring of any layout whose client writes anything.
 *
 * Byte 0: the layout, with large requests, and two pages if its high bit is
 * set; byte 1: how far the producer goes on before each look. The rest is the
 * ring's contents, and over again for the segments of indirect requests.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xenio/ring.h"

#define PAGE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a checked request promises to those who use it. */
static void must_be_sound(const struct ring_req *req)
{
	uint64_t sum = 0;
	unsigned i;

	if (req->sector + req->sectors < req->sector)
		abort();
	if (req->op == RING_DISCARD)
		return;
	if (req->nr_segs > RING_SEGS_INDIRECT)
		abort();
	for (i = 0; i < req->nr_segs; i++) {
		if (req->segs[i].last > 7 ||
		    req->segs[i].first > req->segs[i].last)
			abort();
		sum += req->segs[i].last - req->segs[i].first + 1u;
	}
	if (req->large && (req->nr_segs || !req->sectors || req->at % PAGE))
		abort();
	if (!req->large && sum != req->sectors)
		abort();
}

static void look(struct ring *ring, const uint8_t *data, size_t size)
{
	struct ring_req req;
	int rc, left = 2000;

	while (left-- && (rc = ring_peek(ring, &req)) && rc != -EPROTO) {
		if (rc == 1 && req.indirect)
			rc = ring_indirect(&req, data, size) ? -EINVAL : 1;
		if (rc == 1)
			must_be_sound(&req);
		ring_take(ring);
		if (req.id & 1)
			ring_answer(ring, req.id, req.answer_op, 0);
	}
	(void)ring_push(ring); /* there is nobody to notify */
	(void)ring_arm(ring);  /* as well */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(PAGE) uint8_t pages[2 * PAGE];
	uint32_t *words = (uint32_t *)(void *)pages;
	size_t len = size && data[0] & 0x80 ? 2 * PAGE : PAGE;
	enum ring_proto proto;
	struct ring *ring;
	unsigned i;

	if (size < 3)
		return 0;
	memset(pages, 0, sizeof(pages));
	for (i = 0; i < len; i++)
		pages[i] = data[2 + i % (size - 2)];
	proto = data[0] & 3;
	if (proto == RING_BLKTAP2 && (data[0] & 4))
		proto = RING_BLKTAP2_LARGE;
	if (ring_new(&ring, pages, len, proto))
		return 0;
	for (i = 0; i < 64; i++) {
		words[0] += data[1] & 31;
		look(ring, data, size);
	}
	ring_free(ring);
	return 0;
}
