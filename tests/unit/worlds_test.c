/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worlds_test.c - the table of silent changes: for every line form and every
 * world, the path is named.
 */
#include <stdio.h>
#include <string.h>

#include "lib/bytes.h"
#include "migrate/conf-disk.h"
#include "migrate/conf.h"
#include "migrate/mem.h"
#include "migrate/worlds.h"
#include "tests/lib/test.h"

/* One letter a world: xend 4.1 4.2 4.4 4.6 4.13 4.19. */
struct row {
	const char *line;
	bool device;
	const char *with; /* the module is loaded */
	const char *without;
};

static const struct row rows[] = {
	{ "phy:/dev/x,xvda,w", true, "BBBBBBB", "BBBBBBB" },
	{ "file:/x.img,xvda,w", false, "LTTQLLL", "LQQQLLL" },
	{ "tap:aio:/x.img,xvda,w", false, "1TTQLLL", "1QQQLLL" },
	{ "tap2:aio:/x.img,xvda,w", false, "TTTQLLL", "TQQQLLL" },
	{ "tap:tapdisk:aio:/x.img,xvda,w", false, "TETQLLL", "TEQQLLL" },
	{ "tap:vhd:/x.vhd,xvda,w", false, "TTTQQQQ", "TQQQQQQ" },
	{ "tap2:vhd:/x.vhd,xvda,w", false, "TTTQQQQ", "TQQQQQQ" },
	{ "tap:tapdisk:vhd:/x.vhd,xvda,w", false, "TETQQQQ", "TEQQQQQ" },
	{ "vhd:/x.vhd,xvda,w", false, "TETQQQQ", "TEQQQQQ" },
	{ "format=vhd,vdev=xvda,target=/x", false, "T-TQQQQ", "T-QQQQQ" },
	{ "tap:qcow:/x.qcow,xvda,w", false, "TQQQQQQ", "TQQQQQQ" },
	{ "tap2:qcow:/x.qcow,xvda,w", false, "TQQQQQQ", "TQQQQQQ" },
	{ "/x.img,raw,xvda,w", false, "--TQLLL", "--QQLLL" },
	{ "backendtype=tap,format=raw,vdev=xvda,target=/x", false, "--TTTER",
	  "--EEEER" },
	{ "backendtype=tap,format=vhd,vdev=xvda,target=/x", false, "--TTTER",
	  "--EEEER" },
	{ "vdev=xvda,script=block-tap,target=vhd:/x", false, "----TTT",
	  "----EEE" },
	{ "backendtype=tap,vdev=xvda,format=vhd,script=block-tap,target=/x",
	  false, "--EEEER", "--EEEER" },
	{ "tap:aio:/x.img,xvda,w!", false, "1TEEEEE", "1QEEEEE" },
	{ "phy:/dev/x,xvda,w!", true, "BBEEEEE", "BBEEEEE" },
	/* And what follows from the order in which backends are tried. */
	{ "/dev/x,raw,xvda,w", true, "--BBBBB", "--BBBBB" },
	{ "/x.vhd,vhd,xvda,w", true, "T-TQQQQ", "T-QQQQQ" },
	{ "backendtype=phy,vdev=xvda,target=/x", false, "--EELLL", "--EELLL" },
	{ "backendtype=qdisk,vdev=xvda,target=/x", false, "--QQQQQ",
	  "--QQQQQ" },
	{ "backendtype=tap,format=qcow2,vdev=xvda,target=/x", false, "--EEEEE",
	  "--EEEEE" },
	{ "tap:ram:/x,xvda,w", false, "1EEEEEE", "1EEEEEE" },
	{ "vdev=xvda,script=block-xenio,target=vhd:/x", false, "--RRRRR",
	  "--RRRRR" },
	{ "vdev=xvda,script=block-iscsi,target=x", false, "--OOOOO",
	  "--OOOOO" },
	{ "/x.img,raw,xvda,w,backend=store", false, "--OOOOO", "--OOOOO" },
};

static char letter(enum worlds_path path)
{
	return "-BL1TQREO"[path];
}

static void check(const struct row *row, bool module, const char *want)
{
	struct worlds_host host = { .module = module, .device = row->device };
	struct conf_disk disk = { .text = mem_dup(row->line) };
	char got[WORLDS_COUNT + 1] = "";

	conf_disk_parse(&disk);
	assert_null(disk.problem);
	for (unsigned w = 0; w < WORLDS_COUNT; w++) {
		enum worlds_path path =
			worlds_path((enum worlds_world)w, &disk, &host, NULL);

		got[w] = letter(path);
	}
	if (strcmp(got, want) != 0)
		fail_msg("%s, %s the module: %s, not %s", row->line,
			 module ? "with" : "without", got, want);
	conf_disk_free(&disk);
}

static void every_cell_names_the_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i], true, rows[i].with);
}

static void without_the_module_it_is_another_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i], false, rows[i].without);
}

static void a_version_has_its_world(void **state)
{
	(void)state;
	assert_int_equal(worlds_of(4, 0, true), WORLDS_XEND);
	assert_int_equal(worlds_of(3, 4, false), WORLDS_XEND);
	assert_int_equal(worlds_of(4, 1, false), WORLDS_4_1);
	assert_int_equal(worlds_of(4, 3, false), WORLDS_4_2);
	assert_int_equal(worlds_of(4, 5, false), WORLDS_4_4);
	assert_int_equal(worlds_of(4, 12, false), WORLDS_4_6);
	assert_int_equal(worlds_of(4, 13, false), WORLDS_4_13);
	assert_int_equal(worlds_of(4, 18, false), WORLDS_4_13);
	assert_int_equal(worlds_of(4, 19, false), WORLDS_4_19);
	assert_int_equal(worlds_of(4, 21, false), WORLDS_4_19);
	assert_int_equal(worlds_of(5, 0, false), WORLDS_4_19);
}

static void libvirt_gives_qcow_to_qemu(void **state)
{
	char tap2[] = "tap2", vhd[] = "vhd", qcow2[] = "qcow2", path[] = "/x";
	struct conf_disk disk = { .backendtype = tap2,
				  .type = qcow2,
				  .target = path };
	struct worlds_host host = { .module = true, .libvirt = true };

	(void)state;
	assert_int_equal(worlds_path(WORLDS_4_13, &disk, &host, NULL),
			 WORLDS_QEMU);
	disk.type = vhd;
	assert_int_equal(worlds_path(WORLDS_4_13, &disk, &host, NULL),
			 WORLDS_ERROR);
	assert_int_equal(worlds_path(WORLDS_4_19, &disk, &host, NULL),
			 WORLDS_RING);
}

static void no_tap_for_the_cdrom_of_hvm(void **state)
{
	char tap[] = "tap", raw[] = "raw", path[] = "/x";
	struct conf_disk disk = {
		.backendtype = tap, .type = raw, .target = path, .cdrom = true
	};
	struct worlds_host host = { .hvm = true };
	const char *why = NULL;

	(void)state;
	assert_int_equal(worlds_path(WORLDS_4_19, &disk, &host, &why),
			 WORLDS_ERROR);
	assert_string_equal(why, "no tap for a cdrom of HVM");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_names_the_path),
		cmocka_unit_test(without_the_module_it_is_another_one),
		cmocka_unit_test(a_version_has_its_world),
		cmocka_unit_test(libvirt_gives_qcow_to_qemu),
		cmocka_unit_test(no_tap_for_the_cdrom_of_hvm),
	};

	return cmocka_run_group_tests_name("worlds", tests, NULL, NULL);
}
