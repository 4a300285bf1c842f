/* SPDX-License-Identifier: GPL-2.0-or-later */
/* live-world-serve.c - tapdisks that come and go behind the world's tapdev. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "tests/lib/live-world.h"
#include "tests/lib/test.h"

#define HOLD "/sys/module/blktap/parameters/hold_seconds"

int world_who(void *arg, const struct live_tap *tap, struct live_who *who)
{
	struct world *w = arg;

	for (unsigned i = 0; i < WORLD_TAPS; i++) {
		const struct world_tap *t = &w->tap[i];

		if (t->tap.pid != tap->pid)
			continue;
		who->ours = !t->old;
		who->disks++;
	}
	(void)snprintf(who->program, sizeof(who->program), "/old/tapdisk");
	return 0;
}

static struct world_tap *no_disk(struct world *w, pid_t pid)
{
	for (unsigned i = 0; i < WORLD_TAPS; i++)
		if (w->tap[i].tap.pid == pid && !w->tap[i].attached)
			return &w->tap[i];
	return NULL;
}

int world_spawn(void *arg, const char *program, pid_t *pid, struct err *err)
{
	struct live_tap tap;
	struct world_tap *t;
	int rc = world_start(arg, &tap, err);

	if (rc)
		return rc;
	t = world_minor(arg, tap.minor);
	t->attached = false;
	t->tap.minor = -1;
	t->old = program != NULL;
	*pid = tap.pid;
	return 0;
}

/* What was open for writing would be lost without a close. */
void world_kill(void *arg, const struct live_tap *tap)
{
	struct world *w = arg;
	char full[256];
	FILE *f;

	w->kills++;
	(void)snprintf(full, sizeof(full), "%s" HOLD, w->root); /* it fits */
	f = fopen(full, "re");
	if (f) {
		assert_int_equal(fscanf(f, "%u", &w->held), 1);
		(void)fclose(f); /* it was read from */
	}
	for (unsigned i = 0; i < WORLD_TAPS; i++)
		if (w->tap[i].tap.pid == tap->pid) {
			assert_false(w->tap[i].writable);
			w->tap[i] = (struct world_tap){ .tap.pid = 0 };
		}
}

int world_attach(struct world *w, const struct live_tap *tap, struct err *err)
{
	struct world_tap *t = no_disk(w, tap->pid);

	if (world_minor(w, tap->minor) || w->seats_busy) {
		w->seats_busy -= w->seats_busy > 0;
		return err_set(err, -EBUSY, "another has it");
	}
	assert_non_null(t);
	t->tap.minor = tap->minor;
	t->attached = true;
	return 0;
}
