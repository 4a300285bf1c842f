/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cbt.c - the log of changed blocks of a disk, in memory. */
#include "lib/cbt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/parse.h"

uint64_t cbt_bitmap_bytes(uint64_t size)
{
	uint64_t blocks = size / CBT_BLOCK + !!(size % CBT_BLOCK);

	return blocks / 8 + !!(blocks % 8);
}

/* One that a growth was cut short in is longer than it will be, or was. */
static bool may_be_long(const struct cbt_header *h, uint64_t file_size)
{
	uint64_t want = CBT_HEADER + cbt_bitmap_bytes(h->size);

	return file_size == want ||
	       (h->growing && file_size > want &&
		(uint32_t)(file_size - CBT_HEADER) == h->growing);
}

int cbt_decode(struct cbt_header *out, const uint8_t buf[CBT_HEADER],
	       uint64_t file_size, bool exact, struct err *err)
{
	struct cbt_header h = { .size = bytes_le64(buf + 40),
				.growing = bytes_le32(buf + 36) };
	uint32_t consistent = bytes_le32(buf + 32);
	uint64_t want = CBT_HEADER + cbt_bitmap_bytes(h.size);

	if (!h.size || h.size > CBT_MAX_BYTES)
		return err_set(err, -EINVAL, "disk size %llu",
			       (unsigned long long)h.size);
	if (consistent > 1)
		return err_set(err, -EINVAL, "consistency flag %u", consistent);
	if (exact ? !may_be_long(&h, file_size) : file_size < want)
		return err_set(err, -EINVAL,
			       "%llu bytes long; a disk of %llu has a log of "
			       "%llu",
			       (unsigned long long)file_size,
			       (unsigned long long)h.size,
			       (unsigned long long)want);
	memcpy(h.parent, buf, 16);
	memcpy(h.child, buf + 16, 16);
	h.consistent = consistent;
	*out = h;
	return 0;
}

void cbt_encode(uint8_t buf[CBT_HEADER], const struct cbt_header *h)
{
	memset(buf, 0, CBT_HEADER);
	memcpy(buf, h->parent, 16);
	memcpy(buf + 16, h->child, 16);
	bytes_put_le32(buf + 32, h->consistent);
	bytes_put_le32(buf + 36, h->growing);
	bytes_put_le64(buf + 40, h->size);
}

static bool has_dash(unsigned i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

void cbt_id_text(char out[CBT_TEXT], const uint8_t id[16])
{
	for (unsigned i = 0; i < 16; i++) {
		if (has_dash(i))
			*out++ = '-';
		(void)snprintf(out, 3, "%02x", id[i]);
		out += 2;
	}
}

int cbt_id_parse(uint8_t id[16], const char *text)
{
	char digits[33];
	unsigned n = 0;

	if (strlen(text) != CBT_TEXT - 1)
		return -EINVAL;
	for (unsigned i = 0; i < 16; i++) {
		if (has_dash(i) && *text++ != '-')
			return -EINVAL;
		digits[n++] = *text++;
		digits[n++] = *text++;
	}
	digits[n] = '\0';
	return parse_hex(id, 16, digits);
}
