/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem.h - memory that is there, or the program ends.
 *
 * A migration may be cut off at any instant and is resumed from its journal,
 * so lack of memory is no case of its own: a sentence and exit status 4.
 * Everything is from malloc() and is free()d.
 */
#ifndef MIGRATE_MEM_H
#define MIGRATE_MEM_H

#include <stddef.h>

struct json;

void *mem_zalloc(size_t size);
char *mem_dup(const char *s); /* NULL for NULL */
char *mem_ndup(const char *s, size_t len);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * One more element, zeroed, at the end of an array of *count elements; the
 * array moves: mem_add(&vm->disks, &vm->count, sizeof(*vm->disks)).
 */
void *mem_add(void *array, size_t *count, size_t size);

/* A list of strings; zeroed memory is an empty one. */
struct mem_list {
	char **item;
	size_t count;
};

/* list takes over what mem_printf() made of the rest. */
void mem_list_add(struct mem_list *list, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void mem_list_free(struct mem_list *list);
void mem_list_json(const struct mem_list *list, struct json *json,
		   const char *key);

#endif /* MIGRATE_MEM_H */
