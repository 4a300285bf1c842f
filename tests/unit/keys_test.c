/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keys_test.c - which key file is taken, and what is said when none is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "tapdisk/keys.h"
#include "tests/lib/test.h"

struct test {
	char dir[32];
	char dirs[80]; /* "a" and "b" in it */
	struct keys *keys;
	uint8_t key[KEYS_MAX];
	size_t len;
};

static const char *const files[] = { "a/d,aes-xts-plain,512.key",
				     "b/d,aes-xts-plain,512.key",
				     "a/d,aes-xts-plain,256.key",
				     "b/d,aes-xts-plain,256.key" };

static int setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));
	char path[64];

	(void)snprintf(t->dir, sizeof(t->dir), "/tmp/blktap-keys-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	(void)snprintf(t->dirs, sizeof(t->dirs), "%s/a,,%s/b", t->dir, t->dir);
	for (int c = 'a'; c <= 'b'; c++) {
		(void)snprintf(path, sizeof(path), "%s/%c", t->dir, c);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	assert_int_equal(keys_new_dirs(&t->keys, t->dirs, NULL), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;
	char path[128];

	keys_free(t->keys);
	for (unsigned i = 0; i < 4; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", t->dir, files[i]);
		(void)unlink(path);
	}
	(void)snprintf(path, sizeof(path), "%s/a", t->dir);
	(void)rmdir(path);
	(void)snprintf(path, sizeof(path), "%s/b", t->dir);
	(void)rmdir(path);
	assert_int_equal(rmdir(t->dir), 0);
	free(t);
	return 0;
}

/* File i gets len bytes of fill. */
static void put(struct test *t, unsigned i, int fill, size_t len)
{
	uint8_t bytes[128];
	char path[128];
	FILE *f;

	memset(bytes, fill, sizeof(bytes));
	(void)snprintf(path, sizeof(path), "%s/%s", t->dir, files[i]);
	f = fopen(path, "w");
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static int find(struct test *t, const char *name)
{
	struct err err;
	int rc = keys_find(t->keys, name, t->key, &t->len, &err);

	assert_true(!rc || err.msg[0]);
	return rc;
}

static void a_512_of_the_last_directory_beats_a_256_of_the_first(void **state)
{
	struct test *t = *state;

	put(t, 2, 'x', 32);
	put(t, 1, 'y', 64);
	assert_int_equal(find(t, "/disks/d.vhd"), 0);
	assert_int_equal(t->len, 64);
	assert_int_equal(t->key[63], 'y');
}

static void the_first_directory_wins(void **state)
{
	struct test *t = *state;

	put(t, 0, 'a', 64);
	put(t, 1, 'b', 64);
	assert_int_equal(find(t, "d.vhd"), 0);
	assert_int_equal(t->key[0], 'a');
}

static void a_longer_file_gives_its_beginning(void **state)
{
	struct test *t = *state;

	put(t, 2, 'x', 100);
	assert_int_equal(find(t, "d"), 0);
	assert_int_equal(t->len, 32);
}

static void the_name_ends_at_the_first_vhd(void **state)
{
	struct test *t = *state;

	put(t, 3, 'z', 32);
	assert_int_equal(find(t, "/x.vhd/d.vhd.snap.tmp.vhd"), 0);
	assert_int_equal(find(t, "/x.vhd/e.vhd"), -ENOENT);
}

static void a_short_one_makes_room_for_the_other_size(void **state)
{
	struct test *t = *state;

	put(t, 0, 'x', 63);
	assert_int_equal(find(t, "d"), -ENOENT);
	put(t, 2, 'y', 32);
	assert_int_equal(find(t, "d"), 0);
	assert_int_equal(t->len, 32);
	put(t, 2, 'y', 31);
	assert_int_equal(find(t, "d"), -EINVAL);
}

static void a_pushed_key_is_for_every_layer(void **state)
{
	struct test *t = *state;
	struct keys *keys;
	uint8_t key[64];

	memset(key, 7, sizeof(key));
	assert_int_equal(keys_new_pushed(&keys, key, 63, NULL), -EINVAL);
	assert_int_equal(keys_new_pushed(&keys, key, 32, NULL), 0);
	assert_int_equal(keys_from(keys), KEYS_PUSHED);
	assert_int_equal(keys_find(keys, "any", t->key, &t->len, NULL), 0);
	assert_int_equal(t->len, 32);
	assert_memory_equal(t->key, key, 32);
	keys_free(keys);
	assert_int_equal(keys_from(NULL), KEYS_NONE);
	assert_int_equal(keys_find(NULL, "any", t->key, &t->len, NULL),
			 -ENOENT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_512_of_the_last_directory_beats_a_256_of_the_first),
		T(the_first_directory_wins),
		T(a_longer_file_gives_its_beginning),
		T(the_name_ends_at_the_first_vhd),
		T(a_short_one_makes_room_for_the_other_size),
		T(a_pushed_key_is_for_every_layer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
