/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arena_test.c - buffers are contiguous and whole, and nobody starves.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/err.h"
#include "lib/loop.h"
#include "tapdisk/arena.h"
#include "tests/lib/test.h"

#define PAGES 128
#define SIZE  ((uint64_t)PAGES * ARENA_PAGE)

static struct loop *loop;
static struct arena *arena;

/* Asks for len each time there is room, until it has as many as it wants. */
struct user {
	struct arena_user u;
	uint64_t len;
	unsigned want;
	unsigned has;
	unsigned called;
	char *buf[PAGES];
};

static void room(struct arena_user *u)
{
	struct user *user = container_of(u, struct user, u);
	char *buf;

	user->called++;
	while (user->has < user->want) {
		buf = arena_get(arena, u, user->len);
		if (!buf)
			return;
		memset(buf, (int)(uintptr_t)user, user->len);
		user->buf[user->has++] = buf;
	}
}

static void put(struct user *user)
{
	arena_put(arena, user->buf[--user->has], user->len);
}

static struct user *user_new(uint64_t len, unsigned want)
{
	struct user *user = test_calloc(1, sizeof(*user));

	list_init(&user->u.link);
	user->u.room = room;
	user->len = len;
	user->want = want;
	return user;
}

static void user_free(struct user *user)
{
	arena_leave(arena, &user->u);
	while (user->has)
		put(user);
	test_free(user);
}

static int setup(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(loop_new(&loop, &err), 0);
	loop_set_now_ns(loop, 0);
	return arena_new(&arena, loop, SIZE);
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	loop_free(loop);
	return 0;
}

static void buffers_are_whole_pages_and_lowest_first(void **state)
{
	struct user *user = user_new(512, 0);
	char *first = arena_get(arena, &user->u, 512);
	char *second = arena_get(arena, &user->u, 4097);
	char *third = arena_get(arena, &user->u, 70 * ARENA_PAGE);

	(void)state;
	assert_non_null(first);
	assert_int_equal((uintptr_t)first % ARENA_PAGE, 0);
	assert_ptr_equal(second, first + ARENA_PAGE);
	assert_ptr_equal(third, second + 2 * ARENA_PAGE);
	assert_int_equal(arena_used(arena), 73 * ARENA_PAGE);
	arena_put(arena, second, 4097);
	assert_ptr_equal(arena_get(arena, &user->u, 2 * ARENA_PAGE), second);
	arena_put(arena, second, 2 * ARENA_PAGE);
	arena_put(arena, first, 512);
	assert_ptr_equal(arena_get(arena, &user->u, 3 * ARENA_PAGE), first);
	arena_put(arena, first, 3 * ARENA_PAGE);
	arena_put(arena, third, 70 * ARENA_PAGE);
	assert_int_equal(arena_used(arena), 0);
	user_free(user);
}

/* Against a plain array: nothing overlaps, and what fits is given. */
static void random_sizes_never_overlap(void **state)
{
	struct user *user = user_new(0, 0);
	struct {
		unsigned char *buf;
		uint64_t len;
	} held[32] = { 0 };
	unsigned seed = 1, round, i, k;

	(void)state;
	for (round = 0; round < 20000; round++) {
		i = (unsigned)rand_r(&seed) % 32;
		if (held[i].buf) {
			for (k = 0; k < held[i].len; k += 512)
				assert_int_equal(held[i].buf[k], i);
			arena_put(arena, held[i].buf, held[i].len);
			held[i].buf = NULL;
			continue;
		}
		held[i].len = 512 * (1 + (unsigned)rand_r(&seed) % 256);
		held[i].buf = arena_get(arena, &user->u, held[i].len);
		arena_leave(arena, &user->u);
		if (held[i].buf)
			memset(held[i].buf, (int)i, held[i].len);
	}
	for (i = 0; i < 32; i++) {
		if (held[i].buf)
			arena_put(arena, held[i].buf, held[i].len);
	}
	assert_int_equal(arena_used(arena), 0);
	held[0].buf = arena_get(arena, &user->u, SIZE);
	assert_non_null(held[0].buf);
	arena_put(arena, held[0].buf, SIZE);
	user_free(user);
}

