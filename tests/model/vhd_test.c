/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhd_test.c - random work on a growing chain of VHDs, against an array.
 *
 * Requests of all kinds, several at a time; between them the disk is paused
 * and goes on, from itself, from a new child, or from what a killed process
 * would have left. SEED=n for another run, ROUNDS=n for a longer one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/disk-model.h"
#include "tests/lib/test.h"
#include "tests/lib/vhd-make.h"

#define SIZE   (24u << 20)
#define ROUNDS 33
#define DEPTH  30

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

struct chain {
	struct rig *rig;
	unsigned depth;
	char leaf[32];
	char spec[40];
};

static void must(struct rig *rig, int err)
{
	if (err)
		fail_msg("%s", rig->err.msg);
}

static void name_leaf(struct chain *c, const char *name)
{
	snprintf(c->leaf, sizeof(c->leaf), "%s", name);
	snprintf(c->spec, sizeof(c->spec), "vhd:%s", c->leaf);
}

static void go_on_in_a_child(struct chain *c)
{
	char name[32];

	must(c->rig, rig_pause(c->rig));
	snprintf(name, sizeof(name), "d%u.vhd", ++c->depth);
	vhd_make_child(name, c->leaf);
	name_leaf(c, name);
	must(c->rig, rig_resume(c->rig, c->spec));
}

/* As kill -9 leaves it: a copy of the file, while it is open. */
static void go_on_after_a_kill(struct chain *c)
{
	int in = open(c->leaf, O_RDONLY), out;
	struct stat st;
	char *all;

	out = open("killed", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(fstat(in, &st), 0);
	all = malloc(st.st_size);
	assert_int_equal(pread(in, all, st.st_size, 0), st.st_size);
	assert_int_equal(pwrite(out, all, st.st_size, 0), st.st_size);
	free(all);
	close(in);
	close(out);
	must(c->rig, rig_pause(c->rig));
	assert_int_equal(rename("killed", c->leaf), 0);
	must(c->rig, rig_resume(c->rig, NULL));
}

static void go_on(struct chain *c, struct dm *dm)
{
	uint64_t how = dm_random(dm, 4);

	dm_drain(dm);
	if (c->depth < DEPTH && how < 3) {
		go_on_in_a_child(c);
	} else if (how == 3) {
		go_on_after_a_kill(c);
	} else {
		must(c->rig, rig_pause(c->rig));
		must(c->rig, rig_resume(c->rig, NULL));
	}
}

static void run(const char *base, uint64_t seed)
{
	struct chain c = { 0 };
	struct dm *dm;

	vhd_make_folder();
	c.rig = rig_new(NULL);
	vhd_make("base.vhd", SIZE);
	name_leaf(&c, base);
	must(c.rig, rig_open(c.rig, c.spec));
	dm = dm_new(c.rig, SIZE, seed);
	dm->largest = DM_MOST;
	for (uint64_t r = number("ROUNDS", ROUNDS); r--;) {
		for (int i = 0; i < 60; i++)
			dm_step(dm);
		go_on(&c, dm);
		if (r % 8 == 0)
			dm_verify(dm);
	}
	dm_verify(dm);
	print_message("# seed %llu: %u requests, depth %u\n",
		      (unsigned long long)seed, dm->done, c.depth);
	rig_free(c.rig);
	vhd_make_check(c.leaf);
	dm_free(dm);
	vhd_make_gone();
}

static void a_chain_is_an_array(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		run("base.vhd", number("SEED", 1) + i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_is_an_array),
	};

	vhd_make_quick();
	return cmocka_run_group_tests_name("vhd model", tests, NULL, NULL);
}
