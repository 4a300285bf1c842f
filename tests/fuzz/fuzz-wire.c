/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-wire.c - any bytes as a control message, of each lineage.
 *
 * What decodes must encode to something that decodes to the same, with every
 * string ended.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "control/wire.h"
#include "lib/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void older(enum wire_lineage l, const uint8_t *in, size_t size)
{
	uint8_t buf[WIRE_SIZE], again[WIRE_SIZE];
	enum wire_lineage guess;
	struct err err = { 0 };
	struct wire_msg msg;

	if (wire_is_whole(in, size, &guess))
		assert(wire_size(guess) == size);
	if (wire_decode_as(l, &msg, in, &err) < 0) {
		assert(err.code < 0 && err.msg[0]);
		return;
	}
	assert(!wire_encode_as(l, buf, &msg, NULL));
	assert(!wire_decode_as(l, &msg, buf, NULL));
	assert(!wire_encode_as(l, again, &msg, NULL));
	assert(!memcmp(buf, again, wire_size(l)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t buf[WIRE_SIZE] = { 0 }, again[WIRE_SIZE];
	struct err err = { 0 };
	struct wire_msg msg;

	memcpy(buf, data, size < sizeof(buf) ? size : sizeof(buf));
	assert(wire_name(buf[0]));
	for (unsigned l = WIRE_XS6; l <= WIRE_XEN40; l++)
		older((enum wire_lineage)l, buf, size);
	if (wire_decode(&msg, buf, &err) < 0) {
		assert(err.code < 0 && err.msg[0]);
		return 0;
	}
	wire_encode(buf, &msg);
	assert(!wire_decode(&msg, buf, NULL));
	wire_encode(again, &msg);
	assert(!memcmp(buf, again, sizeof(buf)));
	return 0;
}
