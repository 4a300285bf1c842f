/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhd_image_test.c - images made, opened, changed: over memory. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "tests/lib/vhd-kit.h"
#include "tests/lib/vhd-mem.h"
#include "vhd/chain.h"
#include "vhd/data.h"
#include "vhd/format.h"

#define MB (1ull << 20)

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

static void create(const char *name, uint64_t size, uint64_t max)
{
	assert_int_equal(vhd_kit(&mem, name, size, max, 0), 0);
}

static int snapshot(const char *name, const char *parent, bool raw)
{
	return vhd_kit_child(&mem, name, parent, raw, 0);
}

static struct vhd *open_flags(const char *name, struct vhd_io **io,
			      unsigned flags)
{
	struct vhd *vhd;

	*io = vhd_mem_open(&mem, name);
	assert_int_equal(vhd_open_flags(&vhd, *io, flags, NULL), 0);
	return vhd;
}

static void close_both(struct vhd *vhd, struct vhd_io *io)
{
	vhd_close(vhd);
	io->close(io);
}

/* Why it does not open. */
static const char *refusal(const char *name)
{
	static struct err err;
	struct vhd_io *io = vhd_mem_open(&mem, name);
	struct vhd *vhd;

	assert_int_equal(vhd_open(&vhd, io, false, &err), -EINVAL);
	io->close(io);
	return err.msg;
}

static const char *check(const char *name, unsigned flags)
{
	static struct err err;
	int rc = vhd_check(&mem.files, name, flags, VHD_EPOCH + 100000, &err);

	return rc ? err.msg : "valid";
}

static uint8_t *at(const char *name, uint64_t off)
{
	assert_true(off < vhd_mem_file(&mem, name)->size);
	return vhd_mem_file(&mem, name)->data + off;
}

/* The footers again, with the right sum, after a change of their bytes. */
static void resum(const char *name)
{
	uint64_t end = vhd_mem_file(&mem, name)->size - 512;

	bytes_put_be32(at(name, 64), vhd_checksum(at(name, 0), 512, 64));
	memcpy(at(name, end), at(name, 0), 512);
	bytes_put_be32(at(name, 512 + 36),
		       vhd_checksum(at(name, 512), 1024, 36));
}

/* A block with sector 0 written. */
static void write_block(const char *name, uint32_t block, uint8_t byte)
{
	uint64_t map_off, off, sector;
	uint8_t buf[512];
	struct vhd_io *io;
	struct vhd *vhd = open_flags(name, &io, VHD_OPEN_WRITE);

	assert_int_equal(vhd_write_begin(vhd, NULL), 0);
	assert_int_equal(vhd_place(vhd, &map_off, &off), 0);
	memset(buf, byte, sizeof(buf));
	assert_int_equal(io->pwrite(io, buf, 512, off), 0);
	memset(buf, 0, sizeof(buf));
	buf[0] = 0x80;
	assert_int_equal(io->pwrite(io, buf, 512, map_off), 0);
	vhd_bat_set(vhd, block, map_off);
	vhd_bat_sector(vhd, block, buf, &sector);
	assert_int_equal(io->pwrite(io, buf, 512, sector), 0);
	assert_int_equal(vhd_write_end(vhd, NULL), 0);
	close_both(vhd, io);
}

static void an_empty_disk_of_100_mb_takes_3584_bytes(void **state)
{
	(void)state;
	create("a", 100 * MB, 0);
	assert_int_equal(vhd_mem_file(&mem, "a")->size, 3584);
	assert_memory_equal(at("a", 0), "conectix", 8);
	assert_memory_equal(at("a", 512), "cxsparse", 8);
	assert_int_equal(bytes_be64(at("a", 512 + 16)), 1536);
	assert_int_equal(bytes_be32(at("a", 1536)), VHD_NO_BLOCK);
	/* The table's last sector is filled up with zeroes. */
	assert_int_equal(bytes_be32(at("a", 1536 + 50 * 4)), 0);
	assert_memory_equal(at("a", 2048), "tdbatmap", 8);
	assert_int_equal(bytes_be64(at("a", 2056)), 2560);
	assert_int_equal(bytes_be32(at("a", 2072)), 0xffffffff);
	assert_memory_equal(at("a", 3072), at("a", 0), 512);
	assert_string_equal(check("a", 0), "valid");
}

