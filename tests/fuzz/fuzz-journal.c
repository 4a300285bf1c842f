/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-journal.c - a journal that is not what a process of ours has left.
 *
 * The first four bytes are where the answers on the ring end, the rest is
 * the journal's head and first slots.
 */
#include <stdlib.h>
#include <string.h>

#include "xenio/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What comes out is held to what the ring promises of a request. */
static void must_be_sound(const struct ring_req *r)
{
	uint64_t sum = 0;
	unsigned i;

	if (r->op > RING_DISCARD || r->sector + r->sectors < r->sector)
		abort();
	if (r->nr_segs > (r->indirect ? RING_SEGS_INDIRECT : RING_SEGS_DIRECT))
		abort();
	if (!r->nr_segs && (r->op == RING_READ || r->op == RING_WRITE))
		abort();
	for (i = 0; i < r->nr_segs && !r->indirect; i++) {
		if (r->segs[i].last > 7 || r->segs[i].first > r->segs[i].last)
			abort();
		sum += r->segs[i].last - r->segs[i].first + 1u;
	}
	if (!r->indirect && r->op != RING_DISCARD && sum != r->sectors)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = journal_size(1), head = 64;
	uint8_t *mem = calloc(1, len);
	uint32_t rsp_prod = 0;
	struct ring_req req;
	struct journal *j;
	unsigned slot, seen = 0;
	int16_t status;

	if (!mem || size < sizeof(rsp_prod) || size - sizeof(rsp_prod) > len) {
		free(mem);
		return 0;
	}
	memcpy(&rsp_prod, data, sizeof(rsp_prod));
	data += sizeof(rsp_prod);
	size -= sizeof(rsp_prod);
	/* The head's first bytes, then the slots, without what is spare. */
	memcpy(mem, data, size < head ? size : head);
	if (size > head)
		memcpy(mem + 4096, data + head,
		       size - head < len - 4096 ? size - head : len - 4096);
	if (!journal_new(&j, mem, len, 0, NULL)) {
		if (!journal_begin(j, 0)) {
			while (journal_left(j, rsp_prod, &slot, &req, &status) >
			       0) {
				must_be_sound(&req);
				if (slot >= JOURNAL_SLOTS ||
				    ++seen > JOURNAL_SLOTS)
					abort();
			}
		}
		journal_free(j);
	}
	free(mem);
	return 0;
}
