/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_test.c - a disk moves from blkback to our ring and back, and what is
 * left when a step fails.
 */
#include "migrate/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/lib/live-world.h"
#include "tests/lib/test.h"

static struct live *look(struct world *w)
{
	const struct live_request req = { .domid = WORLD_DOM,
					  .devid = WORLD_DEV };
	struct err err = { .code = 0 };
	struct live *l = NULL;

	if (live_open(&l, &w->env, &req, &err) < 0)
		fail_msg("%s", err.msg);
	return l;
}

static void node_is(struct world *w, const char *name, const char *wanted)
{
	cleanup_free char *value = world_read(w, name);

	if (wanted)
		assert_string_equal(value, wanted);
	else
		assert_null(value);
}

/* As it was before anything was done. */
static void blkback_serves(struct world *w)
{
	const struct world_tap *old = world_old(w);

	assert_true(world_bound(w));
	assert_true(w->bound_port > 0);
	assert_null(world_ours(w));
	assert_true(!old || (old->writable && !old->tap.state));
	node_is(w, "state", "4");
	node_is(w, "xenio-owner", NULL);
	node_is(w, "xenio-status", NULL);
	node_is(w, "xenio-limit-ms", NULL);
	node_is(w, "kthread-pid", NULL);
	node_is(w, "pid", NULL);
	node_is(w, "minor", NULL);
	node_is(w, "xenio-ends", NULL);
	assert_true(w->writers_most <= 1);
}

static void ours_serves(struct world *w)
{
	const struct world_tap *old = world_old(w), *ours = world_ours(w);

	assert_false(world_bound(w));
	assert_non_null(ours);
	assert_true(ours->ring && ours->writable);
	assert_true(!old || old->tap.state == 0x2a);
	node_is(w, "state", "4");
	node_is(w, "xenio-owner", "serve");
	node_is(w, "xenio-status", "active");
	assert_true(w->writers_most <= 1);
}

static const enum live_kind kinds[] = { LIVE_LOOP, LIVE_RAW, LIVE_TAPDEV };

/* --- there and back ------------------------------------------------------- */

static void a_disk_goes_over_and_comes_back(void **state)
{
	struct err err = { .code = 0 };
	unsigned ms;

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		struct world w;
		struct live *l;

		world_new(&w, kinds[k]);
		w.drain_ms = 40;
		l = look(&w);
		assert_int_equal(live_kind(l), kinds[k]);
		for (unsigned turn = 0; turn < 5; turn++) {
			assert_int_equal(live_may_take(l, &err), 0);
			assert_int_equal(live_take(l, &ms, &err), 0);
			ours_serves(&w);
			assert_int_equal(live_server(l), LIVE_OURS);
			assert_true(ms >= 40 && ms < 100);
			assert_int_equal(live_may_return(l, &err), 0);
			assert_int_equal(live_return(l, &ms, &err), 0);
			blkback_serves(&w);
			assert_int_equal(live_server(l), LIVE_BLKBACK);
		}
		live_close(l);
		world_free(&w);
	}
}

static void ours_opens_what_the_old_one_had(void **state)
{
	static const char *const specs[] = { "aio:/disks/a", "aio:/dev/x",
					     "vhd:/disks/a.vhd" };

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		struct world w;
		struct live *l;

		world_new(&w, kinds[k]);
		l = look(&w);
		assert_string_equal(live_spec(l), specs[k]);
		assert_int_equal(live_take(l, NULL, NULL), 0);
		assert_string_equal(world_ours(&w)->tap.spec, specs[k]);
		live_close(l);
		world_free(&w);
	}
}

static void a_disk_the_guest_may_not_write_is_opened_for_reading(void **state)
{
	struct world w;
	struct live *l;

	(void)state;
	world_new(&w, LIVE_LOOP);
	world_node(&w, "mode", "r");
	w.refusal = "failed: not looked at";
	l = look(&w);
	assert_int_equal(live_take(l, NULL, NULL), -EIO);
	assert_int_equal(w.writers_most, 1); /* blkback */
	live_close(l);
	world_free(&w);
}

/* --- a step fails --------------------------------------------------------- */

/* Take it, which fails with error; then it is as it was. */
static void fails_and_is_undone(struct world *w, int error)
{
	struct live *l = look(w);
	struct err err = { .code = 0 };

	assert_int_equal(live_take(l, NULL, &err), error);
	assert_true(err.msg[0]);
	blkback_serves(w);
	live_close(l);
	world_free(w);
}

static void no_tapdisk_of_ours_changes_nothing(void **state)
{
	struct world w;

	(void)state;
	world_new(&w, LIVE_LOOP);
	w.start_error = -ENOENT;
	fails_and_is_undone(&w, -ENOENT);
	assert_int_equal(w.puts, 0);
}

