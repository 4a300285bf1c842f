/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blktap2_test.c - the kernel device's transport over a device of plain
 * memory, and how the module is found.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compat/blktap2/abi.h"
#include "compat/blktap2/blktap2.h"
#include "lib/bytes.h"
#include "lib/list.h"
#include "tests/lib/rig.h"

#define DISK   "ram:1048576"
#define WINDOW (512u << 10)

/* The kernel's end. */
struct kernel {
	struct blktap2_dev dev;
	struct blktap2_disk disk; /* as it was told */
	struct abi_ring *ring;
	uint32_t rsp_cons;
	unsigned created, responds;
};

static struct kernel *kernel_of(struct blktap2_dev *dev)
{
	return container_of(dev, struct kernel, dev);
}

static int kernel_create(struct blktap2_dev *dev,
			 const struct blktap2_disk *disk, struct err *err)
{
	(void)err;
	kernel_of(dev)->disk = *disk;
	kernel_of(dev)->created++;
	dev->flush = disk->flush;
	return 0;
}

static int kernel_respond(struct blktap2_dev *dev)
{
	kernel_of(dev)->responds++;
	return 0;
}

static int kernel_remove(struct blktap2_dev *dev)
{
	(void)dev;
	return 0;
}

static void kernel_new(struct kernel *k)
{
	memset(k, 0, sizeof(*k));
	assert_int_equal(
		posix_memalign(&k->dev.map, 4096, ABI_MAP_SIZE + WINDOW), 0);
	memset(k->dev.map, 0, ABI_MAP_SIZE + WINDOW);
	k->ring = k->dev.map;
	k->ring->req_event = 1;
	k->ring->rsp_event = 1;
	k->dev.fd = eventfd(0, EFD_NONBLOCK);
	k->dev.create = kernel_create;
	k->dev.respond = kernel_respond;
	k->dev.remove = kernel_remove;
}

static void kernel_free(struct kernel *k)
{
	free(k->dev.map);
	close(k->dev.fd);
}

static uint8_t *kernel_data(struct kernel *k, uint64_t id)
{
	return (uint8_t *)k->dev.map + ABI_PAGE + id * ABI_SEGS * ABI_PAGE;
}

/* Put a request of whole pages on the ring; shown at once. */
static void kernel_ask(struct kernel *k, uint8_t op, uint64_t id,
		       uint64_t sector, unsigned pages)
{
	struct abi_request *req = &k->ring->slot[k->ring->req_prod % 32].req;

	memset(req, 0, sizeof(*req));
	req->op = op;
	req->id = id;
	req->sector = sector;
	req->nr_segments = pages;
	for (unsigned i = 0; i < pages; i++)
		req->seg[i].last = 7;
	k->ring->req_prod++;
}

static void kernel_ask_large(struct kernel *k, uint8_t op, uint64_t sector,
			     uint64_t at, uint64_t sectors)
{
	struct abi_request *req = &k->ring->slot[k->ring->req_prod % 32].req;

	kernel_ask(k, op, 5, sector, 0);
	req->large.nr_sectors = sectors;
	req->large.at = at;
}

static void kernel_wake(struct kernel *k)
{
	uint64_t one = 1;

	assert_int_equal(write(k->dev.fd, &one, sizeof(one)), sizeof(one));
}

/* The status of the answer to id; the answers before it are consumed. */
static int kernel_answer(struct kernel *k, uint64_t id)
{
	while (k->rsp_cons != k->ring->rsp_prod) {
		struct abi_response *rsp =
			&k->ring->slot[k->rsp_cons++ % 32].rsp;

		if (rsp->id == id)
			return rsp->status;
	}
	return 1;
}

static struct rig *serve_large(struct kernel *k, size_t window, size_t largest)
{
	struct rig *rig = rig_new(NULL);
	struct blktap2_dev *dev = &k->dev;
	struct channel *ch;

	kernel_new(k);
	dev->window = window;
	dev->largest = largest;
	assert_int_equal(rig_open(rig, DISK), 0);
	assert_int_equal(channel_open(&ch, rig->vbd, transports_find("blktap2"),
				      "blktap2:0", &dev, &rig->err),
			 0);
	return rig;
}

static struct rig *serve(struct kernel *k)
{
	return serve_large(k, 0, 0);
}

static void the_kernel_is_told_size_and_features(void **state)
{
	struct kernel k;
	struct rig *rig = serve(&k);

	(void)state;
	assert_int_equal(k.created, 1);
	assert_int_equal(k.disk.sectors, 2048);
	assert_int_equal(k.disk.sector_size, 512);
	assert_true(k.disk.flush);
	assert_false(k.disk.readonly);
	rig_free(rig);
	kernel_free(&k);
}

