/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-cbt.c - any bytes as a log of changed blocks, and as the text of an id.
 *
 * What decodes encodes to the same header; its bitmap lies within the file.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "lib/cbt.h"
#include "lib/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void header(const uint8_t *data, size_t size, bool exact)
{
	uint8_t buf[CBT_HEADER] = { 0 }, again[CBT_HEADER];
	struct cbt_header h, other;
	struct err err = { 0 };

	memcpy(buf, data, size < sizeof(buf) ? size : sizeof(buf));
	if (cbt_decode(&h, buf, size, exact, &err) < 0) {
		assert(err.code < 0 && err.msg[0]);
		return;
	}
	assert(h.size && CBT_HEADER + cbt_bitmap_bytes(h.size) <= size);
	cbt_encode(again, &h);
	assert(!cbt_decode(&other, again, size, exact, NULL));
	assert(other.size == h.size && other.consistent == h.consistent);
	assert(!memcmp(again, buf, 36));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2 * CBT_TEXT] = "", out[CBT_TEXT];
	uint8_t id[16], same[16];

	header(data, size, true);
	header(data, size, false);
	memcpy(text, data, size < sizeof(text) ? size : sizeof(text) - 1);
	if (cbt_id_parse(id, text))
		return 0;
	cbt_id_text(out, id);
	assert(!cbt_id_parse(same, out) && !memcmp(id, same, sizeof(id)));
	return 0;
}
