/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_serve_test.c - the tapdisk behind a tapdev is exchanged while blkback
 * has the device, and what is left when that fails.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "migrate/live.h"
#include "tests/lib/live-world.h"
#include "tests/lib/test.h"

#define HOLD "/sys/module/blktap/parameters/hold_seconds"

static struct live *begin(struct world *w, enum live_kind kind)
{
	const struct live_request req = { .domid = WORLD_DOM,
					  .devid = WORLD_DEV };
	struct err err = { .code = 0 };
	struct live *l = NULL;

	world_new(w, kind);
	world_file(w, HOLD, "60\n");
	if (live_open(&l, &w->env, &req, &err) < 0)
		fail_msg("%s", err.msg);
	return l;
}

static void end(struct world *w, struct live *l)
{
	assert_true(w->writers_most <= 1);
	live_close(l);
	world_free(w);
}

/* One tapdisk has the minor and the image, and it is the only one. */
static void has_it(struct world *w, bool old)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WORLD_TAPS; i++) {
		const struct world_tap *t = &w->tap[i];

		if (!t->tap.pid)
			continue;
		n++;
		assert_int_equal(t->old, old);
		assert_int_equal(t->tap.minor, 3);
		assert_int_equal(t->tap.state, 0);
		assert_string_equal(t->tap.spec, "vhd:/disks/a.vhd");
		assert_true(t->writable);
	}
	assert_int_equal(n, 1);
	assert_true(world_bound(w));
}

static void held_is(struct world *w, const char *seconds)
{
	char path[128], line[16];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s" HOLD, w->root);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	(void)fclose(f); /* it was read from */
	line[strcspn(line, "\n")] = '\0';
	assert_string_equal(line, seconds);
}

static void ours_takes_a_tapdev_and_gives_it_back(void **state)
{
	struct world w;
	struct live *l = begin(&w, LIVE_TAPDEV);
	struct err err = { .code = 0 };
	unsigned ms = 0;

	(void)state;
	w.seats_busy = 3;
	assert_int_equal(live_may_serve(l, &err), 0);
	assert_int_equal(live_serve_look(l), 0);
	assert_int_equal(live_serve(l, NULL, &ms, &err), 0);
	has_it(&w, false);
	assert_int_equal(live_serve_look(l), 1);
	assert_int_equal(w.held, 86400);
	held_is(&w, "60");
	assert_true(ms >= 15 && ms < 100);
	assert_int_equal(live_serve(l, "/old/tapdisk", NULL, &err), 0);
	has_it(&w, true);
	assert_int_equal(w.kills, 2);
	end(&w, l);
}

static void what_is_done_is_not_done_again(void **state)
{
	struct world w;
	struct live *l = begin(&w, LIVE_TAPDEV);

	(void)state;
	assert_int_equal(live_serve(l, "/old/tapdisk", NULL, NULL), 0);
	assert_int_equal(w.kills + w.starts, 0);
	has_it(&w, true);
	end(&w, l);
}

/* Whoever did it is killed after each part; then it is done once more. */
static void what_was_cut_off_is_gone_on_with(void **state)
{
	(void)state;
	for (unsigned cut = 0; cut < 4; cut++) {
		struct world w;
		struct live *l = begin(&w, LIVE_TAPDEV);
		struct world_tap *old = world_old(&w);
		bool back = cut % 2;

		world_file(&w, HOLD, "86400\n");
		if (cut < 2) { /* it was paused */
			old->tap.state = 0x2a;
			old->writable = false;
		} else { /* and killed */
			*old = (struct world_tap){ .tap.pid = 0 };
		}
		assert_int_equal(live_serve_look(l), -EBUSY);
		assert_int_equal(
			live_serve(l, back ? "/old/tapdisk" : NULL, NULL, NULL),
			0);
		has_it(&w, back);
		held_is(&w, "60");
		end(&w, l);
	}
}

static void one_without_its_image_gets_it(void **state)
{
	struct world w;
	struct live *l = begin(&w, LIVE_TAPDEV);

	(void)state;
	world_old(&w)->tap.state = 0x2;
	world_old(&w)->tap.spec[0] = '\0';
	world_old(&w)->writable = false;
	assert_int_equal(live_serve(l, "/old/tapdisk", NULL, NULL), 0);
	has_it(&w, true);
	end(&w, l);
}

