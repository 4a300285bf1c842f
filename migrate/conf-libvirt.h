/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf-libvirt.h - libvirt's XML of a domain of its libxl driver.
 *
 * Read by libxml2, and edited as text: libxml2 tells where a driver element
 * stands, and of it one attribute is changed, so that all else stays byte for
 * byte.  A disk's text is its driver element's start tag, or the disk's when
 * it has none.
 */
#ifndef MIGRATE_CONF_LIBVIRT_H
#define MIGRATE_CONF_LIBVIRT_H

#include <stddef.h>

struct conf_disk;
struct conf_goal;
struct conf_vm;
struct err;

/* Fill in vm, whose kind and path are set. */
void conf_libvirt_read(struct conf_vm *vm, const char *text, size_t len);

/* conf_convert() for such a disk. */
int conf_libvirt_convert(char **out, const struct conf_vm *vm,
			 const struct conf_disk *disk,
			 const struct conf_goal *goal, struct err *err);

#endif /* MIGRATE_CONF_LIBVIRT_H */
