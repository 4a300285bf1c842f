/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ranges.h - the same bytes by two ways: from a tapdisk over its NBD socket,
 * and from the file it says it serves.
 */
#ifndef MIGRATE_RANGES_H
#define MIGRATE_RANGES_H

struct err;

/*
 * Compare so many ranges, at places that chance names: 0, -EILSEQ for a
 * difference that stays, with its place, or another errno. A guest may write
 * meanwhile: what differs is read again before it is believed.
 */
int ranges_compare(const char *socket, const char *file, unsigned count,
		   struct err *err);

#endif /* MIGRATE_RANGES_H */
