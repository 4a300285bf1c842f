/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * user.h - the disk's user: one request in a child.
 */
#ifndef TESTS_KMOD_USER_H
#define TESTS_KMOD_USER_H

#include <stdbool.h>
#include <sys/types.h>

#include "tests/kmod/tap.h"

struct user {
	pid_t pid;
};

/* Run fn(arg) in a child, which exits with what it returns. */
void user_start(struct user *u, int (*fn)(const char *arg), const char *arg);

/*
 * What the child ended with; 255: by a signal; -1: not within so many ms.
 */
int user_end(struct user *u, int timeout_ms);

/*
 * Until the disk of the node can be opened, at most 60 s: its sysfs files are
 * there before that.
 */
void user_wait_disk(const char *node);

/* For user_start(), with the disk's node: 0 or the errno. */
int user_read(const char *node);     /* 4 KiB at sector 8, expects 0xa5 */
int user_read_big(const char *node); /* 64 KiB at 0, expects 0xa5 */
int user_write(const char *node);    /* 1 KiB of 0x5a at sector 3 */
int user_fsync(const char *node);
int user_discard(const char *node); /* 1 MiB at 1 MiB */

bool user_file_has(const char *path, const char *word);

/* Remove, close, free; the way of a tapdisk that ends well. */
void user_teardown(struct tap *tap, int control);

#endif /* TESTS_KMOD_USER_H */
