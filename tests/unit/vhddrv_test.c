/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhddrv_test.c - the vhd driver over files: what is read, what is written
 * beside the data, and what others find.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/vhd/layer.h"
#include "tapdisk/keys.h"
#include "tests/lib/rig.h"
#include "tests/lib/store.h"
#include "tests/lib/test.h"
#include "tests/lib/vhd-make.h"

#define MIB   (1u << 20)
#define BLOCK (2 * MIB)
#define SIZE  (64 * MIB)

static struct rig *rig;
static uint8_t buf[4 * MIB] __attribute__((aligned(4096)));

static int up(void **state)
{
	(void)state;
	vhd_make_folder();
	vhd_make("base.vhd", SIZE);
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

static void rig_must(int err)
{
	if (err)
		fail_msg("%s", rig->err.msg);
}

static void put(uint64_t off, size_t len, int byte)
{
	memset(buf, byte, len);
	assert_int_equal(rig_write(rig, off, buf, len), 0);
}

/* All of len bytes at off are this. */
static void want(uint64_t off, size_t len, int byte)
{
	memset(buf, ~byte, len);
	assert_int_equal(rig_read(rig, off, buf, len), 0);
	for (size_t i = 0; i < len; i++)
		if (buf[i] != (uint8_t)byte)
			fail_msg("%d at %llu, not %d", buf[i],
				 (unsigned long long)(off + i), byte);
}

static const struct layer_counters *count(void)
{
	return &((struct layer *)vbd_image(rig->vbd)->state)->count;
}

static void again(const char *spec)
{
	rig_must(rig_pause(rig));
	rig_must(rig_resume(rig, spec));
}

static void a_new_image_is_all_zeroes(void **state)
{
	(void)state;
	rig_must(rig_open(rig, "vhd:base.vhd"));
	want(0, 4 * MIB, 0);
	want(SIZE - 512, 512, 0);
	assert_int_equal(count()->bitmap_reads, 0);
}

static void what_is_written_is_there_when_opened_again(void **state)
{
	(void)state;
	rig_must(rig_open(rig, "vhd:base.vhd"));
	put(0, 4096, 1);
	put(BLOCK - 512, 1024, 2);
	put(5 * BLOCK + 512, 3 * MIB, 3);
	for (int i = 0; i < 2; i++) {
		want(0, 4096, 1);
		want(4096, 4096, 0);
		want(BLOCK - 1024, 512, 0);
		want(BLOCK - 512, 1024, 2);
		want(BLOCK + 512, 512, 0);
		want(5 * BLOCK, 512, 0);
		want(5 * BLOCK + 512, 3 * MIB, 3);
		want(5 * BLOCK + 512 + 3 * MIB, 512, 0);
		again(NULL);
	}
	rig_must(rig_close(rig, false));
	vhd_make_check("base.vhd");
}

static void a_child_shows_its_parent_where_it_has_nothing(void **state)
{
	(void)state;
	rig_must(rig_open(rig, "vhd:base.vhd"));
	put(0, BLOCK, 1);
	put(3 * BLOCK, BLOCK, 1);
	rig_must(rig_pause(rig));
	vhd_make_child("child.vhd", "base.vhd");
	rig_must(rig_resume(rig, "vhd:child.vhd"));
	want(0, BLOCK, 1);
	put(1024, 512, 2);
	put(3 * BLOCK - 512, 1024, 3);
	put(BLOCK, 512, 4);
	for (int i = 0; i < 2; i++) {
		want(0, 1024, 1);
		want(1024, 512, 2);
		want(1536, BLOCK - 1536, 1);
		want(BLOCK, 512, 4);
		want(BLOCK + 512, 512, 0);
		want(3 * BLOCK - 512, 1024, 3);
		want(3 * BLOCK + 512, 512, 1);
		again(NULL);
	}
	again("vhd:base.vhd");
	want(0, BLOCK, 1);
	want(BLOCK, 512, 0);
	rig_must(rig_close(rig, false));
	vhd_make_check("child.vhd");
}

static void a_chain_of_thirty_is_read_to_its_end(void **state)
{
	char name[32], last[32] = "base.vhd", spec[40];

	(void)state;
	rig_must(rig_open(rig, "vhd:base.vhd"));
	for (int i = 1; i <= 30; i++) {
		put((uint64_t)i * 65536, 4096, i);
		rig_must(rig_pause(rig));
		snprintf(name, sizeof(name), "n%d.vhd", i);
		vhd_make_child(name, last);
		memcpy(last, name, sizeof(last));
		snprintf(spec, sizeof(spec), "vhd:%s", name);
		rig_must(rig_resume(rig, spec));
	}
	for (int i = 1; i <= 30; i++) {
		want((uint64_t)i * 65536, 4096, i);
		want((uint64_t)i * 65536 + 4096, 4096, 0);
	}
	put(30 * 65536, 512, 99);
	want(30 * 65536, 512, 99);
	want(30 * 65536 + 512, 512, 30);
}

static void a_fixed_image_is_its_file(void **state)
{
	uint8_t byte;
	int fd;

	(void)state;
	vhd_make_fixed("fixed.vhd", 8 * MIB);
	rig_must(rig_open(rig, "vhd:fixed.vhd"));
	put(MIB, 4096, 7);
	want(MIB, 4096, 7);
	assert_int_equal(rig_write(rig, 8 * MIB, buf, 512), -EINVAL);
	fd = open("fixed.vhd", O_RDONLY);
	assert_int_equal(pread(fd, &byte, 1, MIB), 1);
	assert_int_equal(byte, 7);
	close(fd);
	rig_must(rig_close(rig, false));
	vhd_make_check("fixed.vhd");
}

static void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out;
	struct stat st;
	char *all;

	out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(fstat(in, &st), 0);
	all = malloc(st.st_size);
	assert_int_equal(pread(in, all, st.st_size, 0), st.st_size);
	assert_int_equal(pwrite(out, all, st.st_size, 0), st.st_size);
	free(all);
	close(in);
	close(out);
}

