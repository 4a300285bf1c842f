/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats_test.c - the statistics, byte for byte as others parse them; and the
 * counters in shared memory.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/json.h"
#include "tapdisk/driver.h"
#include "tapdisk/metrics.h"
#include "tapdisk/stats.h"
#include "tests/lib/rig.h"
#include "tests/lib/test.h"
#include "xenio/ring.h"

#define DISK "ram:1048576"

#define TAIL                                                                   \
	"\"FIXME_enospc_redirect_count\": 0, \"nbd_mirror_failed\": 0, "       \
	"\"reqs_outstanding\": 0, \"read_caching\": \"false\", \"state\": "

/* Shared memory of the test's own: others may run beside it. */
static char shm[] = "/tmp/blktap-shm-XXXXXX";

static int setup(void **state)
{
	(void)snprintf(shm, sizeof(shm), "/tmp/blktap-shm-XXXXXX"); /* fits */
	*state = rig_new(NULL);
	return mkdtemp(shm) ? 0 : -1;
}

static int teardown(void **state)
{
	rig_free(*state);
	(void)rmdir(shm); /* it may be gone */
	return 0;
}

/* The statistics begin with this; what is ours follows. */
static void expect(struct rig *rig, const char *wanted)
{
	struct json *json = json_new();
	char *text;

	stats_add(json, rig->vbd);
	text = json_take(json, NULL);
	assert_non_null(text);
	if (strncmp(text, wanted, strlen(wanted)) != 0)
		assert_string_equal(text, wanted);
	free(text);
	json_free(json);
}

static void before_open_the_name_is_null(void **state)
{
	expect(*state, "{ \"name\": \"(null)\", \"secs\": [ 0, 0 ], "
		       "\"images\": [  ], " TAIL "\"closed\", ");
}

static void an_open_disk_tells_sectors_and_images(void **state)
{
	struct rig *rig = *state;
	char buf[4096] = { 0 };

	assert_int_equal(rig_open(rig, DISK), 0);
	assert_int_equal(rig_write(rig, 0, buf, 4096), 0);
	assert_int_equal(rig_read(rig, 512, buf, 1024), 0);
	expect(rig, "{ \"name\": \"" DISK "\", \"secs\": [ 2, 8 ], "
		    "\"images\": [ { \"name\": \"1048576\", "
		    "\"hits\": [ 2, 8 ], \"fail\": [ 0, 0 ], "
		    "\"driver\": { \"type\": -1, \"name\": \"ram\", "
		    "\"status\": null } } ], " TAIL "\"running\", ");
}

static void a_paused_disk_keeps_its_name_and_has_no_images(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_open(rig, DISK), 0);
	assert_int_equal(rig_pause(rig), 0);
	expect(rig, "{ \"name\": \"" DISK "\", \"secs\": [ 0, 0 ], "
		    "\"images\": [  ], " TAIL "\"paused\", ");
	assert_int_equal(rig_close(rig, false), 0);
	expect(rig, "{ \"name\": \"(null)\", ");
}

static void kicks_stats(const struct channel *ch, struct json *out)
{
	(void)ch;
	json_array(out, "kicks");
	json_uint(out, NULL, 3);
	json_uint(out, NULL, 4);
	json_end(out);
}

/* A client that passes for a guest's ring. */
struct guest {
	struct transport tr;
	struct mem_client client;
	struct mem_client *arg;
	struct ring_indices ring;
};

static void indices(const struct channel *ch, struct ring_indices *out)
{
	*out = container_of(ch->tr, struct guest, tr)->ring;
}

static void join(struct rig *rig, struct guest *g, const char *name)
{
	struct channel *ch;

	g->tr = mem_transport;
	g->tr.indices = indices;
	g->tr.name = "xenio";
	g->tr.stats = kicks_stats;
	g->arg = &g->client;
	assert_int_equal(
		channel_open(&ch, rig->vbd, &g->tr, name, &g->arg, NULL), 0);
	rig_settle(rig);
}

static void guest_op(struct rig *rig, struct guest *g, enum req_op op,
		     uint64_t len)
{
	char buf[8192] = { 0 };
	struct mem_op ask = { .op = op, .len = len, .buf = buf };

	mem_ask(&g->client, &ask);
	rig_wait(rig, &ask.done);
}

static void a_ring_is_told_as_xenbus(void **state)
{
	static struct guest g;
	struct rig *rig = *state;

	memset(&g, 0, sizeof(g));
	assert_int_equal(rig_open(rig, DISK), 0);
	join(rig, &g, "xenio:7/51712.0");
	guest_op(rig, &g, REQ_READ, 512);
	expect(rig, "{ \"name\": \"" DISK "\", \"secs\": [ 1, 0 ], "
		    "\"images\": [ { \"name\": \"1048576\", "
		    "\"hits\": [ 1, 0 ], \"fail\": [ 0, 0 ], "
		    "\"driver\": { \"type\": -1, \"name\": \"ram\", "
		    "\"status\": null } } ], "
		    "\"xenbus\": { \"pool\": \"td-xenio-default\", "
		    "\"domid\": 7, \"devid\": 51712, \"reqs\": [ 1, 1 ], "
		    "\"kicks\": [ 3, 4 ], \"queue\": 0 }, " TAIL);
}

static const char *in_shm(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", shm, name); /* it fits */
	return path;
}

/* The i-th number of a file of 64-bit numbers. */
static uint64_t number(const char *name, unsigned i)
{
	uint64_t n = 0;
	int fd = open(in_shm(name), O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &n, 8, 8 * i), 8);
	(void)close(fd); /* was read only */
	return n;
}