static void geometry_is_the_published_formats(void **state)
{
	struct vhd_footer f = { .size = 100 * MB };

	(void)state;
	vhd_footer_geometry(&f);
	assert_int_equal(f.cylinders, 1003);
	assert_int_equal(f.heads, 12);
	assert_int_equal(f.sectors_per_track, 17);
	f.size = 10 * MB;
	vhd_footer_geometry(&f);
	assert_int_equal(f.cylinders, 301);
	assert_int_equal(f.heads, 4);
	f.size = 2040ull << 30;
	vhd_footer_geometry(&f);
	assert_int_equal(f.cylinders, 65535);
	assert_int_equal(f.heads, 16);
	assert_int_equal(f.sectors_per_track, 255);
}

static void a_snapshot_takes_5120_bytes_and_three_locators(void **state)
{
	uint8_t raw[20];

	(void)state;
	create("a.vhd", 100 * MB, 0);
	assert_int_equal(snapshot("b.vhd", "a.vhd", false), 0);
	assert_int_equal(vhd_mem_file(&mem, "b.vhd")->size, 5120);
	assert_memory_equal(at("b.vhd", 1088), "MacX\0\0\2\0\0\0\0\x0e", 12);
	assert_memory_equal(at("b.vhd", 1112), "W2ku\0\0\2\0\0\0\0\x0e", 12);
	assert_memory_equal(at("b.vhd", 1136), "W2ru\0\0\2\0\0\0\0\x0e", 12);
	assert_int_equal(bytes_be64(at("b.vhd", 1088 + 16)), 3072);
	assert_memory_equal(at("b.vhd", 3072), "file://./a.vhd", 15);
	for (unsigned i = 0; i < 7; i++) {
		raw[2 * i] = (uint8_t) ".\\a.vhd"[i];
		raw[2 * i + 1] = 0;
	}
	assert_memory_equal(at("b.vhd", 3584), raw, 14);
	assert_memory_equal(at("b.vhd", 4096), raw, 14);
	assert_memory_equal(at("b.vhd", 512 + 64), "\0a\0.\0v\0h\0d\0\0", 12);
	assert_string_equal(check("b.vhd", VHD_CHECK_PARENTS), "valid");
}

static void room_for_growth_is_made_at_creation(void **state)
{
	(void)state;
	create("a", 100 * MB, 500 * MB);
	assert_int_equal(vhd_mem_file(&mem, "a")->size, 4096);
	assert_string_equal(check("a", 0), "valid");
}

static void a_size_that_cannot_be_filled_is_refused(void **state)
{
	struct vhd_new p = { .type = VHD_DYNAMIC,
			     .size = (1046528ull << 21) + 512 };
	struct vhd_io *io = vhd_mem_open(&mem, "a");
	struct err err = { 0 };

	(void)state;
	assert_int_equal(vhd_create(io, &p, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "1046528"));
	io->close(io);
}

static void data_begins_on_a_page_and_blocks_are_2101248_apart(void **state)
{
	uint64_t map, data;
	struct vhd_io *io;
	struct vhd *vhd;

	(void)state;
	create("a", 1024 * MB, 0);
	vhd = open_flags("a", &io, VHD_OPEN_WRITE);
	assert_int_equal(vhd_place(vhd, &map, &data), 0);
	assert_int_equal(map, 7680);
	assert_int_equal(data, 8192);
	assert_int_equal(vhd_place(vhd, &map, &data), 0);
	assert_int_equal(map, 7680 + 2101248);
	assert_int_equal(vhd_end(vhd), data + 2 * MB);
	close_both(vhd, io);
}

