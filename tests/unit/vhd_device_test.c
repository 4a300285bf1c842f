/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhd_device_test.c - images on what has a size: block devices, in memory. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "tests/lib/vhd-kit.h"
#include "tests/lib/vhd-mem.h"
#include "vhd/chain.h"
#include "vhd/format.h"

#define BLOCK   4096u
#define BLOCKS  40u
#define SECTORS (BLOCKS * BLOCK / 512)

static struct vhd_mem mem;

static int setup(void **state)
{
	(void)state;
	vhd_mem_init(&mem);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vhd_mem_free(&mem);
	return 0;
}

/* A device full of what somebody left there. */
static void device(const char *name, size_t size)
{
	uint8_t *old = malloc(size);

	assert_non_null(old);
	memset(old, 0xaa, size);
	vhd_mem_put(&mem, name, old, size);
	free(old);
	mem.device = true;
}

static int make(const char *name)
{
	return vhd_kit(&mem, name, BLOCKS * BLOCK, 0, BLOCK);
}

static const char *check(const char *name)
{
	static struct err err;

	return vhd_check(&mem.files, name, VHD_CHECK_BITMAPS,
			 VHD_EPOCH + 100000, &err)
		       ? err.msg
		       : "valid";
}

static int fill(const char *name)
{
	struct vhd_chain *c;
	int rc = vhd_chain_open(&c, &mem.files, name, VHD_OPEN_WRITE, NULL);

	if (rc)
		return rc;
	rc = vhd_fill(c, 0, UINT64_MAX, true, NULL, NULL);
	vhd_chain_close(c);
	return rc;
}

static int coalesce(const char *child, const char *parent)
{
	struct vhd_io *a, *b;
	struct vhd *from = vhd_kit_open(&mem, child, &a);
	struct vhd *to = vhd_kit_open(&mem, parent, &b);
	uint64_t n;
	int rc = vhd_coalesce(from, to, NULL, NULL, &n, NULL);

	vhd_kit_close(from, a);
	vhd_kit_close(to, b);
	return rc;
}

static void the_footer_is_at_the_devices_end(void **state)
{
	(void)state;
	device("a", 512 * 1024);
	assert_int_equal(make("a"), 0);
	assert_memory_equal(vhd_mem_file(&mem, "a")->data + 512 * 1022,
			    "\xaa\xaa\xaa\xaa", 4);
	assert_memory_equal(vhd_mem_file(&mem, "a")->data + 512 * 1024 - 512,
			    "conectix", 8);
	assert_string_equal(check("a"), "valid");
}

static void a_device_too_small_is_refused(void **state)
{
	(void)state;
	device("a", 2048);
	assert_int_equal(make("a"), -ENOSPC);
}

static void old_bytes_do_not_shine_through(void **state)
{
	(void)state;
	device("a", 512 * 1024);
	assert_int_equal(make("a"), 0);
	device("b", 512 * 1024);
	assert_int_equal(vhd_kit_child(&mem, "b", "a", false, BLOCK), 0);
	vhd_kit_scribble(&mem, "b", 3);
	assert_int_equal(coalesce("b", "a"), 0);
	/* Beside the sectors that came there is nothing. */
	assert_string_equal(check("a"), "valid");
}

static void a_full_device_leaves_the_parent_as_it_was(void **state)
{
	uint8_t before[SECTORS * 512], after[SECTORS * 512];

	(void)state;
	device("a", 3584 + 8 * 5120);
	assert_int_equal(make("a"), 0);
	device("b", 512 * 1024);
	assert_int_equal(vhd_kit_child(&mem, "b", "a", false, BLOCK), 0);
	vhd_kit_scribble(&mem, "b", 2);
	assert_true(vhd_kit_read(&mem, "b", before, SECTORS));
	assert_int_equal(coalesce("b", "a"), -ENOSPC);
	assert_string_equal(check("a"), "valid");
	assert_true(vhd_kit_read(&mem, "b", after, SECTORS));
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(fill("a"), -ENOSPC);
	assert_string_equal(check("a"), "valid");
}

static void the_footer_follows_a_device_that_grows(void **state)
{
	struct vhd_mem_file *f;
	struct vhd_io *io;
	struct vhd *vhd;

	(void)state;
	device("a", 64 * 1024);
	assert_int_equal(make("a"), 0);
	f = vhd_mem_file(&mem, "a");
	f->data = realloc(f->data, 128 * 1024);
	memset(f->data + 64 * 1024, 0xaa, 64 * 1024);
	f->size = 128 * 1024;
	vhd = vhd_kit_open(&mem, "a", &io);
	assert_non_null(vhd);
	assert_int_equal(vhd_set_physical(vhd, 128 * 1024, NULL), 0);
	assert_int_equal(vhd_set_physical(vhd, 256 * 1024, NULL), -EINVAL);
	vhd_kit_close(vhd, io);
	assert_string_equal(check("a"), "valid");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_footer_is_at_the_devices_end),
		TEST(a_device_too_small_is_refused),
		TEST(old_bytes_do_not_shine_through),
		TEST(a_full_device_leaves_the_parent_as_it_was),
		TEST(the_footer_follows_a_device_that_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
