/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record.c - the journal of a migration.
 */
#include "migrate/record.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/parse.h"
#include "migrate/file.h"
#include "migrate/hash.h"

/* Hexadecimal digits of a record's sum, and the blank after it. */
enum {
	SUM = 16,
	LEAD = SUM + 1
};

struct record {
	char *path;
	int fd;
	off_t size;
	struct mem_list lines;
};

static char *sealed(const char *line)
{
	char hash[HASH_ROOM];

	hash_hex(hash, line, strlen(line));
	return mem_printf("%.*s %s\n", SUM, hash, line);
}

static bool is_good(const char *s, size_t len)
{
	char hash[HASH_ROOM];

	if (len <= LEAD || s[SUM] != ' ' || memchr(s, '\0', len))
		return false;
	hash_hex(hash, s + LEAD, len - LEAD);
	return !memcmp(hash, s, SUM);
}

int record_parse(struct mem_list *out, size_t *good, const char *text,
		 size_t len, struct err *err)
{
	*good = 0;
	while (*good < len) {
		const char *s = text + *good;
		const char *end = memchr(s, '\n', len - *good);
		size_t n = end ? (size_t)(end - s) : len - *good;

		if (!end)
			return 0;
		/* Blocks that a power cut kept from the disk read as zeroes. */
		if (!is_good(s, n) &&
		    (*good + n + 1 < len || !memchr(s, '\0', n)))
			return err_set(err, -EUCLEAN, "line %zu is damaged",
				       out->count + 1);
		if (!is_good(s, n))
			return 0;
		mem_list_add(out, "%.*s", (int)(n - LEAD), s + LEAD);
		*good += n + 1;
	}
	return 0;
}

void record_close(struct record *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		(void)close(r->fd); /* all of it is on the disk */
	mem_list_free(&r->lines);
	free(r->path);
	free(r);
}

/* What was torn must not stand before what is written next. */
static int open_end(struct record *r, size_t good, struct err *err)
{
	r->size = (off_t)good;
	r->fd = open(r->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (r->fd < 0 || ftruncate(r->fd, r->size) < 0)
		return err_sys(err, "%s", r->path);
	return 0;
}

int record_open(struct record **out, const char *dir, struct err *err)
{
	struct record *r = mem_zalloc(sizeof(*r));
	size_t good = 0;
	char *text = NULL;
	size_t len;
	int rc;

	r->path = mem_printf("%s/journal", dir);
	r->fd = -1;
	rc = file_read(r->path, &text, &len, err);
	if (!rc) {
		rc = record_parse(&r->lines, &good, text, len, err);
		if (rc)
			(void)err_wrap(err, "%s", r->path);
	}
	free(text);
	if (!rc)
		rc = open_end(r, good, err);
	if (rc) {
		record_close(r);
		return rc;
	}
	*out = r;
	return 0;
}

int record_create(struct record **out, const char *dir,
		  const struct mem_list *lines, struct err *err)
{
	cleanup_free char *path = mem_printf("%s/journal", dir);
	char *text = mem_dup("");
	int rc;

	for (size_t i = 0; i < lines->count; i++) {
		cleanup_free char *line = sealed(lines->item[i]);
		char *more = mem_printf("%s%s", text, line);

		free(text);
		text = more;
	}
	rc = file_replace(path, text, strlen(text), NULL, err);
	free(text);
	return rc ? rc : record_open(out, dir, err);
}

const struct mem_list *record_lines(const struct record *r)
{
	return &r->lines;
}

static int append(struct record *r, const char *text, struct err *err)
{
	size_t len = strlen(text);
	ssize_t n = write(r->fd, text, len);

	if (n == (ssize_t)len && fdatasync(r->fd) == 0) {
		r->size += n;
		return 0;
	}
	if (n >= 0 && n < (ssize_t)len)
		errno = ENOSPC;
	(void)err_sys(err, "%s", r->path);
	/* A part of a line must not stand before the next. */
	if (ftruncate(r->fd, r->size) < 0)
		(void)err_wrap(err, "cannot be cut back");
	return err->code;
}

int record_add(struct record *r, struct err *err, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	char *line;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (rc < 0)
		return err_set(err, -ENOMEM, "out of memory");
	text = sealed(line);
	rc = append(r, text, err);
	if (!rc)
		mem_list_add(&r->lines, "%s", line);
	free(line);
	return rc;
}

/* Such letters stand for themselves in a line. */
static bool is_plain(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("/._:,=+@-", c));
}

char *record_word(const char *key, const char *value)
{
	char *word;
	size_t size;
	FILE *to = open_memstream(&word, &size);

	if (!to)
		abort();
	(void)fprintf(to, " %s=", key);
	for (; *value; value++) {
		if (is_plain(*value))
			(void)fputc(*value, to);
		else
			(void)fprintf(to, "%%%02x",
				      (unsigned)(unsigned char)*value);
	}
	if (fclose(to) != 0)
		abort();
	return word;
}

static char *unquoted(const char *s)
{
	char *out = mem_zalloc(strcspn(s, " ") + 1);
	char *to = out;

	while (*s && *s != ' ') {
		uint8_t byte;
		char two[3] = { 0 };

		memcpy(two, s + 1, *s == '%' ? strnlen(s + 1, 2) : 0);
		if (*s == '%' && !parse_hex(&byte, 1, two)) {
			*to++ = (char)byte;
			s += 3;
		} else {
			*to++ = *s++;
		}
	}
	return out;
}

char *record_value(const char *line, const char *key)
{
	size_t len = strlen(key);

	while ((line = strchr(line, ' '))) {
		line++;
		if (!strncmp(line, key, len) && line[len] == '=')
			return unquoted(line + len + 1);
	}
	return NULL;
}
