/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf-sxp.h - managed domains of xend: config.sxp, read and exported.
 *
 * xend keeps a domain it manages as an expression in parentheses.  Such a
 * file is xend's and is never edited; what it says is exported as a
 * configuration of xl, as far as both have words for it.
 */
#ifndef MIGRATE_CONF_SXP_H
#define MIGRATE_CONF_SXP_H

#include <stddef.h>

struct conf_vm;

/* Fill in vm, whose kind and path are set.  A disk's text is as xm wrote it. */
void conf_sxp_read(struct conf_vm *vm, const char *text, size_t len);

#endif /* MIGRATE_CONF_SXP_H */
