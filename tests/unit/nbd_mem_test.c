/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd_mem_test.c - the pages of an NBD client.
 */
#include "tapdisk/nbd-mem.h"

#include <string.h>

#include "tests/lib/test.h"

#define PAGE NBD_MEM_PAGE

static void the_lowest_pages_are_given_first(void **state)
{
	struct nbd_mem m;
	uint8_t *a, *b;

	(void)state;
	assert_int_equal(nbd_mem_init(&m), 0);
	a = nbd_mem_get(&m, 1);
	b = nbd_mem_get(&m, PAGE + 1);
	assert_ptr_equal(a, m.base);
	assert_ptr_equal(b, m.base + PAGE);
	assert_int_equal(m.used, 3);
	nbd_mem_put(&m, a, 1);
	assert_ptr_equal(nbd_mem_get(&m, PAGE), m.base);
	assert_ptr_equal(nbd_mem_get(&m, PAGE), m.base + 3 * PAGE);
	nbd_mem_free(&m);
}

static void a_run_is_found_between_others_or_not_at_all(void **state)
{
	uint8_t *page[NBD_MEM_PAGES];
	struct nbd_mem m;
	unsigned i;

	(void)state;
	assert_int_equal(nbd_mem_init(&m), 0);
	for (i = 0; i < NBD_MEM_PAGES; i++) {
		page[i] = nbd_mem_get(&m, PAGE);
		assert_non_null(page[i]);
	}
	assert_null(nbd_mem_get(&m, 1));
	for (i = 0; i < NBD_MEM_PAGES; i += 2)
		nbd_mem_put(&m, page[i], PAGE);
	assert_null(nbd_mem_get(&m, 2 * PAGE));
	nbd_mem_put(&m, page[63], PAGE);
	assert_ptr_equal(nbd_mem_get(&m, 3 * PAGE), page[62]);
	nbd_mem_put(&m, page[1023], PAGE);
	assert_ptr_equal(nbd_mem_get(&m, 2 * PAGE), page[1022]);
	nbd_mem_free(&m);
}

static void all_of_it_can_be_had_and_had_again(void **state)
{
	struct nbd_mem m;
	uint8_t *all;
	int i;

	(void)state;
	assert_int_equal(nbd_mem_init(&m), 0);
	for (i = 0; i < 2; i++) {
		all = nbd_mem_get(&m, NBD_MEM_SIZE);
		assert_ptr_equal(all, m.base);
		memset(all, i, NBD_MEM_SIZE);
		assert_null(nbd_mem_get(&m, 1));
		nbd_mem_put(&m, all, NBD_MEM_SIZE);
		assert_int_equal(m.used, 0);
	}
	nbd_mem_free(&m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_pages_are_given_first),
		cmocka_unit_test(a_run_is_found_between_others_or_not_at_all),
		cmocka_unit_test(all_of_it_can_be_had_and_had_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