#define PID 4000000 /* there is none of so high a number */

static void the_counters_are_where_collectors_look(void **state)
{
	static struct guest g;
	struct rig *rig = *state;
	struct metrics_disk *disk;
	struct metrics *m;

	memset(&g, 0, sizeof(g));
	assert_int_equal(metrics_new(&m, rig->loop, shm, PID, NULL), 0);
	assert_int_equal(rig_open(rig, DISK), 0);
	assert_int_equal(metrics_add_disk(&disk, m, rig->vbd, NULL), 0);
	assert_int_equal(metrics_add_guest(disk, 32000, 768, NULL), 0);
	join(rig, &g, "xenio:32000/768.0");
	guest_op(rig, &g, REQ_WRITE, 8192);
	guest_op(rig, &g, REQ_READ, 512);
	guest_op(rig, &g, REQ_FLUSH, 0);
	/* A tenth of a second later they are up to date. */
	assert_int_equal(number("td3-4000000/vdi-0", 2), 0);
	rig_pass(rig, RIG_SECOND / 10);
	assert_int_equal(number("td3-4000000/vdi-0", 2), 1);
	assert_int_equal(number("td3-4000000/vdi-0", 8), 16);
	assert_int_equal(number("td3-4000000/vdi-0", 0), 0);
	assert_int_equal(number("td3-4000000/nbd-0", 2), 0);
	assert_int_equal(number("td3-4000000/vbd-32000-768", 0), 1);
	assert_int_equal(number("td3-4000000/vbd-32000-768", 4), 1);
	assert_int_equal(number("td3-4000000/vbd-32000-768", 7), 1);
	assert_int_equal(number("vbd3-32000-768/statistics", 1), 1);
	assert_int_equal(number("vbd3-32000-768/statistics", 3), 1);
	assert_int_equal(number("vbd3-32000-768/statistics", 5), 1);
	assert_int_equal(number("vbd3-32000-768/statistics", 8), 1);
	assert_int_equal(number("vbd3-32000-768/statistics", 10), 16);
	metrics_remove_disk(disk);
	metrics_free(m);
	assert_int_equal(rmdir(shm), 0); /* it is empty */
}

/* What the file io_ring has behind its checksum. */
static const char *ring_text(void)
{
	static char buf[256];
	int fd = open(in_shm("vbd3-32000-768/io_ring"), O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, buf, sizeof(buf) - 1);
	(void)close(fd); /* was read only */
	assert_true(n > 8);
	buf[n] = '\0';
	return buf + 8;
}

static void where_a_ring_is_is_told_every_five_seconds(void **state)
{
	static struct guest g;
	struct rig *rig = *state;
	struct metrics_disk *disk;
	struct metrics *m;

	memset(&g, 0, sizeof(g));
	assert_int_equal(metrics_new(&m, rig->loop, shm, PID, NULL), 0);
	assert_int_equal(rig_open(rig, DISK), 0);
	assert_int_equal(metrics_add_disk(&disk, m, rig->vbd, NULL), 0);
	g.ring = (struct ring_indices){ 32, 10, 8, 11, 6, 7, 9 };
	join(rig, &g, "xenio:32000/768.0");
	assert_int_equal(metrics_add_guest(disk, 32000, 768, NULL), 0);
	assert_string_equal(ring_text(), "nr_ents 32\n"
					 "req prod 10 cons 8 event 11\n"
					 "rsp prod 6 pvt 7 event 9\n");
	/* As zlib's crc32() has it. */
	assert_int_equal(number("vbd3-32000-768/io_ring", 0), 0xc2f17215);
	assert_int_equal(access(in_shm("vbd3-32000-768/io_ring~"), F_OK), -1);
	g.ring.entries = 1;
	guest_op(rig, &g, REQ_READ, 512);
	rig_pass(rig, 4 * RIG_SECOND);
	assert_int_equal(strncmp(ring_text(), "nr_ents 32\n", 11), 0);
	rig_pass(rig, RIG_SECOND);
	assert_string_equal(ring_text(), "nr_ents 1\n"
					 "req prod 10 cons 8 event 11\n"
					 "rsp prod 6 pvt 7 event 9\n");
	metrics_free(m);
	assert_int_equal(rmdir(shm), 0); /* it is empty */
}

static void an_idle_disk_arms_no_timer(void **state)
{
	struct rig *rig = *state;
	struct metrics_disk *disk;
	struct metrics *m;

	assert_int_equal(metrics_new(&m, rig->loop, shm, PID, NULL), 0);
	assert_int_equal(rig_open(rig, DISK), 0);
	assert_int_equal(metrics_add_disk(&disk, m, rig->vbd, NULL), 0);
	rig_settle(rig);
	rig_pass(rig, RIG_SECOND);
	rig_settle(rig);
	/* A turn that does nothing says so. */
	loop_set_now_ns(rig->loop, rig->now_ns + 10 * RIG_SECOND);
	assert_false(loop_turn(rig->loop));
	metrics_free(m);
	assert_int_equal(rmdir(shm), 0); /* it is empty */
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(before_open_the_name_is_null),
		T(an_open_disk_tells_sectors_and_images),
		T(a_paused_disk_keeps_its_name_and_has_no_images),
		T(a_ring_is_told_as_xenbus),
		T(the_counters_are_where_collectors_look),
		T(where_a_ring_is_is_told_every_five_seconds),
		T(an_idle_disk_arms_no_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
