/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw_test.c - files as disks: who may open them, and what they must be.
 *
 * The files lie in $TMPDIR or /tmp, where O_DIRECT is mostly possible; one
 * test has a file in memory, where it is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tapdisk/driver.h"
#include "tests/lib/rig.h"
#include "tests/lib/test.h"
#include "tests/lib/vhd-make.h"

#define MIB (1u << 20)

static struct rig *rig;
static uint8_t buf[MIB + 8192] __attribute__((aligned(4096)));

static int up(void **state)
{
	int fd;

	(void)state;
	vhd_make_folder();
	fd = open("disk", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 4 * MIB), 0);
	close(fd);
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

static void refused(const char *spec, int err, const char *text)
{
	assert_int_equal(rig_open(rig, spec), err);
	if (!strstr(rig->err.msg, text))
		fail_msg("\"%s\" is not in \"%s\"", text, rig->err.msg);
}

/* A process that has the file open under this lock until it is killed. */
static pid_t holder(int lock)
{
	int pipes[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		int fd = open("disk", O_RDWR);

		/* A test that fails does not get to its end. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(flock(fd, lock) || write(pipes[1], "x", 1) != 1 ||
		      pause());
	}
	assert_int_equal(read(pipes[0], &c, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
	return pid;
}

static void ends(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void what_is_written_is_in_the_file(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(rig_open(rig, "aio:disk"), 0);
	memset(buf, 7, 4096);
	assert_int_equal(rig_write(rig, MIB - 512, buf, 4096), 0);
	assert_int_equal(rig_flush(rig), 0);
	memset(buf, 0, 8192);
	fd = open("disk", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, buf, 4098, MIB - 513), 4098);
	close(fd);
	assert_int_equal(buf[0], 0);
	assert_int_equal(buf[1], 7);
	assert_int_equal(buf[4096], 7);
	assert_int_equal(buf[4097], 0);
}

static void a_writer_is_refused_by_the_holders_name(void **state)
{
	static const int locks[] = { LOCK_EX, LOCK_SH };
	char text[64], name[17] = "";

	(void)state;
	/* Under valgrind this process, and its child, have another. */
	assert_int_equal(prctl(PR_GET_NAME, name), 0);
	for (unsigned i = 0; i < 2; i++) {
		pid_t pid = holder(locks[i]);

		snprintf(text, sizeof(text), "disk: in use by %s %d", name,
			 pid);
		refused("raw:disk", -EBUSY, text);
		ends(pid);
	}
}

static void a_killed_holder_holds_nothing(void **state)
{
	(void)state;
	ends(holder(LOCK_EX));
	assert_int_equal(rig_open(rig, "raw:disk"), 0);
}

static void readers_share_and_writers_do_not(void **state)
{
	struct vbd_open args = { .spec = "raw:disk", .readonly = true };
	struct rig *other = rig_new(NULL);
	pid_t pid = holder(LOCK_SH);

	(void)state;
	assert_int_equal(rig_open_with(rig, &args), 0);
	ends(pid);
	assert_int_equal(rig_open_with(other, &args), 0);
	assert_int_equal(rig_close(rig, false), 0);
	assert_int_equal(rig_open(rig, "raw:disk"), -EBUSY);
	rig_free(other);
	assert_int_equal(rig_open(rig, "raw:disk"), 0);
	other = rig_new(NULL);
	assert_int_equal(rig_open_with(other, &args), -EBUSY);
	rig_free(other);
}

static void what_is_no_disk_is_refused_in_a_sentence(void **state)
{
	(void)state;
	assert_int_equal(truncate("disk", 0), 0);
	refused("raw:disk", -EINVAL, "disk: empty");
	assert_int_equal(truncate("disk", 511), 0);
	refused("raw:disk", -EINVAL, "disk: less than a sector");
	refused("raw:/dev/null", -EINVAL,
		"/dev/null: neither a file nor a block device");
	refused("raw:nowhere", -ENOENT, "nowhere");
}

static void the_tail_of_a_file_is_left_alone(void **state)
{
	struct mem_op zero = { .op = REQ_ZERO, .len = 1024 };
	struct mem_op all = { .op = REQ_DISCARD, .len = 1024 };
	char tail[8] = "";
	int fd;

	(void)state;
	assert_int_equal(truncate("disk", 1024), 0);
	fd = open("disk", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "tail", 4, 1024), 4);
	assert_int_equal(rig_open(rig, "raw:disk"), 0);
	assert_int_equal(vbd_info(rig->vbd)->size, 1024);
	assert_int_equal(rig_write(rig, 512, buf, 512), 0);
	assert_int_equal(rig_write(rig, 1024, buf, 512), -EINVAL);
	assert_int_equal(rig_op(rig, &zero), 0);
	assert_int_equal(rig_op(rig, &all), 0);
	assert_int_equal(rig_close(rig, false), 0);
	assert_int_equal(pread(fd, tail, sizeof(tail), 1024), 4);
	assert_string_equal(tail, "tail");
	(void)close(fd); /* was read */
}

/* A client that brings its own memory, one byte off. */
static void a_buffer_at_any_address_will_do(void **state)
{
	struct mem_client own = { .own_memory = true };
	struct rig *other = rig_new(&own);
	const size_t len = 200 * 1024;

	(void)state;
	assert_int_equal(rig_open(other, "raw:disk"), 0);
	for (size_t i = 0; i < len; i++)
		buf[1 + i] = (uint8_t)(i * 7 + i / 512);
	assert_int_equal(rig_write(other, 512, buf + 1, len), 0);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(rig_read(other, 512, buf + 3, len), 0);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(buf[3 + i], (uint8_t)(i * 7 + i / 512));
	assert_int_equal(buf[2], 0);
	assert_int_equal(buf[3 + len], 0);
	rig_free(other);
}

static void what_cannot_be_read_past_the_cache_is_read_through_it(void **state)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);
	char spec[40];

	(void)state;
	assert_int_equal(ftruncate(fd, MIB), 0);
	snprintf(spec, sizeof(spec), "raw:/proc/self/fd/%d", fd);
	assert_int_equal(rig_open(rig, spec), 0);
	memset(buf, 9, 512);
	assert_int_equal(rig_write(rig, 512, buf, 512), 0);
	assert_int_equal(pread(fd, buf, 1, 513), 1);
	assert_int_equal(buf[0], 9);
	close(fd);
}

static void a_read_only_disk_is_not_written(void **state)
{
	struct vbd_open args = { .spec = "raw:disk", .readonly = true };

	(void)state;
	assert_int_equal(chmod("disk", 0400), 0);
	assert_int_equal(rig_open_with(rig, &args), 0);
	assert_int_equal(rig_write(rig, 0, buf, 512), -EROFS);
	assert_int_equal(rig_read(rig, 0, buf, 512), 0);
}

#define TEST(name)                                                             \
	{                                                                      \
#name, name, up, down, NULL                                    \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_in_the_file),
		TEST(a_writer_is_refused_by_the_holders_name),
		TEST(a_killed_holder_holds_nothing),
		TEST(readers_share_and_writers_do_not),
		TEST(what_is_no_disk_is_refused_in_a_sentence),
		TEST(the_tail_of_a_file_is_left_alone),
		TEST(a_buffer_at_any_address_will_do),
		TEST(what_cannot_be_read_past_the_cache_is_read_through_it),
		TEST(a_read_only_disk_is_not_written),
	};

	return cmocka_run_group_tests_name("raw", tests, NULL, NULL);
}