static void an_image_ours_cannot_read_changes_nothing(void **state)
{
	struct world w;
	struct live *l = begin(&w, LIVE_TAPDEV);
	struct err err = { .code = 0 };

	(void)state;
	w.fail[0] = -EINVAL; /* the trial */
	assert_int_equal(live_serve(l, NULL, NULL, &err), -EINVAL);
	has_it(&w, true);
	assert_int_equal(w.kills, 0);
	held_is(&w, "60");
	end(&w, l);
}

static void a_pause_that_fails_changes_nothing(void **state)
{
	struct world w;
	struct live *l = begin(&w, LIVE_TAPDEV);
	struct err err = { .code = 0 };

	(void)state;
	w.fail[WIRE_PAUSE] = -EIO;
	assert_int_equal(live_serve(l, NULL, NULL, &err), -EIO);
	has_it(&w, true);
	end(&w, l);
}

/* The old program is told to open with the same message, and may. */
static void an_image_ours_cannot_write_goes_back(void **state)
{
	struct world w;
	struct live *l = begin(&w, LIVE_TAPDEV);
	struct err err = { .code = 0 };

	(void)state;
	w.fail_ours_open = -EROFS;
	assert_int_equal(live_serve(l, NULL, NULL, &err), -EIO);
	assert_non_null(strstr(err.msg, "as it was told"));
	has_it(&w, true);
	held_is(&w, "60");
	end(&w, l);
}

static void nobody_opens_it_and_the_guest_waits_on(void **state)
{
	struct world w;
	struct live *l = begin(&w, LIVE_TAPDEV);
	struct err err = { .code = 0 };

	(void)state;
	w.fail[WIRE_OPEN] = -EIO;
	assert_int_equal(live_serve(l, NULL, NULL, &err), -EUCLEAN);
	held_is(&w, "86400");
	w.fail[WIRE_OPEN] = 0;
	assert_int_equal(live_serve(l, NULL, NULL, &err), 0);
	has_it(&w, false);
	held_is(&w, "60");
	end(&w, l);
}

static void another_module_or_device_is_refused(void **state)
{
	struct world w;
	struct live *l = begin(&w, LIVE_TAPDEV);
	struct err err = { .code = 0 };

	(void)state;
	world_file(&w, HOLD, NULL);
	assert_int_equal(live_may_serve(l, &err), -EOPNOTSUPP);
	assert_int_equal(live_serve(l, NULL, NULL, &err), -EOPNOTSUPP);
	has_it(&w, true);
	end(&w, l);
	l = begin(&w, LIVE_LOOP);
	assert_int_equal(live_may_serve(l, &err), -EINVAL);
	assert_int_equal(live_serve(l, NULL, NULL, &err), -EOPNOTSUPP);
	end(&w, l);
}

static void a_tapdisk_with_other_disks_is_left_alone(void **state)
{
	struct world w;
	struct live *l = begin(&w, LIVE_TAPDEV);
	struct err err = { .code = 0 };

	(void)state;
	w.tap[1] = w.tap[0];
	w.tap[1].tap.minor = 4;
	w.tap[1].writable = false;
	assert_int_equal(live_may_serve(l, &err), -EBUSY);
	assert_int_equal(live_serve(l, NULL, NULL, &err), -EBUSY);
	assert_int_equal(w.kills, 0);
	end(&w, l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours_takes_a_tapdev_and_gives_it_back),
		cmocka_unit_test(what_is_done_is_not_done_again),
		cmocka_unit_test(what_was_cut_off_is_gone_on_with),
		cmocka_unit_test(one_without_its_image_gets_it),
		cmocka_unit_test(an_image_ours_cannot_read_changes_nothing),
		cmocka_unit_test(a_pause_that_fails_changes_nothing),
		cmocka_unit_test(an_image_ours_cannot_write_goes_back),
		cmocka_unit_test(nobody_opens_it_and_the_guest_waits_on),
		cmocka_unit_test(another_module_or_device_is_refused),
		cmocka_unit_test(a_tapdisk_with_other_disks_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
