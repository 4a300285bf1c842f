/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-mem.c - the memory in which one NBD client's data passes through.
 */
#include "tapdisk/nbd-mem.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

int nbd_mem_init(struct nbd_mem *m)
{
	void *base = mmap(NULL, NBD_MEM_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		return -ENOMEM;
	*m = (struct nbd_mem){ .base = base };
	return 0;
}

void nbd_mem_free(struct nbd_mem *m)
{
	if (m->base)
		(void)munmap(m->base, NBD_MEM_SIZE); /* it is a mapping */
	m->base = NULL;
}

/* The first page from from on that is used, or that is not; or end. */
static unsigned find(const struct nbd_mem *m, unsigned from, unsigned end,
		     uint64_t invert)
{
	uint64_t word;

	while (from < end) {
		word = (m->map[from / 64] ^ invert) >> from % 64;
		if (word) {
			from += (unsigned)__builtin_ctzll(word);
			return from < end ? from : end;
		}
		from += 64 - from % 64;
	}
	return end;
}

static void mark(struct nbd_mem *m, unsigned first, unsigned count, bool used)
{
	unsigned i;

	for (i = first; i < first + count; i++) {
		assert(!(m->map[i / 64] >> i % 64 & 1) == used);
		m->map[i / 64] ^= 1ull << i % 64;
	}
	m->used += used ? count : -count;
}

static unsigned pages(size_t len)
{
	assert(len && len <= NBD_MEM_SIZE);
	return (unsigned)((len + NBD_MEM_PAGE - 1) / NBD_MEM_PAGE);
}

void *nbd_mem_get(struct nbd_mem *m, size_t len)
{
	unsigned count = pages(len), at = 0, end;

	for (;;) {
		at = find(m, at, NBD_MEM_PAGES, ~0ull);
		if (count > NBD_MEM_PAGES - at)
			return NULL;
		end = find(m, at, at + count, 0);
		if (end == at + count)
			break;
		at = end;
	}
	mark(m, at, count, true);
	return m->base + (size_t)at * NBD_MEM_PAGE;
}

void nbd_mem_put(struct nbd_mem *m, void *p, size_t len)
{
	size_t at = (size_t)((uint8_t *)p - m->base);

	mark(m, (unsigned)(at / NBD_MEM_PAGE), pages(len), false);
}