static void a_batch_is_told_of_once(void **state)
{
	struct kernel k;
	struct rig *rig = serve(&k);

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		memset(kernel_data(&k, i), 'a' + (int)i, 4096);
		kernel_ask(&k, ABI_OP_WRITE, i, i * 8, 1);
	}
	kernel_wake(&k);
	rig_settle(rig);
	assert_int_equal(k.ring->rsp_prod, 8);
	assert_int_equal(k.responds, 1);
	for (unsigned i = 0; i < 8; i++)
		kernel_ask(&k, ABI_OP_READ, 31 - i, i * 8, 1);
	kernel_wake(&k);
	rig_settle(rig);
	assert_int_equal(k.responds, 2);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(kernel_data(&k, 31 - i)[4095], 'a' + i);
	rig_free(rig);
	kernel_free(&k);
}

static void segments_start_and_end_inside_their_pages(void **state)
{
	struct kernel k;
	struct rig *rig = serve(&k);
	struct abi_request *req;
	uint8_t back[1536];

	(void)state;
	memset(kernel_data(&k, 5), 'x', 2 * 4096);
	memset(kernel_data(&k, 5) + 7 * 512, '1', 512);
	memset(kernel_data(&k, 5) + 4096, '2', 1024);
	kernel_ask(&k, ABI_OP_WRITE, 5, 100, 2);
	req = &k.ring->slot[0].req;
	req->seg[0].first = 7;
	req->seg[1].last = 1;
	kernel_wake(&k);
	rig_settle(rig);
	assert_int_equal(kernel_answer(&k, 5), ABI_OKAY);
	assert_int_equal(rig_read(rig, 100 * 512, back, sizeof(back)), 0);
	assert_int_equal(back[0], '1');
	assert_int_equal(back[511], '1');
	assert_int_equal(back[512], '2');
	assert_int_equal(back[1535], '2');
	rig_free(rig);
	kernel_free(&k);
}

static void the_ring_is_looked_at_without_a_wake(void **state)
{
	struct kernel k;
	struct rig *rig = serve(&k);
	uint8_t buf[512];

	(void)state;
	rig_settle(rig);
	kernel_ask(&k, ABI_OP_READ, 0, 0, 1);
	/* Anything that turns the loop will do; the descriptor is silent. */
	assert_int_equal(rig_read(rig, 0, buf, sizeof(buf)), 0);
	rig_settle(rig);
	assert_int_equal(kernel_answer(&k, 0), ABI_OKAY);
	rig_free(rig);
	kernel_free(&k);
}

static void flush_and_unknown_ops_are_answered(void **state)
{
	struct kernel k;
	struct rig *rig = serve(&k);

	(void)state;
	kernel_ask(&k, ABI_OP_FLUSH, 3, 0, 0);
	kernel_ask(&k, 9, 4, 0, 0);
	kernel_ask(&k, ABI_OP_READ, 6, 4096, 1);
	kernel_wake(&k);
	rig_settle(rig);
	assert_int_equal(k.ring->rsp_prod, 3);
	for (unsigned i = 0; i < 3; i++) {
		struct abi_response *rsp = &k.ring->slot[i].rsp;

		if (rsp->id == 3)
			assert_int_equal(rsp->status, ABI_OKAY);
		else
			assert_int_not_equal(rsp->status, ABI_OKAY);
		assert_int_equal(rsp->op, rsp->id == 3   ? ABI_OP_FLUSH
					  : rsp->id == 4 ? 9
							 : ABI_OP_READ);
	}
	rig_free(rig);
	kernel_free(&k);
}

static void a_nonsense_ring_costs_the_channel_alone(void **state)
{
	struct kernel k;
	struct rig *rig = serve(&k);
	uint8_t buf[512];

	(void)state;
	k.ring->req_prod += 1000;
	kernel_wake(&k);
	rig_settle(rig);
	assert_int_equal(rig_read(rig, 0, buf, sizeof(buf)), 0);
	assert_int_equal(k.ring->rsp_prod, 0);
	rig_free(rig);
	kernel_free(&k);
}

static void a_paused_disk_leaves_requests_on_the_ring(void **state)
{
	struct kernel k;
	struct rig *rig = serve(&k);

	(void)state;
	assert_int_equal(rig_pause(rig), 0);
	kernel_ask(&k, ABI_OP_READ, 0, 0, 1);
	kernel_wake(&k);
	rig_settle(rig);
	assert_int_equal(k.ring->rsp_prod, 0);
	assert_int_equal(rig_resume(rig, NULL), 0);
	rig_settle(rig);
	assert_int_equal(kernel_answer(&k, 0), ABI_OKAY);
	assert_int_equal(k.created, 1);
	rig_free(rig);
	kernel_free(&k);
}

static void a_large_request_lies_in_the_window(void **state)
{
	struct kernel k;
	struct rig *rig = serve_large(&k, WINDOW, 256u << 10);
	uint8_t *window = (uint8_t *)k.dev.map + ABI_MAP_SIZE, back[1024];

	(void)state;
	memset(window + (WINDOW >> 1), 'l', 256u << 10);
	kernel_ask_large(&k, ABI_OP_WRITE_LARGE, 8, WINDOW >> 1, 512);
	kernel_wake(&k);
	rig_settle(rig);
	assert_int_equal(k.ring->slot[0].rsp.op, ABI_OP_WRITE_LARGE);
	assert_int_equal(kernel_answer(&k, 5), ABI_OKAY);
	assert_int_equal(rig_read(rig, (512 + 7) * 512, back, sizeof(back)), 0);
	assert_int_equal(back[511], 'l');
	assert_int_equal(back[512], 0);
	kernel_ask_large(&k, ABI_OP_READ_LARGE, 7, 4096, 100);
	kernel_wake(&k);
	rig_settle(rig);
	assert_int_equal(kernel_answer(&k, 5), ABI_OKAY);
	assert_int_equal(window[4096 + 511], 0);
	assert_int_equal(window[4096 + 512], 'l');
	assert_int_equal(window[4096 + 51199], 'l');
	assert_int_equal(window[4096 + 51200], 0);
	rig_free(rig);
	kernel_free(&k);
}

