/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json.c - writes JSON into memory that grows.
 */
#include "lib/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 32

struct json {
	char *buf;
	size_t len;
	size_t cap;
	bool failed;
	unsigned depth;
	char close[DEPTH]; /* what ends each level */
	bool any[DEPTH];   /* something is in it */
};

struct json *json_new(void)
{
	return calloc(1, sizeof(struct json));
}

void json_free(struct json *json)
{
	if (!json)
		return;
	free(json->buf);
	free(json);
}

static void put(struct json *json, const char *s, size_t len)
{
	size_t cap = json->cap ? json->cap : 256;
	char *buf;

	while (cap <= json->len + len)
		cap *= 2;
	if (cap != json->cap) {
		buf = realloc(json->buf, cap);
		if (!buf) {
			json->failed = true;
			return;
		}
		json->buf = buf;
		json->cap = cap;
	}
	memcpy(json->buf + json->len, s, len);
	json->len += len;
	json->buf[json->len] = '\0';
}

static void puts_(struct json *json, const char *s)
{
	put(json, s, strlen(s));
}

__attribute__((format(printf, 2, 3))) static void printf_(struct json *json,
							  const char *fmt, ...)
{
	char buf[64];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(buf, sizeof(buf), fmt, ap); /* numbers: they fit */
	va_end(ap);
	puts_(json, buf);
}

/* How many bytes at s are one character of UTF-8; 0 if they are none. */
static unsigned utf8(const unsigned char *s)
{
	unsigned len = s[0] < 0x80             ? 1
		       : (s[0] & 0xe0) == 0xc0 ? 2
		       : (s[0] & 0xf0) == 0xe0 ? 3
		       : (s[0] & 0xf8) == 0xf0 ? 4
					       : 0;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c = len == 1 ? s[0] : s[0] & (0x7f >> len);
	unsigned i;

	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (len && (c < least[len] || c > 0x10ffff || (c >> 11) == 0x1b))
		return 0;
	return len;
}

static void quoted(struct json *json, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;
	unsigned len;

	puts_(json, "\"");
	for (; *s; s += len ? len : 1) {
		len = utf8(s);
		if (!len)
			puts_(json, "\\ufffd");
		else if (*s == '"' || *s == '\\')
			printf_(json, "\\%c", *s);
		else if (*s < 0x20)
			printf_(json, "\\u%04x", *s);
		else
			put(json, (const char *)s, len);
	}
	puts_(json, "\"");
}

/* What goes before a value: a comma if it is not the first, and its key. */
static void lead(struct json *json, const char *key)
{
	if (json->depth) {
		if (json->any[json->depth - 1])
			puts_(json, ", ");
		json->any[json->depth - 1] = true;
	}
	if (key) {
		quoted(json, key);
		puts_(json, ": ");
	}
}

static void begin(struct json *json, const char *key, const char *open,
		  char close)
{
	assert(json->depth < DEPTH);
	lead(json, key);
	puts_(json, open);
	json->close[json->depth] = close;
	json->any[json->depth] = false;
	json->depth++;
}

void json_object(struct json *json, const char *key)
{
	begin(json, key, "{ ", '}');
}

void json_array(struct json *json, const char *key)
{
	begin(json, key, "[ ", ']');
}

void json_end(struct json *json)
{
	assert(json->depth > 0);
	json->depth--;
	printf_(json, " %c", json->close[json->depth]);
}

void json_string(struct json *json, const char *key, const char *value)
{
	if (!value) {
		json_null(json, key);
		return;
	}
	lead(json, key);
	quoted(json, value);
}

void json_uint(struct json *json, const char *key, uint64_t value)
{
	lead(json, key);
	printf_(json, "%" PRIu64, value);
}

void json_int(struct json *json, const char *key, int64_t value)
{
	lead(json, key);
	printf_(json, "%" PRId64, value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	lead(json, key);
	puts_(json, value ? "true" : "false");
}

void json_null(struct json *json, const char *key)
{
	lead(json, key);
	puts_(json, "null");
}

char *json_take(struct json *json, size_t *len)
{
	char *buf;

	put(json, "", 0); /* so that there is a buffer */
	buf = json->failed ? NULL : json->buf;
	if (!buf)
		free(json->buf);
	if (len)
		*len = buf ? json->len : 0;
	json->buf = NULL;
	json->len = json->cap = 0;
	json->failed = false;
	return buf;
}