static void an_image_in_use_has_a_killed_footer(void **state)
{
	uint8_t dead[512];
	struct vhd_io *io;
	struct vhd *vhd;

	(void)state;
	create("a", 100 * MB, 0);
	vhd = open_flags("a", &io, VHD_OPEN_WRITE);
	assert_int_equal(vhd_write_begin(vhd, NULL), 0);
	memset(dead, 0xc7, sizeof(dead));
	assert_memory_equal(at("a", 3072), dead, 512);
	assert_string_equal(check("a", 0),
			    "primary footer invalid: invalid cookie");
	assert_string_equal(check("a", VHD_CHECK_NO_PRIMARY), "valid");
	assert_int_equal(vhd_write_end(vhd, NULL), 0);
	assert_string_equal(check("a", 0), "valid");
	assert_int_equal(vhd_mem_file(&mem, "a")->size, 3584);
	close_both(vhd, io);
}

static void blocks_are_found_again(void **state)
{
	struct vhd_chain *c;
	uint8_t buf[512];

	(void)state;
	create("a", 100 * MB, 0);
	write_block("a", 7, 0x5a);
	write_block("a", 49, 0x5b);
	assert_string_equal(check("a", VHD_CHECK_BITMAPS), "valid");
	assert_int_equal(vhd_chain_open(&c, &mem.files, "a", 0, NULL), 0);
	assert_int_equal(vhd_allocated(c->layer[0].vhd), 2);
	assert_int_equal(vhd_chain_read(c, buf, 49 * 4096, 1, NULL), 0);
	assert_int_equal(buf[511], 0x5b);
	assert_int_equal(vhd_chain_read(c, buf, 49 * 4096 + 1, 1, NULL), 0);
	assert_int_equal(buf[0], 0);
	vhd_chain_close(c);
}

/* The server died: its last block ends the file, short of its end. */
static void a_crashed_image_opens_by_its_copy_and_is_mended(void **state)
{
	struct vhd_io *io;
	struct vhd *vhd;

	(void)state;
	create("a", 100 * MB, 0);
	write_block("a", 0, 0x5a);
	vhd_mem_file(&mem, "a")->size -= 512 + MB;
	vhd = open_flags("a", &io, VHD_OPEN_WRITE);
	assert_int_equal(vhd_write_begin(vhd, NULL), 0);
	assert_int_equal(vhd_write_end(vhd, NULL), 0);
	close_both(vhd, io);
	assert_string_equal(check("a", VHD_CHECK_BITMAPS), "valid");
}

static void what_a_guest_wrote_at_the_files_end_is_no_footer(void **state)
{
	uint8_t fake[512];
	struct vhd_io *io;
	struct vhd *vhd;

	(void)state;
	create("x", 100 * MB, 0);
	memcpy(fake, at("x", 0), 512);
	create("a", 50 * MB, 0);
	memcpy(at("a", vhd_mem_file(&mem, "a")->size - 512), fake, 512);
	vhd = open_flags("a", &io, 0);
	assert_int_equal(vhd_size(vhd), 50 * MB);
	close_both(vhd, io);
}

static void the_primary_wins_and_the_copy_follows(void **state)
{
	struct vhd_io *io;
	struct vhd *vhd;
	uint8_t *copy;

	(void)state;
	create("a", 100 * MB, 0);
	copy = at("a", 0);
	copy[85] = 1; /* hidden, in the copy only: a change that was cut */
	bytes_put_be32(copy + 64, vhd_checksum(copy, 512, 64));
	vhd = open_flags("a", &io, VHD_OPEN_WRITE);
	assert_int_equal(vhd_footer(vhd)->hidden, 0);
	assert_int_equal(vhd_write_begin(vhd, NULL), 0);
	assert_int_equal(at("a", 0)[85], 0);
	assert_int_equal(vhd_write_end(vhd, NULL), 0);
	close_both(vhd, io);
}

