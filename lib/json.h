/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json.h - writes JSON; reads none.
 *
 * The spacing is that of the old tools, whose parsers are naive:
 * { "name": "x", "secs": [ 1, 2 ], "none": [  ] }.  Strings are escaped
 * where they must be.  Out of memory is remembered and told by json_take().
 */
#ifndef LIB_JSON_H
#define LIB_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json;

/* Not seen by libjansson, whose functions have some of these names. */
#pragma GCC visibility push(hidden)

struct json *json_new(void);
void json_free(struct json *json);

/* key is NULL inside an array and for the outermost value. */
void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
void json_end(struct json *json); /* of the innermost object or array */
void json_string(struct json *json, const char *key, const char *value);
void json_uint(struct json *json, const char *key, uint64_t value);
void json_int(struct json *json, const char *key, int64_t value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

/* The text so far, NUL-terminated, the caller's to free; NULL: no memory. */
char *json_take(struct json *json, size_t *len);

#pragma GCC visibility pop

#endif /* LIB_JSON_H */
