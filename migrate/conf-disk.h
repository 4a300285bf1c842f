/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf-disk.h - one disk entry of xm's or xl's, taken apart.
 *
 * Two grammars lie on top of each other, and one parser reads both:
 *
 *	tap:aio:/x.img,xvda,w                     xend, and xl's old prefixes
 *	/x.img,raw,xvda,rw                        xl
 *	backendtype=tap,format=vhd,vdev=xvda,access=rw,target=/x.vhd
 *
 * A target with one of the old prefixes is followed by vdev and access, any
 * other by format, vdev and access; key=value may stand anywhere, and
 * target= eats the rest of the line.  What neither grammar knows is a
 * problem, and never a guess.
 */
#ifndef MIGRATE_CONF_DISK_H
#define MIGRATE_CONF_DISK_H

#include <stdbool.h>

struct conf_disk;

/* Fill in from disk->text what it says; what is wrong goes to problem. */
void conf_disk_parse(struct conf_disk *disk);

/* Let go of what the strings of it take. */
void conf_disk_free(struct conf_disk *disk);

/* One of the words before the target is this: "tap" of "tap:aio:". */
bool conf_disk_said(const struct conf_disk *disk, const char *word);

/* tap:, tap2: or tapdisk: was written. */
bool conf_disk_tap(const struct conf_disk *disk);

#endif /* MIGRATE_CONF_DISK_H */
