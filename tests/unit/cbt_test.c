/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cbt_test.c - the filter that notes what is written, and logs that fail it.
 *
 * A log whose sync fails is made by putting a pipe in the place of its
 * descriptor; the mapping stays the file's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/cbt.h"
#include "tests/lib/rig.h"
#include "tests/lib/test.h"
#include "tests/lib/vhd-make.h"

#define MIB  (1u << 20)
#define SPEC "cbt:log:ram:1048576"
#define BITS 2u /* bytes, for 1 MiB */

static struct rig *rig;
static uint8_t buf[4 * CBT_BLOCK] __attribute__((aligned(4096)));

/* A log of so many bytes that announces a growth. */
static void make_log(uint32_t growing, off_t len)
{
	struct cbt_header h = { .size = MIB,
				.consistent = true,
				.growing = growing };
	uint8_t head[CBT_HEADER];
	int fd = open("log", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cbt_encode(head, &h);
	assert_int_equal(write(fd, head, sizeof(head)), sizeof(head));
	assert_int_equal(ftruncate(fd, len), 0);
	close(fd);
}

static int up(void **state)
{
	(void)state;
	vhd_make_folder();
	make_log(0, CBT_HEADER + BITS);
	rig = rig_new(NULL);
	return 0;
}

static int down(void **state)
{
	(void)state;
	rig_free(rig);
	vhd_make_gone();
	return 0;
}

static void read_log(uint8_t *out, size_t len)
{
	int fd = open("log", O_RDONLY | O_CLOEXEC);

	assert_int_equal(read(fd, out, len), len);
	close(fd);
}

static unsigned bits(void)
{
	uint8_t log[CBT_HEADER + BITS];

	read_log(log, sizeof(log));
	return log[CBT_HEADER] | (unsigned)log[CBT_HEADER + 1] << 8;
}

static unsigned flag(void)
{
	uint8_t log[CBT_HEADER];

	read_log(log, sizeof(log));
	return bytes_le32(log + 32);
}

/* From here on what the log's descriptor is asked for fails. */
static void break_sync(void)
{
	char link[64], path[256];
	struct stat log, st;
	int pipes[2], found = -1;

	assert_int_equal(stat("log", &log), 0);
	for (int fd = 3; fd < 256 && found < 0; fd++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		if (readlink(link, path, sizeof(path)) > 0 && !fstat(fd, &st) &&
		    st.st_ino == log.st_ino && st.st_dev == log.st_dev)
			found = fd;
	}
	assert_true(found >= 0);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(dup3(pipes[1], found, O_CLOEXEC), found);
	close(pipes[0]);
	close(pipes[1]);
}

static void each_block_that_is_touched_has_its_bit(void **state)
{
	(void)state;
	if (rig_open(rig, SPEC))
		fail_msg("%s", rig->err.msg);
	assert_int_equal(rig_write(rig, CBT_BLOCK - 512, buf, 1024), 0);
	assert_int_equal(rig_write(rig, 15 * CBT_BLOCK, buf, CBT_BLOCK), 0);
	assert_int_equal(rig_read(rig, 5 * CBT_BLOCK, buf, 512), 0);
	assert_int_equal(bits(), 0x8003);
	assert_int_equal(rig_flush(rig), 0);
	assert_int_equal(flag(), 1);
}

static void a_log_that_cannot_be_synced_is_dropped(void **state)
{
	(void)state;
	if (rig_open(rig, SPEC))
		fail_msg("%s", rig->err.msg);
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
	assert_int_equal(flag(), 1);
	break_sync();
	/* The disk goes on; the log says that it is not to be relied upon. */
	assert_int_equal(rig_flush(rig), 0);
	assert_int_equal(flag(), 0);
	assert_int_equal(bits(), 1);
	assert_int_equal(rig_write(rig, 3 * CBT_BLOCK, buf, 512), 0);
	assert_int_equal(bits(), 1);
	assert_int_equal(rig_flush(rig), 0);
	memset(buf, 1, 512);
	assert_int_equal(rig_read(rig, 3 * CBT_BLOCK, buf, 512), 0);
	assert_int_equal(buf[0], 0);
	assert_int_equal(rig_close(rig, false), 0);
	assert_int_equal(flag(), 0);
}

static void a_log_whose_sync_fails_at_the_end_is_told_there(void **state)
{
	(void)state;
	if (rig_open(rig, SPEC))
		fail_msg("%s", rig->err.msg);
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
	break_sync();
	assert_int_equal(rig_close(rig, false), 0);
	assert_int_equal(flag(), 0);
}

static void a_log_amid_its_growth_is_the_old_one(void **state)
{
	(void)state;
	make_log(4, CBT_HEADER + 4);
	if (rig_open(rig, SPEC))
		fail_msg("%s", rig->err.msg);
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
	assert_int_equal(bits(), 1);
	assert_int_equal(rig_close(rig, false), 0);
	make_log(4, CBT_HEADER + 3);
	assert_int_equal(rig_open(rig, SPEC), -EINVAL);
	make_log(0, CBT_HEADER + 4);
	assert_int_equal(rig_open(rig, SPEC), -EINVAL);
	make_log(1, CBT_HEADER + 1);
	assert_int_equal(rig_open(rig, SPEC), -EINVAL);
}

#define TEST(name)                                                             \
	{                                                                      \
#name, name, up, down, NULL                                    \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_block_that_is_touched_has_its_bit),
		TEST(a_log_that_cannot_be_synced_is_dropped),
		TEST(a_log_whose_sync_fails_at_the_end_is_told_there),
		TEST(a_log_amid_its_growth_is_the_old_one),
	};

	return cmocka_run_group_tests_name("cbt", tests, NULL, NULL);
}
