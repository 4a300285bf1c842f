/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf-text.h - configuration files of xm and xl: names and their literals.
 *
 * xl's files and the plain ones of xm have one shape: NAME = value, where a
 * value is a number, a string in either quotes, or a list of values over any
 * number of lines.  xm's are python, so that anything may stand there: what
 * is more than a literal is a problem of the whole file, with its line, since
 * nobody can tell what it makes of the disks.
 */
#ifndef MIGRATE_CONF_TEXT_H
#define MIGRATE_CONF_TEXT_H

#include <stddef.h>

struct conf_vm;

/* Fill in vm, whose kind and path are set. */
void conf_text_read(struct conf_vm *vm, const char *text, size_t len);

#endif /* MIGRATE_CONF_TEXT_H */
