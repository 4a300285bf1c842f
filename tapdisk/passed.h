/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * passed.h - descriptors that were handed to this process, by name.
 *
 * A client connects to nbdclient<pid> in the control directory and sends one
 * message that carries a descriptor (SCM_RIGHTS) and whose text is a name;
 * "nbd:NAME" is then what the NBD server at the other end has.  Storage
 * migration makes the mirror of a disk so.  There are PASSED_MAX of them; one
 * more takes the place of the oldest, and one of the same name of that.
 */
#ifndef TAPDISK_PASSED_H
#define TAPDISK_PASSED_H

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct loop;
struct passed;

#define PASSED_MAX  10
#define PASSED_NAME 40 /* with the NUL; what is longer is cut */

int passed_new(struct passed **out, struct loop *loop, const char *dir,
	       pid_t pid, struct err *err);

/* Those that nobody took are closed; NULL is fine. */
void passed_free(struct passed *passed);

/* From any thread; p may be NULL: it is the caller's now, or -ENOENT. */
int passed_take(struct passed *p, const char *name);

/* Likewise: whether there is one. */
bool passed_has(struct passed *p, const char *name);

#endif /* TAPDISK_PASSED_H */