static void an_image_that_cannot_be_read_leaves_blkback_alone(void **state)
{
	struct world w;

	(void)state;
	world_new(&w, LIVE_LOOP);
	w.fail[0] = -EINVAL; /* the trial */
	fails_and_is_undone(&w, -EINVAL);
	assert_int_equal(w.puts, 0);
}

static void an_image_of_another_size_leaves_blkback_alone(void **state)
{
	struct world w;

	(void)state;
	world_new(&w, LIVE_LOOP);
	w.sectors = 2040;
	fails_and_is_undone(&w, -EMEDIUMTYPE);
	assert_int_equal(w.puts, 0);
}

static void an_unbind_that_is_refused_changes_nothing(void **state)
{
	struct world w;

	(void)state;
	world_new(&w, LIVE_LOOP);
	w.put_error = -ENODEV;
	fails_and_is_undone(&w, -ENODEV);
}

static void a_disk_that_unbind_has_closed_is_not_touched(void **state)
{
	struct err err = { .code = 0 };
	struct world w;
	struct live *l;

	(void)state;
	world_new(&w, LIVE_LOOP);
	w.unbind_state = 6;
	l = look(&w);
	assert_int_equal(live_take(l, NULL, &err), -ESHUTDOWN);
	assert_non_null(strstr(err.msg, "state is 6"));
	assert_int_equal(w.puts, 1); /* no bind */
	assert_null(world_ours(&w));
	node_is(&w, "xenio-owner", NULL);
	live_close(l);
	world_free(&w);
}

static void slow_storage_is_waited_for(void **state)
{
	struct world w;
	struct live *l;
	unsigned ms;

	(void)state;
	world_new(&w, LIVE_LOOP);
	w.drain_ms = 20000;
	l = look(&w);
	assert_int_equal(live_take(l, &ms, NULL), 0);
	assert_true(ms >= 20000);
	ours_serves(&w);
	live_close(l);
	world_free(&w);
}

static void storage_that_hangs_is_given_back_once_it_answers(void **state)
{
	struct err err = { .code = 0 };
	struct world w;
	struct live *l;

	(void)state;
	world_new(&w, LIVE_LOOP);
	w.drain_ms = 45000; /* the limit is 30000: it passes while undoing */
	fails_and_is_undone(&w, -ETIMEDOUT);

	world_new(&w, LIVE_LOOP);
	w.drain_ms = 100000;
	l = look(&w);
	assert_int_equal(live_take(l, NULL, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "does not end"));
	assert_int_equal(w.puts, 1); /* a bind now would close the disk */
	assert_int_equal(live_return(l, NULL, &err), -ETIMEDOUT);
	assert_int_equal(live_return(l, NULL, &err), 0);
	blkback_serves(&w);
	live_close(l);
	world_free(&w);
}

static void an_old_tapdisk_that_does_not_pause_goes_on(void **state)
{
	struct world w;

	(void)state;
	world_new(&w, LIVE_TAPDEV);
	w.fail[WIRE_PAUSE] = -ETIMEDOUT;
	fails_and_is_undone(&w, -ETIMEDOUT);
}

static void an_image_that_cannot_be_opened_goes_back(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		struct world w;

		world_new(&w, kinds[k]);
		w.fail[WIRE_OPEN] = -EIO;
		fails_and_is_undone(&w, -EIO);
	}
}

static void a_ring_that_cannot_be_served_goes_back(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		struct world w;

		world_new(&w, kinds[k]);
		w.refusal = "failed: ring's indices are nonsense";
		fails_and_is_undone(&w, -EIO);
	}
}

static void a_xenio_that_ends_meanwhile_is_not_needed_to_go_back(void **state)
{
	struct world w;

	(void)state;
	world_new(&w, LIVE_TAPDEV);
	world_xenio(&w, false);
	fails_and_is_undone(&w, -ETIMEDOUT);
}

static void a_xenio_that_ends_later_is_not_needed_to_give_back(void **state)
{
	struct err err = { .code = 0 };
	struct world w;
	struct live *l;

	(void)state;
	world_new(&w, LIVE_TAPDEV);
	l = look(&w);
	assert_int_equal(live_take(l, NULL, &err), 0);
	world_xenio(&w, false);
	assert_int_equal(live_return(l, NULL, &err), 0);
	world_node(&w, "kthread-pid", NULL);
	blkback_serves(&w);
	live_close(l);
	world_free(&w);
}

