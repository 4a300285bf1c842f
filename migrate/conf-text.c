/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf-text.c - reads the literals of xm's and xl's configuration files.
 */
#include "migrate/conf-text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "migrate/conf-disk.h"
#include "migrate/conf.h"
#include "migrate/mem.h"

/* Deeper than any list of a configuration. */
enum {
	DEPTH_MAX = 8
};

static const char pin[] = "blktap-migrate: keep";

struct scan {
	struct conf_vm *vm;
	const char *text;
	const char *at;
	const char *end;
	unsigned line;
	const char *key; /* of the value that is read; not terminated */
	size_t key_len;
	unsigned disk_line; /* where disk was set; 0: not yet */
};

/* A string's content, without its quotes. */
struct span {
	const char *at;
	size_t len;
	unsigned line;
	bool plain; /* no escapes, and not over several lines */
};

static bool left(const struct scan *s)
{
	return s->at < s->end;
}

static char look(const struct scan *s)
{
	return left(s) ? *s->at : '\0';
}

static void step(struct scan *s)
{
	if (*s->at++ == '\n')
		s->line++;
}

static void problem(struct scan *s, unsigned line, const char *what)
{
	if (!s->vm->problem)
		s->vm->problem = mem_printf("line %u: %s", line, what);
}

static bool key_is(const struct scan *s, const char *name)
{
	return s->key && strlen(name) == s->key_len &&
	       !memcmp(name, s->key, s->key_len);
}

static void skip_line(struct scan *s)
{
	while (left(s) && *s->at != '\n')
		step(s);
}

/* What python reads and xl does not: after it, the file would be nobody's. */
static void not_xl(struct scan *s, unsigned line, const char *what)
{
	if (!s->vm->problem)
		s->vm->problem = mem_printf(
			"line %u: %s, which xl does not read", line, what);
}

static void comment(struct scan *s)
{
	const char *from = s->at;

	skip_line(s);
	if (memmem(from, (size_t)(s->at - from), pin, sizeof(pin) - 1))
		s->vm->keep = true;
	if (!left(s))
		not_xl(s, s->line, "a comment without the end of its line");
}

/* Blanks and comments; the ends of lines too where a list goes on. */
static void skip(struct scan *s, bool lines)
{
	while (left(s)) {
		if (*s->at == '\r')
			not_xl(s, s->line, "a carriage return");
		if (*s->at == '#')
			comment(s);
		else if (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' ||
			 (lines && *s->at == '\n'))
			step(s);
		else
			return;
	}
}

/* The quote that opens is at hand; three of them make a string of lines. */
static bool string(struct scan *s, struct span *out)
{
	char quote = *s->at;
	bool three =
		s->end - s->at >= 3 && s->at[1] == quote && s->at[2] == quote;
	size_t n = three ? 3 : 1;

	if (three)
		not_xl(s, s->line, "a string in three quotes");
	s->at += n;
	*out = (struct span){ .at = s->at, .line = s->line, .plain = !three };
	while (left(s) && (three || *s->at != '\n')) {
		if (*s->at == quote &&
		    (!three || (s->end - s->at >= 3 && s->at[1] == quote &&
				s->at[2] == quote))) {
			out->len = (size_t)(s->at - out->at);
			s->at += n;
			return true;
		}
		if (*s->at == '\\') {
			out->plain = false;
			step(s);
		}
		if (left(s))
			step(s);
	}
	return false;
}

static void add_disk(struct scan *s, const struct span *value)
{
	struct conf_vm *vm = s->vm;
	struct conf_disk *disk = mem_add(&vm->disks, &vm->count, sizeof(*disk));

	disk->line = value->line;
	disk->off = (size_t)(value->at - s->text);
	disk->len = value->len;
	disk->text = mem_ndup(value->at, value->len);
	if (!value->plain || strlen(disk->text) != value->len)
		disk->problem = mem_dup("a string with more than plain "
					"letters");
	else
		conf_disk_parse(disk);
}

static void set(char **field, const struct span *value)
{
	free(*field);
	*field = mem_ndup(value->at, value->len);
}