/* What kill -9 leaves is what is in the file at that time. */
static void what_was_answered_survives_the_process(void **state)
{
	(void)state;
	rig_must(rig_open(rig, "vhd:base.vhd"));
	put(0, 4096, 1);
	put(7 * BLOCK, BLOCK, 2);
	put(SIZE - 512, 512, 3);
	copy_file("base.vhd", "killed.vhd");
	again("vhd:killed.vhd");
	want(0, 4096, 1);
	want(4096, 4096, 0);
	want(7 * BLOCK, BLOCK, 2);
	want(SIZE - 512, 512, 3);
	put(9 * BLOCK, 4096, 4);
	again(NULL);
	want(9 * BLOCK, 4096, 4);
	want(9 * BLOCK + 4096, 4096, 0);
	want(0, 4096, 1);
	rig_must(rig_close(rig, false));
	vhd_make_check("killed.vhd");
}

static void the_file_is_no_longer_than_its_data_when_closed(void **state)
{
	struct stat st;

	(void)state;
	rig_must(rig_open(rig, "vhd:base.vhd"));
	put(0, 512, 1);
	assert_int_equal(stat("base.vhd", &st), 0);
	assert_true(st.st_size > 2 * BLOCK);
	rig_must(rig_close(rig, false));
	assert_int_equal(stat("base.vhd", &st), 0);
	assert_in_range(st.st_size, BLOCK, BLOCK + 16384);
}

