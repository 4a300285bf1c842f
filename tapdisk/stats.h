/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats.h - the statistics of a disk, as JSON.
 *
 * The keys, their order and the spacing are those that the storage manager
 * and xapi's clients parse; what is ours comes after them.
 */
#ifndef TAPDISK_STATS_H
#define TAPDISK_STATS_H

#include "lib/json.h"

struct vbd;

/* One object, a member of nothing or of an array. */
void stats_add(struct json *json, struct vbd *vbd);

#endif /* TAPDISK_STATS_H */