static void take_string(struct scan *s, const struct span *value,
			unsigned depth)
{
	struct conf_vm *vm = s->vm;

	if (depth) {
		if (key_is(s, "disk") && depth == 1)
			add_disk(s, value);
		else if (key_is(s, "disk"))
			problem(s, value->line, "a list in the list of disks");
		return;
	}
	if (key_is(s, "name"))
		set(&vm->name, value);
	else if (key_is(s, "uuid"))
		set(&vm->uuid, value);
	else if (key_is(s, "bootloader"))
		set(&vm->bootloader, value);
	else if (key_is(s, "type") || key_is(s, "builder"))
		vm->hvm = value->len == 3 && !memcmp(value->at, "hvm", 3);
	else if (key_is(s, "kernel") &&
		 memmem(value->at, value->len, "hvmloader", 9))
		vm->hvm = true;
	else if (key_is(s, "disk"))
		problem(s, value->line, "disk is no list");
}

/* All of them are in the set. */
static bool all_of(const char *s, size_t len, const char *set)
{
	for (size_t i = 0; i < len; i++) {
		if (!s[i] || !strchr(set, s[i]))
			return false;
	}
	return true;
}

/* A number, or one of python's words. */
static bool word(struct scan *s)
{
	const char *from = s->at;
	static const char *const names[] = { "True", "False", "None" };
	size_t len;

	while (left(s) && (isalnum((unsigned char)*s->at) || *s->at == '.' ||
			   *s->at == '_' || *s->at == '-'))
		s->at++;
	len = (size_t)(s->at - from);
	if (len && isdigit((unsigned char)*from) &&
	    all_of(from, len, "0123456789abcdefABCDEFxX"))
		return true;
	if (len && (isdigit((unsigned char)*from) || *from == '-')) {
		not_xl(s, s->line, "a number of this kind");
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (len == strlen(names[i]) && !memcmp(names[i], from, len)) {
			not_xl(s, s->line, names[i]);
			return true;
		}
	}
	return false;
}

static bool literal(struct scan *s, unsigned depth);

/* What opens a list is at hand. */
static bool list(struct scan *s, unsigned depth)
{
	char close = *s->at == '[' ? ']' : ')';

	if (depth == DEPTH_MAX)
		return false;
	if (close == ')')
		not_xl(s, s->line, "a list in round brackets");
	step(s);
	for (;;) {
		skip(s, true);
		if (look(s) == close) {
			step(s);
			return true;
		}
		if (!literal(s, depth + 1))
			return false;
		skip(s, true);
		if (look(s) == ',')
			step(s);
		else if (look(s) != close)
			return false;
	}
}

static bool literal(struct scan *s, unsigned depth)
{
	struct span value;

	switch (look(s)) {
	case '\'':
	case '"':
		if (!string(s, &value))
			return false;
		take_string(s, &value, depth);
		return true;
	case '[':
	case '(':
		return list(s, depth);
	default:
		return word(s);
	}
}

/* "disk" or "disk +": what stands before a value. 1: found; 0: it is not. */
static bool assignment(struct scan *s)
{
	bool more;

	s->key = s->at;
	while (left(s) && (isalnum((unsigned char)*s->at) || *s->at == '_'))
		s->at++;
	s->key_len = (size_t)(s->at - s->key);
	if (s->key_len && (*s->key == '_' || isdigit((unsigned char)*s->key) ||
			   !all_of(s->key, s->key_len,
				   "abcdefghijklmnopqrstuvwxyz0123456789_")))
		not_xl(s, s->line, "a name of this kind");
	skip(s, false);
	more = look(s) == '+';
	if (more)
		s->at++;
	if (!s->key_len || look(s) != '=')
		return false;
	s->at++;
	if (key_is(s, "disk") && !more) {
		if (s->disk_line)
			problem(s, s->line, "disk is set a second time");
		s->disk_line = s->line;
	}
	skip(s, false);
	return look(s) != '=';
}

static void statement(struct scan *s)
{
	unsigned line = s->line;

	if (!assignment(s) || !literal(s, 0)) {
		problem(s, line, "code, where a literal can be read alone");
		skip_line(s);
		return;
	}
	skip(s, false);
	if (left(s) && *s->at != '\n' && *s->at != ';') {
		problem(s, s->line, "code after a literal");
		skip_line(s);
	}
}

void conf_text_read(struct conf_vm *vm, const char *text, size_t len)
{
	struct scan s = {
		.vm = vm, .text = text, .at = text, .end = text + len, .line = 1
	};

	for (;;) {
		skip(&s, true);
		if (!left(&s))
			break;
		if (*s.at == ';')
			s.at++;
		else
			statement(&s);
	}
}