/* Start n writes of len bytes, stride apart, in one turn. */
static void burst(struct mem_op *op, unsigned n, uint64_t stride, size_t len)
{
	memset(buf, 5, len);
	for (unsigned i = 0; i < n; i++) {
		op[i] = (struct mem_op){ .op = REQ_WRITE,
					 .off = i * stride,
					 .len = len,
					 .buf = buf };
		mem_ask(&rig->client, &op[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		rig_wait(rig, &op[i].done);
		assert_int_equal(op[i].err, 0);
	}
}

static void new_blocks_go_into_the_table_together(void **state)
{
	struct mem_op op[16];

	(void)state;
	store_new("base.vhd", 1);
	store.at_once = true;
	rig_must(rig_open(rig, "vhd:store:base.vhd"));
	put(SIZE - 512, 512, 1);
	burst(op, 6, BLOCK, 4096);
	assert_int_equal(count()->allocated, 7);
	assert_int_equal(count()->table_writes, 2);
	assert_int_equal(count()->bitmap_writes, 7);
	for (unsigned i = 0; i < 6; i++)
		want((uint64_t)i * BLOCK, 4096, 5);
	rig_must(rig_close(rig, false));
	store_free();
}

static void where_nothing_shows_through_a_block_is_whole_at_once(void **state)
{
	(void)state;
	rig_must(rig_open(rig, "vhd:base.vhd"));
	put(0, 4096, 1);
	assert_int_equal(count()->bitmap_writes, 1);
	put(8192, 4096, 2);
	put(MIB, 4096, 3);
	assert_int_equal(count()->bitmap_writes, 1);
	again(NULL);
	want(4096, 4096, 0);
	want(8192, 4096, 2);
	want(MIB - 4096, 4096, 0);
	want(MIB, 4096, 3);
	assert_int_equal(count()->bitmap_reads, 0);
}

static void bits_that_are_set_are_not_written_again(void **state)
{
	struct mem_op op[16];
	uint64_t n;

	(void)state;
	vhd_make_child("child.vhd", "base.vhd");
	store_new("child.vhd", 1);
	store.at_once = true;
	rig_must(rig_open(rig, "vhd:store:child.vhd"));
	put(0, 512, 1);
	n = count()->bitmap_writes;
	burst(op, 16, 4096, 4096);
	assert_int_equal(count()->bitmap_writes, n + 1);
	n = count()->bitmap_writes;
	burst(op, 16, 4096, 4096);
	assert_int_equal(count()->bitmap_writes, n);
	assert_int_equal(count()->table_writes, 1);
	want(0, 65536, 5);
	again(NULL);
	want(0, 65536, 5);
	want(65536, 65536, 0);
	burst(op, 16, 4096, 4096);
	assert_int_equal(count()->bitmap_reads, 1);
	assert_int_equal(count()->bitmap_writes, 0);
	rig_must(rig_close(rig, false));
	store_free();
}

static void a_second_writer_is_refused_by_name(void **state)
{
	struct rig *other = rig_new(NULL);
	char text[64];

	(void)state;
	/* Under another program, such as valgrind, it is not ours. */
	assert_int_equal(prctl(PR_SET_NAME, "vhddrv_test"), 0);
	rig_must(rig_open(rig, "vhd:base.vhd"));
	assert_int_equal(rig_open(other, "vhd:base.vhd"), -EBUSY);
	snprintf(text, sizeof(text), "in use by vhddrv_test %d", getpid());
	if (!strstr(other->err.msg, text))
		fail_msg("%s", other->err.msg);
	rig_free(other);
}

static void what_is_zeroed_reads_as_zeroes(void **state)
{
	struct mem_op op = { .op = REQ_ZERO, .off = 4096, .len = 3 * MIB };

	(void)state;
	vhd_make_child("child.vhd", "base.vhd");
	for (int i = 0; i < 2; i++) {
		rig_must(i ? rig_resume(rig, "vhd:base.vhd")
			   : rig_open(rig, "vhd:child.vhd"));
		put(0, 4 * MIB, 1);
		op.done = false;
		assert_int_equal(rig_op(rig, &op), 0);
		want(0, 4096, 1);
		want(4096, 3 * MIB, 0);
		want(4096 + 3 * MIB, 4096, 1);
		rig_must(rig_pause(rig));
	}
	vhd_make_check("base.vhd");
}

static void extents_are_told_through_the_chain(void **state)
{
	struct extent ext[8];
	struct extents e = { .max = 8, .ext = ext };
	struct mem_op op = { .op = REQ_EXTENTS,
			     .len = 5 * BLOCK,
			     .extents = &e };

	(void)state;
	rig_must(rig_open(rig, "vhd:base.vhd"));
	put(BLOCK, 512, 1);
	rig_must(rig_pause(rig));
	vhd_make_child("child.vhd", "base.vhd");
	rig_must(rig_resume(rig, "vhd:child.vhd"));
	put(3 * BLOCK + 4096, 4096, 1);
	assert_int_equal(rig_op(rig, &op), 0);
	assert_int_equal(e.count, 5);
	assert_int_equal(ext[0].len, BLOCK);
	assert_int_equal(ext[0].flags, EXTENT_HOLE | EXTENT_ZERO);
	assert_int_equal(ext[1].len, BLOCK);
	assert_int_equal(ext[1].flags, 0);
	assert_int_equal(ext[2].len, BLOCK + 4096);
	assert_int_equal(ext[2].flags, EXTENT_HOLE | EXTENT_ZERO);
	assert_int_equal(ext[3].len, 4096);
	assert_int_equal(ext[3].flags, 0);
	assert_int_equal(ext[4].len, 2 * BLOCK - 8192);
}

/* Places are made ready with nobody waiting; their memory is the image's. */
static void a_close_waits_for_what_is_done_ahead(void **state)
{
	(void)state;
	store_new("base.vhd", 1);
	store.lazy = true;
	rig_must(rig_open(rig, "vhd:store:base.vhd"));
	for (unsigned i = 0; i < 20 && !store.count; i++)
		put((uint64_t)i * BLOCK, 512, 1);
	assert_true(store.count > 0);
	rig_must(rig_close(rig, false));
	assert_int_equal(store.count, 0);
	store_free();
}

/* Eight places are made ready at first; from then on there is no more. */
static void without_room_new_blocks_fail_and_others_do_not(void **state)
{
	uint64_t i;

	(void)state;
	rig_must(rig_open(rig,
			  "vhd:fault:n=2,count=0,op=zero,err=28:raw:base.vhd"));
	for (i = 0; i < 8; i++)
		put(i * BLOCK, 4096, (int)i + 1);
	assert_int_equal(rig_write(rig, 8 * BLOCK, buf, 512), -ENOSPC);
	assert_int_equal(rig_write(rig, 9 * BLOCK, buf, 512), -ENOSPC);
	want(8 * BLOCK, 4096, 0);
	put(4096, 4096, 9);
	again("vhd:base.vhd");
	for (i = 0; i < 8; i++)
		want(i * BLOCK, 4096, (int)i + 1);
	want(4096, 4096, 9);
	put(8 * BLOCK, 4096, 10);
	want(8 * BLOCK, 4096, 10);
	rig_must(rig_close(rig, false));
	vhd_make_check("base.vhd");
}

/* Of eight places there is room for three. */
static void the_last_room_is_used_block_by_block(void **state)
{
	struct rlimit all, few;
	struct stat st;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
	assert_int_equal(stat("base.vhd", &st), 0);
	few = all;
	few.rlim_cur = (rlim_t)st.st_size + 3 * (BLOCK + 8192);
	(void)signal(SIGXFSZ, SIG_IGN);
	rig_must(rig_open(rig, "vhd:base.vhd"));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
	for (int i = 0; i < 3; i++)
		put(i * BLOCK, 4096, i + 1);
	assert_true(rig_write(rig, 3 * BLOCK, buf, 512) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	for (int i = 0; i < 3; i++)
		want(i * BLOCK, 4096, i + 1);
	rig_must(rig_close(rig, false));
	vhd_make_check("base.vhd");
}

/* Old writers of the format left out the footer's last byte. */
static void a_footer_may_want_its_last_byte(void **state)
{
	struct stat st;

	(void)state;
	vhd_make_fixed("fixed.vhd", 4 * MIB);
	assert_int_equal(truncate("fixed.vhd", 4 * MIB + 511), 0);
	assert_int_equal(stat("base.vhd", &st), 0);
	assert_int_equal(truncate("base.vhd", st.st_size - 1), 0);
	rig_must(rig_open(rig, "vhd:fixed.vhd"));
	put(4 * MIB - 512, 512, 1);
	want(4 * MIB - 512, 512, 1);
	again(NULL);
	want(0, 4 * MIB - 512, 0);
	want(4 * MIB - 512, 512, 1);
	again("vhd:fixed.vhd");
	rig_must(rig_close(rig, false));
	rig_must(rig_open(rig, "vhd:base.vhd"));
	put(0, 512, 2);
	again(NULL);
	want(0, 512, 2);
	rig_must(rig_close(rig, false));
	vhd_make_check("base.vhd");
}

static int open_keyed(const char *spec, const uint8_t *key)
{
	struct vbd_open args = { .spec = spec };

	if (key)
		assert_int_equal(keys_new_pushed(&args.keys, key, 64, NULL), 0);
	return rig_open_with(rig, &args);
}

/* Whether the file has this byte 64 times in a row. */
static bool in_file(const char *name, int byte)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int row = 0;

	while ((n = read(fd, buf, sizeof(buf))) > 0 && row < 64)
		for (ssize_t i = 0; i < n && row < 64; i++)
			row = buf[i] == byte ? row + 1 : 0;
	close(fd);
	return row == 64;
}

static void encrypted_data_is_clear_to_its_key_alone(void **state)
{
	uint8_t key[64], other[64] = { 1 };

	(void)state;
	for (int i = 0; i < 64; i++)
		key[i] = i;
	vhd_make_encrypted("base.vhd", key, sizeof(key));
	rig_must(open_keyed("vhd:base.vhd", key));
	put(0, 4096, 0x77);
	put(BLOCK - 512, 300 * 1024, 0x77);
	want(4096, 4096, 0);
	rig_must(rig_close(rig, false));
	assert_false(in_file("base.vhd", 0x77));
	assert_int_equal(open_keyed("vhd:base.vhd", NULL), -ENOKEY);
	assert_int_equal(open_keyed("vhd:base.vhd", other), -ENOKEY);
	rig_must(open_keyed("vhd:base.vhd", key));
	want(0, 4096, 0x77);
	want(4096, 4096, 0);
	want(BLOCK - 512, 300 * 1024, 0x77);
	want(BLOCK - 1024, 512, 0);
	rig_must(rig_close(rig, false));
	vhd_make("clear.vhd", SIZE);
	assert_int_equal(open_keyed("vhd:clear.vhd", key), -EINVAL);
}

/* It has no hash of its own, and may not lie there in the clear for that. */
static void a_child_without_a_hash_uses_its_parents_key(void **state)
{
	struct vbd_open args = { .spec = "vhd:child.vhd" };
	uint8_t key[64];
	int fd;

	(void)state;
	for (int i = 0; i < 64; i++)
		key[i] = i;
	vhd_make_child("child.vhd", "base.vhd");
	vhd_make_encrypted("base.vhd", key, sizeof(key));
	fd = open("base,aes-xts-plain,512.key", O_WRONLY | O_CREAT | O_CLOEXEC,
		  0600);
	assert_int_equal(write(fd, key, sizeof(key)), sizeof(key));
	close(fd);
	rig_must(keys_new_dirs(&args.keys, ".", NULL));
	rig_must(rig_open_with(rig, &args));
	put(0, 4096, 0x77);
	want(0, 4096, 0x77);
	rig_must(rig_close(rig, false));
	assert_false(in_file("child.vhd", 0x77));
}

#define TEST(name)                                                             \
	{                                                                      \
#name, name, up, down, NULL                                    \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_image_is_all_zeroes),
		TEST(what_is_written_is_there_when_opened_again),
		TEST(a_child_shows_its_parent_where_it_has_nothing),
		TEST(a_chain_of_thirty_is_read_to_its_end),
		TEST(a_fixed_image_is_its_file),
		TEST(what_was_answered_survives_the_process),
		TEST(the_file_is_no_longer_than_its_data_when_closed),
		TEST(new_blocks_go_into_the_table_together),
		TEST(where_nothing_shows_through_a_block_is_whole_at_once),
		TEST(bits_that_are_set_are_not_written_again),
		TEST(a_second_writer_is_refused_by_name),
		TEST(what_is_zeroed_reads_as_zeroes),
		TEST(extents_are_told_through_the_chain),
		TEST(a_close_waits_for_what_is_done_ahead),
		TEST(without_room_new_blocks_fail_and_others_do_not),
		TEST(the_last_room_is_used_block_by_block),
		TEST(a_footer_may_want_its_last_byte),
		TEST(encrypted_data_is_clear_to_its_key_alone),
		TEST(a_child_without_a_hash_uses_its_parents_key),
	};

	vhd_make_quick();
	return cmocka_run_group_tests_name("vhddrv", tests, NULL, NULL);
}
