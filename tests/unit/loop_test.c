/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop_test.c - who is called, in which order, and who is not any more.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/loop.h"
#include "tests/lib/test.h"

/* Everything calls note(), which appends a letter here. */
static char told[64];
static struct loop *loop;

static void note(char c)
{
	size_t len = strlen(told);

	assert_true(len + 1 < sizeof(told));
	told[len] = c;
	told[len + 1] = '\0';
}

static int setup(void **state)
{
	struct err err;

	(void)state;
	told[0] = '\0';
	return loop_new(&loop, &err);
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

struct thing {
	struct deferred d;
	struct hook h;
	struct watch w;
	struct timer t;
	char name;
	struct thing *other; /* to be taken back */
	bool again;
};

static void deferred(struct deferred *d)
{
	struct thing *x = container_of(d, struct thing, d);

	note(x->name);
	if (x->again) {
		x->again = false;
		loop_defer(loop, d);
	}
}

static void hooked(struct hook *h)
{
	struct thing *x = container_of(h, struct thing, h);

	note(x->name);
	if (x->other)
		loop_unhook(&x->other->h);
	if (x->again)
		loop_defer(loop, &x->d);
	x->again = false;
}

static void ready(struct watch *w, uint32_t events)
{
	struct thing *x = container_of(w, struct thing, w);

	assert_true(events & EPOLLIN);
	note(x->name);
	if (x->other)
		loop_unwatch(loop, &x->other->w);
}

static void fired(struct timer *t)
{
	struct thing *x = container_of(t, struct thing, t);

	note(x->name);
	if (x->other)
		loop_untimer(&x->other->t);
	if (x->again)
		loop_timer(loop, t, 0);
	x->again = false;
}

static struct thing thing(char name)
{
	return (struct thing){ .d.run = deferred,
			       .h.run = hooked,
			       .w = { .fd = -1, .ready = ready },
			       .t.fire = fired,
			       .name = name };
}

static void deferred_calls_run_in_order_until_none_is_left(void **state)
{
	struct thing a = thing('a'), b = thing('b'), h = thing('h');

	(void)state;
	a.again = true;
	loop_hook(loop, &h.h);
	loop_defer(loop, &a.d);
	loop_defer(loop, &b.d);
	assert_string_equal(told, "");
	assert_true(loop_turn(loop));
	assert_string_equal(told, "abah");
	assert_false(loop_turn(loop));
	loop_unhook(&h.h);
}

static void hooks_run_once_a_turn_and_may_remove_each_other(void **state)
{
	struct thing a = thing('a'), b = thing('b'), c = thing('c');

	(void)state;
	loop_hook(loop, &a.h);
	loop_hook(loop, &b.h);
	loop_hook(loop, &c.h);
	c.other = &b;
	assert_false(loop_turn(loop));
	assert_string_equal(told, "ca");
	a.other = &a;
	c.other = NULL;
	assert_false(loop_turn(loop));
	assert_string_equal(told, "caca");
	assert_false(loop_turn(loop));
	assert_string_equal(told, "cacac");
}

static void what_was_hooked_first_runs_last(void **state)
{
	struct thing a = thing('a'), b = thing('b'), c = thing('c');

	(void)state;
	loop_hook(loop, &a.h);
	loop_hook(loop, &b.h);
	loop_hook(loop, &c.h);
	(void)loop_turn(loop); /* only the order matters */
	(void)loop_turn(loop); /* and that it stays */
	assert_string_equal(told, "cbacba");
}

static void rehook(struct hook *h)
{
	struct thing *x = container_of(h, struct thing, h);

	note(x->name);
	loop_unhook(h);
	if (x->other)
		loop_hook(loop, &x->other->h);
	else
		loop_stop(loop);
}

static void a_hook_added_by_a_hook_runs_without_a_wait(void **state)
{
	struct thing a = thing('a'), b = thing('b');

	(void)state;
	a.h.run = b.h.run = rehook;
	a.other = &b;
	loop_hook(loop, &a.h);
	loop_run(loop); /* nothing else would end a wait */
	assert_string_equal(told, "ab");
}

static void what_a_hook_defers_runs_in_the_next_turn(void **state)
{
	struct thing a = thing('a');

	(void)state;
	loop_hook(loop, &a.h);
	a.again = true;
	assert_false(loop_turn(loop));
	assert_string_equal(told, "a");
	assert_true(loop_turn(loop));
	assert_string_equal(told, "aaa");
}

static void timers_fire_when_due_in_their_order(void **state)
{
	struct thing a = thing('a'), b = thing('b'), c = thing('c');

	(void)state;
	list_init(&a.t.link);
	list_init(&b.t.link);
	list_init(&c.t.link);
	loop_set_now_ns(loop, 1000);
	loop_timer(loop, &a.t, 30);
	loop_timer(loop, &b.t, 10);
	loop_timer(loop, &c.t, 10);
	assert_false(loop_turn(loop));
	loop_set_now_ns(loop, 1009);
	assert_false(loop_turn(loop));
	loop_set_now_ns(loop, 1010);
	assert_true(loop_turn(loop));
	assert_string_equal(told, "bc");
	loop_set_now_ns(loop, 5000);
	assert_int_equal(loop_now_ns(loop), 5000);
	assert_true(loop_turn(loop));
	assert_string_equal(told, "bca");
	assert_false(loop_turn(loop));
}

static void a_timer_can_be_moved_and_taken_back(void **state)
{
	struct thing a = thing('a'), b = thing('b');

	(void)state;
	list_init(&a.t.link);
	list_init(&b.t.link);
	loop_untimer(&a.t);
	loop_set_now_ns(loop, 0);
	loop_timer(loop, &a.t, 10);
	loop_timer(loop, &b.t, 20);
	loop_timer(loop, &a.t, 30);
	loop_set_now_ns(loop, 25);
	assert_true(loop_turn(loop));
	assert_string_equal(told, "b");
	loop_untimer(&a.t);
	loop_set_now_ns(loop, 50);
	assert_false(loop_turn(loop));
	assert_string_equal(told, "b");
	loop_timer(loop, &a.t, UINT64_MAX);
	assert_true(a.t.due_ns == UINT64_MAX);
}

static void a_timer_may_take_back_one_due_in_the_same_turn(void **state)
{
	struct thing a = thing('a'), b = thing('b');

	(void)state;
	list_init(&a.t.link);
	list_init(&b.t.link);
	loop_timer(loop, &a.t, 0);
	loop_timer(loop, &b.t, 0);
	a.other = &b;
	a.again = true; /* with no delay: not before the next turn */
	assert_true(loop_turn(loop));
	assert_string_equal(told, "a");
	assert_true(loop_turn(loop));
	assert_string_equal(told, "aa");
}

static void watches_are_told_and_may_remove_each_other(void **state)
{
	struct thing a = thing('a'), b = thing('b');

	(void)state;
	a.w.fd = eventfd(1, EFD_CLOEXEC);
	b.w.fd = eventfd(1, EFD_CLOEXEC);
	assert_int_equal(loop_watch(loop, &a.w, EPOLLIN), 0);
	assert_int_equal(loop_watch(loop, &b.w, EPOLLIN), 0);
	assert_true(loop_turn(loop));
	assert_int_equal(strlen(told), 2);
	told[0] = '\0';
	/* Whichever comes first removes the other; both are ready. */
	a.other = &b;
	b.other = &a;
	assert_true(loop_turn(loop));
	assert_int_equal(strlen(told), 1);
	assert_true(loop_turn(loop));
	assert_int_equal(strlen(told), 2);
	assert_int_equal(told[0], told[1]);
	close(a.w.fd);
	close(b.w.fd);
}

static void an_edge_is_told_once(void **state)
{
	struct thing a = thing('a');
	uint64_t one = 1;

	(void)state;
	a.w.fd = eventfd(1, EFD_CLOEXEC);
	assert_int_equal(loop_watch(loop, &a.w, EPOLLIN | EPOLLET), 0);
	assert_true(loop_turn(loop));
	assert_false(loop_turn(loop));
	assert_int_equal(write(a.w.fd, &one, 8), 8);
	assert_true(loop_turn(loop));
	assert_false(loop_turn(loop));
	assert_string_equal(told, "aa");
	/* A second loop_watch() changes what is waited for. */
	assert_int_equal(loop_watch(loop, &a.w, EPOLLIN), 0);
	assert_true(loop_turn(loop));
	assert_true(loop_turn(loop));
	assert_int_equal(loop_watch(loop, &a.w, 0), 0);
	assert_false(loop_turn(loop));
	loop_unwatch(loop, &a.w);
	loop_unwatch(loop, &a.w);
	close(a.w.fd);
}

static void a_bad_descriptor_is_an_error(void **state)
{
	struct thing a = thing('a');

	(void)state;
	assert_int_equal(loop_watch(loop, &a.w, EPOLLIN), -EBADF);
}

/* Posted from another thread, in order, and the loop then told to stop. */
#define POSTS 1000

struct post {
	struct deferred d;
	struct post_run *run;
	int number;
};

struct post_run {
	struct post posts[POSTS];
	int seen;
};

static void posted(struct deferred *d)
{
	struct post *p = container_of(d, struct post, d);

	assert_true(loop_owned(loop));
	assert_int_equal(p->number, p->run->seen);
	p->run->seen++;
	if (p->run->seen == POSTS)
		loop_stop(loop);
}

static void *poster(void *arg)
{
	struct post_run *run = arg;
	int i;

	if (loop_owned(loop))
		return run;
	for (i = 0; i < POSTS; i++) {
		run->posts[i] = (struct post){ .d.run = posted,
					       .run = run,
					       .number = i };
		loop_post(loop, &run->posts[i].d);
	}
	return NULL;
}

static void posts_of_another_thread_arrive_in_order(void **state)
{
	static struct post_run run;
	pthread_t thread;
	void *owned;

	(void)state;
	run.seen = 0;
	assert_int_equal(pthread_create(&thread, NULL, poster, &run), 0);
	loop_run(loop);
	assert_int_equal(run.seen, POSTS);
	assert_int_equal(pthread_join(thread, &owned), 0);
	assert_null(owned);
}

static void a_stop_before_the_run_is_not_lost(void **state)
{
	(void)state;
	loop_stop(loop);
	loop_run(loop);
}

static void stop_timer(struct timer *t)
{
	(void)t;
	note('t');
	loop_stop(loop);
}

static void a_running_loop_waits_for_its_timers(void **state)
{
	struct timer t = { .fire = stop_timer };
	uint64_t before = loop_now_ns(loop);

	(void)state;
	list_init(&t.link);
	loop_timer(loop, &t, 2000000);
	loop_run(loop);
	assert_string_equal(told, "t");
	assert_true(loop_now_ns(loop) - before >= 2000000);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(deferred_calls_run_in_order_until_none_is_left),
		test(hooks_run_once_a_turn_and_may_remove_each_other),
		test(what_was_hooked_first_runs_last),
		test(a_hook_added_by_a_hook_runs_without_a_wait),
		test(what_a_hook_defers_runs_in_the_next_turn),
		test(timers_fire_when_due_in_their_order),
		test(a_timer_can_be_moved_and_taken_back),
		test(a_timer_may_take_back_one_due_in_the_same_turn),
		test(watches_are_told_and_may_remove_each_other),
		test(an_edge_is_told_once),
		test(a_bad_descriptor_is_an_error),
		test(posts_of_another_thread_arrive_in_order),
		test(a_stop_before_the_run_is_not_lost),
		test(a_running_loop_waits_for_its_timers),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
