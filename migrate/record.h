/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record.h - the journal of a migration: lines that stay where they are.
 *
 * A file "journal" in the migration's folder.  A record is one line, with a
 * sum before it, and is on the disk when record_add() returns:
 *
 *	59d1b0...  head id=20261122-101500-812 plan=3f... tool=0.1
 *	c02a17...  step 0 kind=edit path=/etc/xen/a.cfg ...
 *	                                all steps, before the first is begun
 *	77e04b...  intent 0             it may have been done by half
 *	1c9f3e...  done 0
 *	b8da00...  undo 0               the way back is begun
 *	e2c6a1...  undone 0
 *	0aa35d...  end                  or "back": nothing is left to do
 *
 * The head and the steps come into being at once, by a rename.  Of the rest,
 * the last line may be torn: what had not been written whole was not begun,
 * so it is dropped.  Any other wrong line is damage, and an error.
 */
#ifndef MIGRATE_RECORD_H
#define MIGRATE_RECORD_H

#include <stddef.h>

#include "migrate/mem.h"

struct err;
struct record;

/* A journal in dir, which is there, beginning with these lines. */
int record_create(struct record **out, const char *dir,
		  const struct mem_list *lines, struct err *err);

/* The one in dir; -ENOENT if there is none. */
int record_open(struct record **out, const char *dir, struct err *err);
void record_close(struct record *r);

/* What is in it, without the sums. */
const struct mem_list *record_lines(const struct record *r);

/* One more line; when this is 0, it outlives a power cut. */
int record_add(struct record *r, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The lines in text, and how many bytes of it are good; a torn last line is
 * none. Pure; out is the caller's to free whatever is returned.
 */
int record_parse(struct mem_list *out, size_t *good, const char *text,
		 size_t len, struct err *err);

/* " key=value", in letters that no line and no blank can be mistaken in. */
char *record_word(const char *key, const char *value);

/* The value of a line's word, malloc'd; NULL: it has none. */
char *record_value(const char *line, const char *key);

#endif /* MIGRATE_RECORD_H */
