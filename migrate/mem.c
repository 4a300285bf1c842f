/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mem.c - memory that is there, or the program ends. */
#include "migrate/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"

static void *have(void *p)
{
	if (p)
		return p;
	(void)fputs("blktap-migrate: out of memory\n", stderr);
	exit(4);
}

void *mem_zalloc(size_t size)
{
	return have(calloc(1, size ? size : 1));
}

char *mem_dup(const char *s)
{
	return s ? have(strdup(s)) : NULL;
}

char *mem_ndup(const char *s, size_t len)
{
	return have(strndup(s, len));
}

static char *print(const char *fmt, va_list ap)
{
	char *out = NULL;

	return have(vasprintf(&out, fmt, ap) < 0 ? NULL : out);
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *out;

	va_start(ap, fmt);
	out = print(fmt, ap);
	va_end(ap);
	return out;
}

void *mem_add(void *array, size_t *count, size_t size)
{
	void **base = array;
	size_t n = *count;

	/* Room is doubled at each power of two. */
	if ((n & (n - 1)) == 0)
		*base = have(reallocarray(*base, n ? 2 * n : 1, size));
	*count = n + 1;
	return memset((char *)*base + n * size, 0, size);
}

void mem_list_add(struct mem_list *list, const char *fmt, ...)
{
	char **item = mem_add(&list->item, &list->count, sizeof(*list->item));
	va_list ap;

	va_start(ap, fmt);
	*item = print(fmt, ap);
	va_end(ap);
}

void mem_list_free(struct mem_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->item[i]);
	free(list->item);
	*list = (struct mem_list){ 0 };
}

void mem_list_json(const struct mem_list *list, struct json *json,
		   const char *key)
{
	json_array(json, key);
	for (size_t i = 0; i < list->count; i++)
		json_string(json, NULL, list->item[i]);
	json_end(json);
}
