/* SPDX-License-Identifier: GPL-2.0-or-later */
/* live_why_test.c - what forbids a takeover, or the way back: each by name. */
#include "migrate/live.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "tests/lib/live-world.h"
#include "tests/lib/test.h"

struct row {
	const char *why; /* a part of the sentence */
	enum live_kind kind;
	void (*spoil)(struct world *w);
};

#define SPOIL(name, ...)                                                       \
	static void name(struct world *w)                                      \
	{                                                                      \
		__VA_ARGS__;                                                   \
	}

SPOIL(old_kernel, world_file(w, "/proc/sys/kernel/osrelease", "5.5.19\n"))
SPOIL(no_xenio, world_xenio(w, false))
SPOIL(no_driver,
      world_link(w, "/sys/bus/xen-backend/devices/vbd-1-51712/driver", NULL))
SPOIL(other_driver,
      world_link(w, "/sys/bus/xen-backend/devices/vbd-1-51712/driver", "x/qd"))
SPOIL(other_backend, world_node(w, "F/backend", "/local/domain/2/backend/x"))
SPOIL(back_closing, world_node(w, "state", "5"))
SPOIL(front_closing, world_node(w, "F/state", "5"))
SPOIL(offline, world_node(w, "online", "0"))
SPOIL(suspends, world_node(w, "/local/domain/1/control/shutdown", "suspend"))
SPOIL(protocol, world_node(w, "F/protocol", "sparc"))
SPOIL(order, world_node(w, "F/ring-page-order", "5"))
SPOIL(queues, world_node(w, "F/multi-queue-num-queues", "17"))
SPOIL(no_port, world_node(w, "F/event-channel", NULL))
SPOIL(queue_port, world_node(w, "F/multi-queue-num-queues", "2"))
SPOIL(segments, world_node(w, "feature-max-indirect-segments", "512"))
SPOIL(back_order, world_node(w, "max-ring-page-order", "5"))
SPOIL(secure, world_node(w, "discard-secure", "1"))
SPOIL(no_device, world_link(w, "/sys/dev/block/7:0", NULL))
SPOIL(holder, world_file(w, "/sys/block/loop0/holders/dm-0", ""))
SPOIL(mounted, world_file(w, "/proc/mounts", "/dev/sdb /mnt ext4 rw 0 0\n"))
SPOIL(part, world_file(w, "/sys/block/loop0/loop/offset", "512\n"))
SPOIL(looped, world_file(w, "/sys/block/loop7/loop/backing_file", "/disks/a\n"))
SPOIL(two_guests,
      world_node(w, "/local/domain/0/backend/vbd/2/51728/physical-device",
		 "7:0"))
SPOIL(qemu, world_node(w, "/local/domain/1/image/device-model-pid", "77");
      world_link(w, "/proc/77/fd/12", "/disks/a"))
SPOIL(no_tapdisk, world_old(w)->tap.pid = 0)
SPOIL(paused, world_old(w)->tap.state = 0x2a)
SPOIL(marked, world_node(w, "xenio-owner", "serve"))

