/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport_mem_test.c - the suite for transports, over the one in memory.
 */
#include <errno.h>

#include "tests/lib/channel-suite.h"
#include "tests/lib/test.h"

#define KIT_OPS 64

struct kit {
	struct mem_client client;
	struct mem_op ops[KIT_OPS];
	bool asked[KIT_OPS];
};

static void *kit_join(struct rig *r)
{
	struct kit *kit = test_calloc(1, sizeof(*kit));

	assert_int_equal(rig_join(r, &kit->client), 0);
	return kit;
}

static void kit_ask(void *client, unsigned tag, enum req_op what, uint64_t off,
		    void *data)
{
	struct kit *kit = client;

	kit->ops[tag] = (struct mem_op){ .op = what,
					 .off = off,
					 .len = what == REQ_FLUSH ? 0 : 4096,
					 .buf = data };
	kit->asked[tag] = true;
	mem_ask(&kit->client, &kit->ops[tag]);
}

static bool kit_answer(void *client, unsigned *tag, bool *ok)
{
	struct kit *kit = client;

	for (*tag = 0; *tag < KIT_OPS; ++*tag) {
		if (kit->asked[*tag] && kit->ops[*tag].done) {
			kit->asked[*tag] = false;
			*ok = !kit->ops[*tag].err;
			return true;
		}
	}
	return false;
}

static void kit_leave(void *client)
{
	struct kit *kit = client;

	channel_dead(kit->client.ch, -EPIPE, "it left");
}

static void kit_free(void *client)
{
	test_free(client);
}

static const struct suite_kit mem_kit = {
	.name = "channel suite: mem",
	.depth = 32,
	.join = kit_join,
	.ask = kit_ask,
	.answer = kit_answer,
	.leave = kit_leave,
	.free = kit_free,
};

int main(void)
{
	return suite_run(&mem_kit);
}