static void more_than_there_is_is_refused_for_ever(void **state)
{
	struct user *big = user_new(SIZE + 1, 1), *small = user_new(512, 1);

	(void)state;
	room(&big->u);
	assert_int_equal(big->has, 0);
	assert_false(list_linked(&big->u.link)); /* nobody waits behind it */
	room(&small->u);
	assert_int_equal(small->has, 1);
	user_free(big);
	user_free(small);
}

static void who_asks_for_much_is_not_overtaken(void **state)
{
	struct user *small = user_new(ARENA_PAGE, PAGES);
	struct user *big = user_new(SIZE / 2, 1);

	(void)state;
	room(&small->u);
	assert_int_equal(small->has, PAGES);
	room(&big->u);
	assert_int_equal(big->has, 0);
	/* As each small one comes back, small asks for it again. */
	while (!big->has) {
		assert_true(small->has > 0);
		put(small);
		room(&small->u);
		(void)loop_turn(loop); /* runs the line */
	}
	assert_true(small->has >= PAGES / 2 - 1);
	user_free(big);
	user_free(small);
}

static void those_in_line_take_turns(void **state)
{
	struct user *a = user_new(SIZE, 1), *b = user_new(SIZE, 1);
	struct user *c = user_new(SIZE, 1);

	(void)state;
	room(&a->u);
	room(&b->u);
	room(&c->u);
	assert_int_equal(a->has, 1);
	a->want = 2;
	room(&a->u);
	put(a);
	(void)loop_turn(loop); /* runs the line */
	assert_int_equal(b->has, 1);
	b->want = 0;
	put(b);
	(void)loop_turn(loop); /* runs the line */
	assert_int_equal(c->has, 1);
	put(c);
	c->want = 0;
	(void)loop_turn(loop); /* runs the line */
	assert_int_equal(a->has, 1);
	user_free(a);
	user_free(b);
	user_free(c);
}

static void who_does_not_ask_again_loses_its_place(void **state)
{
	struct user *a = user_new(SIZE, 1), *b = user_new(512, 1);
	struct user *c = user_new(512, 1);

	(void)state;
	room(&a->u);
	room(&b->u);
	room(&c->u);
	b->want = 0; /* it went away */
	put(a);
	(void)loop_turn(loop); /* runs the line */
	assert_int_equal(b->called, 2);
	assert_false(list_linked(&b->u.link));
	assert_int_equal(c->has, 1);
	user_free(a);
	user_free(b);
	user_free(c);
}

static void leaving_the_line_lets_the_next_one_try(void **state)
{
	struct user *a = user_new(SIZE / 2, 1), *b = user_new(SIZE, 1);
	struct user *c = user_new(512, 1);

	(void)state;
	room(&a->u);
	room(&b->u);
	room(&c->u);
	assert_int_equal(c->has, 0);
	arena_leave(arena, &b->u);
	(void)loop_turn(loop); /* runs the line */
	assert_int_equal(c->has, 1);
	user_free(a);
	user_free(b);
	user_free(c);
}

static unsigned resident(const char *buf)
{
	unsigned char there[PAGES];
	unsigned i, n = 0;

	assert_int_equal(mincore((void *)buf, SIZE, there), 0);
	for (i = 0; i < PAGES; i++)
		n += there[i] & 1;
	return n;
}

static void an_idle_arena_costs_nothing(void **state)
{
	struct user *user = user_new(SIZE, 1);
	char *base;

	(void)state;
	base = arena_get(arena, &user->u, 512);
	assert_int_equal(resident(base), 0);
	arena_put(arena, base, 512);
	room(&user->u);
	assert_int_equal(resident(base), PAGES);
	put(user);
	loop_set_now_ns(loop, UINT64_C(4000000000));
	assert_true(loop_turn(loop)); /* asked since: not yet */
	assert_int_equal(resident(base), PAGES);
	loop_set_now_ns(loop, UINT64_C(8000000000));
	assert_true(loop_turn(loop));
	assert_int_equal(resident(base), 0);
	loop_set_now_ns(loop, UINT64_C(80000000000));
	assert_false(loop_turn(loop)); /* and no timer runs */
	user_free(user);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(buffers_are_whole_pages_and_lowest_first),
		test(random_sizes_never_overlap),
		test(more_than_there_is_is_refused_for_ever),
		test(who_asks_for_much_is_not_overtaken),
		test(those_in_line_take_turns),
		test(who_does_not_ask_again_loses_its_place),
		test(leaving_the_line_lets_the_next_one_try),
		test(an_idle_arena_costs_nothing),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
