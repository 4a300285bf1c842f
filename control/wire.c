/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire.c - control messages, by the table in messages.def.
 */
#include "control/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"

/* Where the first two bytes and the cookie are, in every message. */
#define OFF_TYPE   0
#define OFF_COOKIE 2

enum kind {
	U16,
	U32,
	I32,
	U64,
	STR,
};

enum layout {
	NOTHING,
	PID,
	IMAGE,
	PARAMS,
	RESPONSE,
	LIST,
	STATS,
	GUEST,
	CONNECT,
	QUEUE,
	HELLO,
	WORD,
};

struct message {
	unsigned type;
	enum layout layout;
	const char *name;
};

struct field {
	enum layout layout;
	enum kind kind;
	unsigned off;   /* in the message */
	unsigned count; /* of numbers, or of bytes in a string */
	size_t at;      /* in struct wire_msg */
	int64_t min;
	uint64_t max;
	const char *name;
};

#define WIDTH(kind)                                                            \
	((kind) == U64 ? 8u : (kind) == STR ? 1u : (kind) == U16 ? 2u : 4u)

static const struct message messages[] = {
#define MESSAGE(number, layout, name) { number, layout, name },
#include "control/messages.def"
};

static const struct field fields[] = {
#define FIELD(layout, kind, off, count, member, min, max)                      \
	{ layout, kind, off,    count, offsetof(struct wire_msg, u.member),    \
	  min,    max,  #member },
#include "control/messages.def"
};

/* Every field lies in the message, and its member is as wide as it is. */
#define FIELD(layout, kind, off, count, member, min, max)                      \
	_Static_assert(off + count * WIDTH(kind) <= WIRE_SIZE, #member);       \
	_Static_assert(count * WIDTH(kind) <=                                  \
			       sizeof(((struct wire_msg *)0)->u.member),       \
		       #member);
#include "control/messages.def"

static const struct message *find(unsigned type)
{
	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		if (messages[i].type == type)
			return &messages[i];
	}
	return NULL;
}

static bool in_range(const struct field *f, const uint8_t *p)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;
	int32_t i32;

	switch (f->kind) {
	case U16:
		memcpy(&u16, p, sizeof(u16));
		return u16 >= f->min && u16 <= f->max;
	case U32:
		memcpy(&u32, p, sizeof(u32));
		return u32 >= f->min && u32 <= f->max;
	case I32:
		memcpy(&i32, p, sizeof(i32));
		return i32 >= f->min && i32 <= (int64_t)f->max;
	case U64:
		memcpy(&u64, p, sizeof(u64));
		return u64 >= (uint64_t)f->min && u64 <= f->max;
	case STR:
		return memchr(p, 0, f->count);
	}
	return false;
}

static int check(const struct field *f, const uint8_t *buf, struct err *err)
{
	const char *dot = strrchr(f->name, '.');
	const char *name = dot ? dot + 1 : f->name;

	for (unsigned i = 0; i < (f->kind == STR ? 1 : f->count); i++) {
		if (in_range(f, buf + f->off + i * WIDTH(f->kind)))
			continue;
		if (f->kind == STR)
			return err_set(err, -EINVAL, "%s does not end", name);
		return err_set(err, -EINVAL, "%s is out of its range", name);
	}
	return 0;
}

void wire_encode(uint8_t buf[WIRE_SIZE], const struct wire_msg *msg)
{
	const struct message *m = find(msg->type);
	uint16_t type = (uint16_t)msg->type;

	memset(buf, 0, WIRE_SIZE);
	memcpy(buf + OFF_TYPE, &type, sizeof(type));
	memcpy(buf + OFF_COOKIE, &msg->cookie, sizeof(msg->cookie));
	for (size_t i = 0; m && i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];
		const char *from = (const char *)msg + f->at;
		size_t len = f->count * WIDTH(f->kind);

		if (f->layout != m->layout)
			continue;
		/* What lies behind a string's end is nobody's business. */
		if (f->kind == STR)
			len = strnlen(from, f->count - 1);
		memcpy(buf + f->off, from, len);
	}
}

int wire_decode(struct wire_msg *out, const uint8_t buf[WIRE_SIZE],
		struct err *err)
{
	const struct message *m;
	struct wire_msg tmp;
	uint16_t type;

	memset(&tmp, 0, sizeof(tmp));
	memset(out, 0, sizeof(*out));
	memcpy(&type, buf + OFF_TYPE, sizeof(type));
	memcpy(&tmp.cookie, buf + OFF_COOKIE, sizeof(tmp.cookie));
	tmp.type = (enum wire_type)type;
	out->type = tmp.type;
	out->cookie = tmp.cookie;
	m = find(type);
	if (!m)
		return err_set(err, -EINVAL, "message %u is not known", type);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];
		char *to = (char *)&tmp + f->at;

		if (f->layout != m->layout)
			continue;
		if (check(f, buf, err) < 0)
			return err_wrap(err, "%s", m->name);
		memcpy(to, buf + f->off, f->count * WIDTH(f->kind));
	}
	*out = tmp;
	return 0;
}

const char *wire_name(unsigned type)
{
	const struct message *m = find(type);

	return m ? m->name : "unknown";
}
