/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd_test.c - random NBD requests of three clients against an array.
 *
 * Each round cuts the disk into ranges at random bytes, so that neighbours
 * share blocks, gives each range one request of one client, lets the bytes
 * come in random pieces and the disk answer in random order, and compares.
 * The seed is printed; NBD_MODEL_SEED runs one again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

#include "tests/lib/nbd-talk.h"

#define SIZE    (96u << 10)
#define CLIENTS 3
#define ROUNDS  60
#define RANGES  40

struct world {
	uint64_t random;
	struct loop *loop;
	struct fake_disk d;
	struct talk talks[CLIENTS];
	uint8_t model[SIZE];
	struct ask *reads[RANGES];
	unsigned read_count;
};

/* splitmix64: a number below n. */
static uint32_t draw(struct world *w, uint32_t n)
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) % n);
}

static void ask(struct world *w, uint32_t off, uint32_t len)
{
	struct talk *t = &w->talks[draw(w, CLIENTS)];
	uint32_t block = w->d.block, from, to;
	uint16_t fua = draw(w, 4) ? 0 : NBD_FUA;
	uint8_t data[SIZE];
	uint32_t i;

	switch (draw(w, 5)) {
	case 0:
		w->reads[w->read_count++] =
			talk_ask(t, NBD_READ, fua, off, len, NULL);
		break;
	case 1:
		(void)talk_ask(t, NBD_WRITE_ZEROES, fua, off, len, NULL);
		memset(w->model + off, 0, len);
		break;
	case 2:
		(void)talk_ask(t, NBD_TRIM, fua, off, len, NULL);
		from = (off + block - 1) / block * block;
		to = (off + len) / block * block;
		if (to > from)
			memset(w->model + from, 0xdd, to - from);
		break;
	default:
		for (i = 0; i < len; i++)
			data[i] = (uint8_t)draw(w, 256);
		(void)talk_ask(t, NBD_WRITE, fua, off, len, data);
		memcpy(w->model + off, data, len);
	}
}

static bool all_ended(const struct world *w)
{
	unsigned i;

	for (i = 0; i < CLIENTS; i++) {
		if (w->talks[i].ended != w->talks[i].asked)
			return false;
	}
	return true;
}

static void play(struct world *w)
{
	struct talk *t;
	unsigned idle = 0;

	while (!all_ended(w)) {
		t = &w->talks[draw(w, CLIENTS)];
		talk_say(t, 1 + draw(w, draw(w, 8) ? 200 : 20000));
		if (w->d.pending_count && draw(w, 3))
			fake_end(&w->d, draw(w, w->d.pending_count), 0);
		if (!draw(w, 3))
			talk_hear(t);
		if (!draw(w, 3))
			(void)loop_turn(w->loop); /* kicks, if any */
		loop_set_now_ns(w->loop, loop_now_ns(w->loop) + draw(w, 2));
		assert_true(++idle < 1000000); /* else it hangs */
	}
}

static void round_of(struct world *w)
{
	unsigned i, count = 1 + draw(w, RANGES - 1);
	uint32_t at = draw(w, 3000), len;

	w->read_count = 0;
	for (i = 0; i < count && at < SIZE; i++) {
		len = 1 + draw(w, draw(w, 3) ? 900 : 20000);
		len = len < SIZE - at ? len : SIZE - at;
		ask(w, at, len);
		at += len;
	}
	play(w);
	assert_memory_equal(w->d.bytes, w->model, SIZE);
	for (i = 0; i < w->read_count; i++) {
		assert_int_equal(w->reads[i]->err, 0);
		assert_memory_equal(w->reads[i]->data,
				    w->model + w->reads[i]->off,
				    w->reads[i]->len);
	}
}

static void run(uint64_t seed)
{
	static struct world w;
	int i, rounds;

	memset(&w, 0, sizeof(w));
	w.random = seed;
	print_message("# seed %llu\n", (unsigned long long)seed);
	assert_int_equal(loop_new(&w.loop, NULL), 0);
	fake_disk_init(&w.d, w.loop, SIZE, draw(&w, 2) ? 512 : 4096);
	for (rounds = 0; rounds < ROUNDS; rounds += 10) {
		for (i = 0; i < CLIENTS; i++)
			talk_init(&w.talks[i], &w.d, &talk_transport,
				  draw(&w, 2));
		for (i = 0; i < 10; i++)
			round_of(&w);
		for (i = 0; i < CLIENTS; i++)
			talk_free(&w.talks[i]);
	}
	fake_disk_free(&w.d);
	loop_free(w.loop);
}

static void the_disk_holds_what_the_clients_wrote(void **state)
{
	const char *again = getenv("NBD_MODEL_SEED");
	uint64_t seed;

	(void)state;
	if (again) {
		run(strtoull(again, NULL, 10));
		return;
	}
	for (seed = 1; seed <= 40; seed++)
		run(seed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_disk_holds_what_the_clients_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