static void any_call_to_xen_may_fail_and_the_guest_keeps_its_disk(void **state)
{
	unsigned n = 0, failed = 0;
	bool over = false;

	(void)state;
	while (!over && n < 1000) {
		struct err err = { .code = 0 };
		struct world w;
		struct live *l;
		int rc;

		world_new(&w, LIVE_TAPDEV);
		l = look(&w);
		xen_fake_fail(w.fake, XEN_FAKE_ANY, ++n, -ENOMEM);
		rc = live_take(l, NULL, &err);
		over = !xen_fake_failed(w.fake);
		if (rc < 0) {
			failed++;
			assert_int_equal(live_return(l, NULL, &err), 0);
			assert_true(world_bound(&w));
		} else {
			ours_serves(&w);
		}
		assert_true(w.writers_most <= 1);
		node_is(&w, "state", "4");
		live_close(l);
		world_free(&w);
	}
	assert_true(n > 40 && failed > 10);
}

/* --- killed in between ---------------------------------------------------- */

/* The first n steps, by a process that is no more then. */
static void do_steps(struct world *w, unsigned n)
{
	struct live *l = look(w);
	unsigned count;
	const struct live_step *steps = live_steps(&count);
	struct err err = { .code = 0 };

	assert_true(n <= count);
	for (unsigned i = 0; i < n; i++) {
		if (!steps[i].done(l))
			assert_int_equal(steps[i].act(l, &err), 0);
		assert_int_equal(steps[i].done(l), 1);
	}
	live_close(l);
}

static void after_each_step_another_goes_on_or_back(void **state)
{
	unsigned count;

	(void)state;
	(void)live_steps(&count);
	for (unsigned i = 0; i < 3 * 2 * (count + 1); i++) {
		bool on = i & 1;
		struct err err = { .code = 0 };
		struct world w;
		struct live *l;

		world_new(&w, kinds[i / 2 % 3]);
		do_steps(&w, i / 6);
		l = look(&w);
		assert_int_equal(on ? live_take(l, NULL, &err)
				    : live_return(l, NULL, &err),
				 0);
		if (on)
			ours_serves(&w);
		else
			blkback_serves(&w);
		live_close(l);
		world_free(&w);
	}
}

static void a_guest_that_ends_meanwhile_ends_it_too(void **state)
{
	struct err err = { .code = 0 };
	unsigned count;

	(void)state;
	(void)live_steps(&count);
	for (unsigned n = 2; n < count; n++) {
		struct world w;
		struct live *l;

		world_new(&w, LIVE_TAPDEV);
		do_steps(&w, n);
		l = look(&w);
		world_node(&w, "/local/domain/1/device/vbd/51712", NULL);
		world_node(&w, "state", "5");
		assert_true(live_take(l, NULL, &err) < 0);
		assert_null(world_ours(&w));
		assert_false(world_bound(&w));
		node_is(&w, "xenio-owner", NULL);
		live_close(l);
		world_free(&w);
	}
}

static void a_bind_that_fails_is_told(void **state)
{
	struct err err = { .code = 0 };
	struct world w;
	struct live *l;

	(void)state;
	world_new(&w, LIVE_LOOP);
	l = look(&w);
	assert_int_equal(live_take(l, NULL, &err), 0);
	w.bind_state = 5;
	assert_int_equal(live_return(l, NULL, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "backend in state 5"));
	live_close(l);

	world_free(&w);
	world_new(&w, LIVE_LOOP);
	l = look(&w);
	assert_int_equal(live_take(l, NULL, &err), 0);
	w.put_error = -ENODEV;
	assert_int_equal(live_return(l, NULL, &err), -ENODEV);
	assert_int_equal(live_server(l), LIVE_NOBODY);
	assert_int_equal(live_take(l, NULL, &err), 0); /* and on again */
	ours_serves(&w);
	live_close(l);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test(f)
		T(a_disk_goes_over_and_comes_back),
		T(ours_opens_what_the_old_one_had),
		T(a_disk_the_guest_may_not_write_is_opened_for_reading),
		T(no_tapdisk_of_ours_changes_nothing),
		T(an_image_that_cannot_be_read_leaves_blkback_alone),
		T(an_image_of_another_size_leaves_blkback_alone),
		T(an_unbind_that_is_refused_changes_nothing),
		T(a_disk_that_unbind_has_closed_is_not_touched),
		T(slow_storage_is_waited_for),
		T(storage_that_hangs_is_given_back_once_it_answers),
		T(an_old_tapdisk_that_does_not_pause_goes_on),
		T(an_image_that_cannot_be_opened_goes_back),
		T(a_ring_that_cannot_be_served_goes_back),
		T(a_xenio_that_ends_meanwhile_is_not_needed_to_go_back),
		T(a_xenio_that_ends_later_is_not_needed_to_give_back),
		T(any_call_to_xen_may_fail_and_the_guest_keeps_its_disk),
		T(after_each_step_another_goes_on_or_back),
		T(a_guest_that_ends_meanwhile_ends_it_too),
		T(a_bind_that_fails_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
