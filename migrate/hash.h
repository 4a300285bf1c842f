/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hash.h - SHA-256 of bytes in memory, as hexadecimal digits. */
#ifndef MIGRATE_HASH_H
#define MIGRATE_HASH_H

#include <stddef.h>

#define HASH_ROOM 65 /* with the NUL */

void hash_hex(char out[HASH_ROOM], const void *data, size_t len);

#endif /* MIGRATE_HASH_H */