static const struct row rows[] = {
	{ "5.6 is the first", LIVE_LOOP, old_kernel },
	{ "xenio does not run", LIVE_LOOP, no_xenio },
	{ "blkback does not serve it", LIVE_LOOP, no_driver },
	{ "served by qd", LIVE_LOOP, other_driver },
	{ "the guest's backend is /local/domain/2", LIVE_LOOP, other_backend },
	{ "not both in 4", LIVE_LOOP, back_closing },
	{ "not both in 4", LIVE_LOOP, front_closing },
	{ "the toolstack takes it away", LIVE_LOOP, offline },
	{ "asked to suspend", LIVE_LOOP, suspends },
	{ "protocol", LIVE_LOOP, protocol },
	{ "ring-page-order", LIVE_LOOP, order },
	{ "multi-queue-num-queues", LIVE_LOOP, queues },
	{ "there is no event-channel", LIVE_LOOP, no_port },
	{ "there is no queue-0/event-channel", LIVE_LOOP, queue_port },
	{ "more than 256 segments", LIVE_LOOP, segments },
	{ "more than 16 pages", LIVE_LOOP, back_order },
	{ "discard securely", LIVE_LOOP, secure },
	{ "no block device 7:0", LIVE_LOOP, no_device },
	{ "dm-0 is upon loop0", LIVE_LOOP, holder },
	{ "sdb is mounted", LIVE_RAW, mounted },
	{ "begins at byte 512", LIVE_LOOP, part },
	{ "loop7 is over /disks/a too", LIVE_LOOP, looped },
	{ "disk 51728 of domain 2", LIVE_LOOP, two_guests },
	{ "QEMU has /disks/a open", LIVE_LOOP, qemu },
	{ "no tapdisk answers", LIVE_TAPDEV, no_tapdisk },
	{ "in state 0x2a", LIVE_TAPDEV, paused },
	{ "xenio has it already", LIVE_LOOP, marked },
};

static const struct live_request disk = { .domid = WORLD_DOM,
					  .devid = WORLD_DEV };

static void each_precondition_forbids_it_by_a_sentence(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct live_request with = disk;
		struct err err = { .code = 0 };
		unsigned before;
		struct world w;
		struct live *l;

		world_new(&w, rows[i].kind);
		rows[i].spoil(&w);
		before = world_changes(&w);
		if (rows[i].spoil == no_tapdisk || rows[i].spoil == no_device)
			with.spec = "vhd:/disks/a.vhd";
		assert_int_equal(live_open(&l, &w.env, &with, &err), 0);
		assert_true(live_may_take(l, &err) < 0);
		if (!strstr(err.msg, rows[i].why))
			fail_msg("\"%s\", not \"%s\"", err.msg, rows[i].why);
		assert_int_equal(world_changes(&w), before);
		live_close(l);
		world_free(&w);
	}
}

SPOIL(not_ours, world_node(w, "xenio-status", "bound"))
SPOIL(no_blkback, world_file(w, "/sys/bus/xen-backend/drivers/vbd/bind", NULL))
SPOIL(smaller, world_file(w, "/sys/block/loop0/size", "2040\n"))
SPOIL(pages, world_node(w, "F/num-ring-pages", "2"))
SPOIL(too_many_queues,
      world_file(w, "/sys/module/xen_blkback/parameters/max_queues", "1\n");
      world_node(w, "F/multi-queue-num-queues", "2"))

static const struct row rows_back[] = {
	{ "we do not serve it", LIVE_LOOP, not_ours },
	{ "xen-blkback is not loaded", LIVE_LOOP, no_blkback },
	{ "not both in 4", LIVE_LOOP, front_closing },
	{ "asked to suspend", LIVE_LOOP, suspends },
	{ "loop0 has 2040 sectors", LIVE_LOOP, smaller },
	{ "counts its ring's pages", LIVE_LOOP, pages },
	{ "2 queues, blkback takes 1", LIVE_LOOP, too_many_queues },
	{ "not there to go on", LIVE_TAPDEV, no_tapdisk },
};

static void each_precondition_forbids_the_way_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows_back) / sizeof(rows_back[0]);
	     i++) {
		struct err err = { .code = 0 };
		unsigned before;
		struct world w;
		struct live *l;

		world_new(&w, rows_back[i].kind);
		assert_int_equal(live_open(&l, &w.env, &disk, &err), 0);
		assert_int_equal(live_take(l, NULL, &err), 0);
		rows_back[i].spoil(&w);
		before = world_changes(&w);
		assert_true(live_may_return(l, &err) < 0);
		if (!strstr(err.msg, rows_back[i].why))
			fail_msg("\"%s\", not \"%s\"", err.msg,
				 rows_back[i].why);
		assert_int_equal(world_changes(&w), before);
		live_close(l);
		world_free(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_precondition_forbids_it_by_a_sentence),
		cmocka_unit_test(each_precondition_forbids_the_way_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
