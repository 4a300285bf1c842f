/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file.h - files that are whole at any instant: read, replaced, removed.
 */
#ifndef MIGRATE_FILE_H
#define MIGRATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct err;

/* A regular file's bytes, with a NUL behind them; text is the caller's. */
int file_read(const char *path, char **text, size_t *len, struct err *err);

/*
 * The file is new or as it was, never half: a temporary file beside it, fsync,
 * rename, fsync of the folder. Owner and mode are like's; NULL: root's, 0600.
 */
int file_replace(const char *path, const void *data, size_t len,
		 const struct stat *like, struct err *err);

/* What file_replace() may have left when it was cut off is removed. */
int file_tidy(const char *path, struct err *err);

/* What was done to names in a path's folder is on the disk. */
int file_sync_dir(const char *path, struct err *err);

/* The folder a path is in, malloc'd. */
char *file_dir(const char *path);

bool file_exists(const char *path);

#endif /* MIGRATE_FILE_H */