static void a_footer_without_its_last_byte_is_read(void **state)
{
	struct vhd_io *io;
	struct vhd *vhd;

	(void)state;
	create("a", 100 * MB, 0);
	vhd_mem_file(&mem, "a")->size--;
	vhd = open_flags("a", &io, VHD_OPEN_STRICT);
	assert_int_equal(vhd_size(vhd), 100 * MB);
	close_both(vhd, io);
}

/* Version 1.1 of the family added signed characters. */
static void sums_of_signed_characters_are_taken(void **state)
{
	uint32_t sum = 0;
	struct vhd_io *io;
	struct vhd *vhd;

	(void)state;
	create("a", 100 * MB, 0);
	at("a", 68)[0] = 0xf0; /* something that is signed */
	for (unsigned i = 0; i < 512; i++) {
		if (i < 64 || i > 67)
			sum += (uint32_t)(int8_t)at("a", i)[0];
	}
	bytes_put_be32(at("a", 64), ~sum);
	memcpy(at("a", 3072), at("a", 0), 512);
	vhd = open_flags("a", &io, VHD_OPEN_STRICT);
	close_both(vhd, io);
}

static void each_damaged_field_is_named(void **state)
{
	static const struct {
		uint64_t off;
		uint8_t value;
		const char *says;
	} cases[] = {
		{ 13, 9, "invalid file format version" },
		{ 16, 0xff, "invalid data offset" },
		{ 63, 9, "invalid type" },
		{ 48, 0x80, "invalid size" },
		{ 35, 4, "unsupported tap creator version" },
		{ 512, 'x', "header is invalid: invalid cookie" },
		{ 512 + 24, 7, "header is invalid: invalid header version" },
		{ 512 + 20, 0x01, "BAT of 50 entries lies outside the file" },
		{ 512 + 23, 0x01, "header is invalid: invalid table offset" },
		{ 512 + 28, 0x7f, "lies outside the file" },
		{ 512 + 31, 0x01, "VHD size (50 blocks) exceeds BAT size (1)" },
		{ 512 + 33, 0x30, "header is invalid: invalid block size" },
		{ 512 + 32, 0x01, "header is invalid: invalid block size" },
		{ 1536, 0x00, "lies outside the file" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		create("a", 100 * MB, 0);
		*at("a", cases[i].off) = cases[i].value;
		resum("a");
		assert_non_null(strstr(refusal("a"), cases[i].says));
	}
	create("a", 100 * MB, 0);
	*at("a", 512 + 40) = 1;
	assert_non_null(strstr(refusal("a"), "invalid checksum"));
}

static void a_block_over_the_headers_or_outside_is_refused(void **state)
{
	(void)state;
	create("a", 100 * MB, 0);
	bytes_put_be32(at("a", 1536), 1);
	assert_string_equal(refusal("a"),
			    "block 0 (offset 0x1) clobbers headers");
	assert_string_equal(check("a", 0),
			    "block 0 (offset 0x1) clobbers headers");
	bytes_put_be32(at("a", 1536), 0x7fffffff);
	assert_non_null(strstr(refusal("a"), "lies outside the file"));
	assert_string_equal(check("a", 0),
			    "block 0 (offset 0x7fffffff) clobbers footer");
}

static void blocks_that_overlap_are_told(void **state)
{
	uint32_t first;

	(void)state;
	create("a", 100 * MB, 0);
	write_block("a", 0, 1);
	write_block("a", 1, 1);
	first = bytes_be32(at("a", 1536));
	bytes_put_be32(at("a", 1540), first + 8);
	assert_non_null(strstr(check("a", 0), "clobbers block"));
	assert_string_equal(check("a", VHD_CHECK_NO_OVERLAP), "valid");
}

static void data_beside_a_clear_bit_is_told(void **state)
{
	(void)state;
	create("a", 100 * MB, 0);
	write_block("a", 0, 1);
	at("a", bytes_be32(at("a", 1536)) * 512ull + 512 + 3 * 512)[5] = 1;
	assert_string_equal(check("a", 0), "valid");
	assert_string_equal(check("a", VHD_CHECK_BITMAPS),
			    "sector 0x3 of block 0x0 has data where bitmap is "
			    "clear");
}

static void a_batmap_that_lies_is_ignored_with_a_note(void **state)
{
	struct vhd_io *io;
	struct vhd *vhd;

	(void)state;
	create("a", 100 * MB, 0);
	write_block("a", 0, 1);
	*at("a", 2560) = 0x80; /* says that the block is full */
	vhd = open_flags("a", &io, VHD_OPEN_WRITE);
	assert_non_null(vhd_note(vhd));
	assert_false(vhd_block_full(vhd, 0));
	assert_string_equal(check("a", 0),
			    "batmap is invalid: invalid checksum");
	assert_int_equal(vhd_repair(vhd, NULL, NULL), 0);
	assert_string_equal(check("a", VHD_CHECK_BITMAPS), "valid");
	close_both(vhd, io);
}

static void the_marker_is_one_sector_and_leaves_the_batmap(void **state)
{
	uint8_t marker, map[512];
	struct vhd_io *io;
	struct vhd *vhd;

	(void)state;
	create("a", 100 * MB, 0);
	memcpy(map, at("a", 2560), 512);
	vhd = open_flags("a", &io, VHD_OPEN_WRITE);
	mem.touched = 0;
	assert_int_equal(vhd_marker_set(vhd, 7, NULL), 0);
	assert_int_equal(mem.touched, 512);
	assert_memory_equal(map, at("a", 2560), 512);
	assert_int_equal(at("a", 2048 + 28)[0], 7);
	assert_int_equal(vhd_marker(vhd, &marker), 0);
	assert_int_equal(marker, 7);
	close_both(vhd, io);
}

static void without_a_batmap_marker_and_keyhash_are_attributes(void **state)
{
	struct vhd_keyhash kh = { .set = true, .hash = { 1, 2, 3 } }, got;
	struct vhd_io *io;
	struct vhd *vhd;

	(void)state;
	create("a", 100 * MB, 0);
	memcpy(at("a", 28), "qemu", 4);
	resum("a");
	vhd = open_flags("a", &io, VHD_OPEN_WRITE);
	assert_int_equal(vhd_keyhash(vhd, &got), 0);
	assert_false(got.set);
	assert_int_equal(vhd_keyhash_set(vhd, &kh, NULL), 0);
	assert_int_equal(vhd_mem_file(&mem, "a")->attr_len[1], 65);
	assert_int_equal(vhd_keyhash(vhd, &got), 0);
	assert_memory_equal(got.hash, kh.hash, 32);
	close_both(vhd, io);
}

static void an_image_for_reading_is_not_written(void **state)
{
	struct vhd_io *io;
	struct vhd *vhd;

	(void)state;
	create("a", 100 * MB, 0);
	vhd = open_flags("a", &io, 0);
	assert_int_equal(vhd_set_hidden(vhd, 1, NULL), -EPERM);
	assert_int_equal(vhd_write_begin(vhd, NULL), -EPERM);
	close_both(vhd, io);
}

static void a_child_of_another_parent_is_told(void **state)
{
	struct vhd_chain *c;
	struct err err = { 0 };

	(void)state;
	create("a", 100 * MB, 0);
	assert_int_equal(snapshot("b", "a", false), 0);
	*at("a", 70) = 0xee;
	resum("a");
	assert_string_equal(check("b", 0), "invalid parent uuid");
	assert_string_equal(check("b", VHD_CHECK_NO_ID), "valid");
	assert_int_equal(vhd_chain_open(&c, &mem.files, "b", 0, &err), -EINVAL);
	mem.files.remove(&mem.files, "a");
	assert_string_equal(check("b", 0), "error resolving ./a: -2");
}

static void a_raw_parent_is_read_where_the_child_has_nothing(void **state)
{
	struct vhd_chain *c;
	uint8_t *disk = malloc(4 * MB), buf[512];
	uint8_t id[16];
	char *spec;

	(void)state;
	memset(disk, 0x33, 4 * MB);
	vhd_mem_put(&mem, "raw", disk, 4 * MB);
	free(disk);
	assert_int_equal(snapshot("b", "raw", true), 0);
	assert_int_equal(vhd_chain_open(&c, &mem.files, "b", 0, NULL), 0);
	assert_int_equal(vhd_size(c->layer[0].vhd), 4 * MB);
	assert_int_equal(vhd_chain_read(c, buf, 8191, 1, NULL), 0);
	assert_int_equal(buf[17], 0x33);
	assert_int_equal(
		vhd_parent(c->layer[0].vhd, "b", &mem.files, &spec, id, NULL),
		0);
	assert_string_equal(spec, "raw:/raw");
	free(spec);
	vhd_chain_close(c);
}

static void an_empty_child_is_passed_over(void **state)
{
	struct vhd_snapshot snap = { .name = "c", .parent = "b" };
	struct vhd_new p = { .time = VHD_EPOCH + 3000, .id = { 7 } };
	struct vhd_io *io;
	struct vhd *vhd;
	char *path;

	(void)state;
	create("a", 100 * MB, 0);
	assert_int_equal(snapshot("b", "a", false), 0);
	io = vhd_mem_open(&mem, "c");
	assert_int_equal(vhd_snapshot(io, &mem.files, &snap, &p, NULL), 0);
	assert_int_equal(vhd_open(&vhd, io, false, NULL), 0);
	assert_int_equal(vhd_parent_path(vhd, "c", &mem.files, &path, NULL), 0);
	assert_string_equal(path, "/a");
	free(path);
	close_both(vhd, io);
}

static void a_circle_of_parents_ends(void **state)
{
	unsigned depth;

	(void)state;
	create("a", 100 * MB, 0);
	assert_int_equal(snapshot("b", "a", false), 0);
	assert_int_equal(snapshot("a", "b", false), 0);
	assert_int_equal(vhd_chain_depth(&mem.files, "a", &depth, NULL),
			 -ELOOP);
	assert_non_null(strstr(check("a", VHD_CHECK_PARENTS | VHD_CHECK_NO_ID),
			       "circle"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_empty_disk_of_100_mb_takes_3584_bytes),
		TEST(geometry_is_the_published_formats),
		TEST(a_snapshot_takes_5120_bytes_and_three_locators),
		TEST(room_for_growth_is_made_at_creation),
		TEST(a_size_that_cannot_be_filled_is_refused),
		TEST(data_begins_on_a_page_and_blocks_are_2101248_apart),
		TEST(an_image_in_use_has_a_killed_footer),
		TEST(blocks_are_found_again),
		TEST(a_crashed_image_opens_by_its_copy_and_is_mended),
		TEST(what_a_guest_wrote_at_the_files_end_is_no_footer),
		TEST(the_primary_wins_and_the_copy_follows),
		TEST(a_footer_without_its_last_byte_is_read),
		TEST(sums_of_signed_characters_are_taken),
		TEST(each_damaged_field_is_named),
		TEST(a_block_over_the_headers_or_outside_is_refused),
		TEST(blocks_that_overlap_are_told),
		TEST(data_beside_a_clear_bit_is_told),
		TEST(a_batmap_that_lies_is_ignored_with_a_note),
		TEST(the_marker_is_one_sector_and_leaves_the_batmap),
		TEST(without_a_batmap_marker_and_keyhash_are_attributes),
		TEST(an_image_for_reading_is_not_written),
		TEST(a_child_of_another_parent_is_told),
		TEST(a_raw_parent_is_read_where_the_child_has_nothing),
		TEST(an_empty_child_is_passed_over),
		TEST(a_circle_of_parents_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
