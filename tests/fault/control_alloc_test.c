/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control_alloc_test.c - the Nth allocation fails, for each N, while messages
 * are worked on.
 *
 * Linked so that our calls of malloc() and its like come here.
 */
#include <stdatomic.h>

#include "tests/unit/control-rig.h"

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
/* NOLINTEND(bugprone-reserved-identifier) */

/* How many allocations succeed before one fails; below 0: all do. */
static atomic_long until = -1;

static bool fails(void)
{
	return atomic_load(&until) >= 0 && atomic_fetch_sub(&until, 1) == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

/* What a daemon and tools do to a disk, as far as memory goes. */
static void live_a_life(struct test *t)
{
	const struct wire_msg attach = { .type = WIRE_ATTACH, .cookie = 1 };
	const struct wire_msg list = { .type = WIRE_LIST };
	const struct wire_msg stats = { .type = WIRE_STATS };
	struct call c;

	(void)ask(t, &attach, NULL); /* all of these may fail */
	(void)open_disk(t, "hold:");
	(void)connect_queue(t, 0);
	(void)connect_queue(t, 1);
	(void)ask(t, &list, &c);
	(void)ask(t, &stats, &c);
	(void)tell(t, WIRE_PAUSE);
	(void)tell(t, WIRE_RESUME);
	(void)disconnect(t);
	(void)tell(t, WIRE_CLOSE);
}

static void any_allocation_may_fail(void **state)
{
	struct test *t = *state;
	bool all_well = false;
	unsigned before;
	long n;
	int rc;

	hold.pass = true;
	live_a_life(t); /* what is made once is made */
	before = descriptors();
	for (n = 0; !all_well; n++) {
		assert_true(n < 500);
		atomic_store(&until, n);
		live_a_life(t);
		all_well = atomic_exchange(&until, -1) >= 0;
		rc = disconnect(t);
		assert_true(!rc || rc == -ENODEV);
		assert_int_equal(tell(t, WIRE_CLOSE), 0);
		assert_int_equal(xen_fake_mapped(t->fake), 0);
		assert_int_equal(xen_fake_bound(t->fake), 0);
		assert_int_equal(descriptors(), before);
		for (unsigned q = 0; q < QUEUES; q++)
			front_init(&t->front[q], t->front[q].l,
				   t->front[q].pages, PAGE);
	}
	assert_true(n > 30); /* it did fail */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(any_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