static void a_large_request_outside_the_window_is_refused(void **state)
{
	static const struct {
		uint64_t at, sectors;
		unsigned segments;
		size_t largest;
	} bad[] = {
		{ WINDOW - 4096, 9, 0, WINDOW },
		{ WINDOW + 4096, 1, 0, WINDOW },
		{ WINDOW, 1, 0, WINDOW },
		{ -4096ull, 16, 0, WINDOW },
		{ 512, 8, 0, WINDOW },
		{ 0, 0, 0, WINDOW },
		{ 0, 17, 0, 8192 },
		{ 0, 1ull << 55, 0, WINDOW },
		{ 0, 8, 1, WINDOW },
	};
	struct kernel k;
	struct rig *rig = serve_large(&k, WINDOW, WINDOW);
	uint8_t back[512];

	(void)state;
	memset((uint8_t *)k.dev.map + ABI_PAGE, 'x', ABI_MAP_SIZE - ABI_PAGE);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		k.dev.largest = bad[i].largest;
		kernel_ask_large(&k, ABI_OP_WRITE_LARGE, 0, bad[i].at,
				 bad[i].sectors);
		k.ring->slot[i].req.nr_segments = bad[i].segments;
		kernel_wake(&k);
		rig_settle(rig);
		assert_int_equal(k.ring->slot[i].rsp.op, ABI_OP_WRITE_LARGE);
		assert_int_equal(kernel_answer(&k, 5), ABI_ERROR);
	}
	assert_int_equal(rig_read(rig, 0, back, sizeof(back)), 0);
	assert_int_equal(back[0], 0);
	rig_free(rig);
	kernel_free(&k);
}

static void who_has_no_window_knows_no_large_request(void **state)
{
	struct kernel k;
	struct rig *rig = serve(&k);

	(void)state;
	kernel_ask_large(&k, ABI_OP_WRITE_LARGE, 0, 0, 8);
	kernel_wake(&k);
	rig_settle(rig);
	assert_int_equal(kernel_answer(&k, 5), ABI_EOPNOTSUPP);
	rig_free(rig);
	kernel_free(&k);
}

/* --- finding the module --- */

static void misc_file(char root[32], const char *text)
{
	char path[64];
	FILE *f;

	memcpy(root, "/tmp/blktap2-XXXXXX", 20);
	assert_non_null(mkdtemp(root));
	(void)snprintf(path, sizeof(path), "%s/proc", root);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/proc/misc", root);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void misc_gone(const char *root)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/proc/misc", root);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/proc", root);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(root), 0);
}

static void both_names_of_the_module_are_known(void **state)
{
	struct blktap2_host host;
	char root[32];

	(void)state;
	misc_file(root, "130 watchdog\n 58 blktap/control\n");
	assert_int_equal(blktap2_probe(&host, root, NULL), 0);
	assert_false(host.classic);
	assert_int_equal(host.misc_minor, 58);
	misc_gone(root);
	misc_file(root, " 61 blktap-control\n");
	assert_int_equal(blktap2_probe(&host, root, NULL), 0);
	assert_true(host.classic);
	assert_int_equal(host.misc_minor, 61);
	misc_gone(root);
}

static void a_host_without_the_module_is_told_so(void **state)
{
	struct blktap2_host host;
	struct err err;
	char root[32];

	(void)state;
	misc_file(root, "130 watchdog\n 58 blktap/controller\n");
	assert_int_equal(blktap2_probe(&host, root, &err), -ENODEV);
	assert_string_equal(err.msg, "blktap kernel module not installed");
	misc_gone(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_is_told_size_and_features),
		cmocka_unit_test(a_batch_is_told_of_once),
		cmocka_unit_test(segments_start_and_end_inside_their_pages),
		cmocka_unit_test(the_ring_is_looked_at_without_a_wake),
		cmocka_unit_test(flush_and_unknown_ops_are_answered),
		cmocka_unit_test(a_nonsense_ring_costs_the_channel_alone),
		cmocka_unit_test(a_paused_disk_leaves_requests_on_the_ring),
		cmocka_unit_test(a_large_request_lies_in_the_window),
		cmocka_unit_test(a_large_request_outside_the_window_is_refused),
		cmocka_unit_test(who_has_no_window_knows_no_large_request),
		cmocka_unit_test(both_names_of_the_module_are_known),
		cmocka_unit_test(a_host_without_the_module_is_told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
