/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xl.h - the toolstack's program, run to its end.
 */
#ifndef MIGRATE_XL_H
#define MIGRATE_XL_H

#include <stdbool.h>

struct err;

/*
 * Run words, which end with NULL; 0, or -EIO with the last line it said, or
 * -ENOENT if there is no such program.
 */
int xl_run(const char *const *words, struct err *err);

/*
 * The running xl takes a file as a guest's configuration: xl create -n. A
 * program named in BLKTAP_MIGRATE_XL is asked instead of xl.
 */
int xl_accepts(const char *path, struct err *err);

/* There is one to ask. */
bool xl_is_there(void);

#endif /* MIGRATE_XL_H */
