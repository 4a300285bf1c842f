/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain.h - opens a disk's images, top to bottom, from "type:path".
 *
 * "vhd:/a.vhd" is the format vhd over raw:/a.vhd, behind it the parent that
 * the format names, and so on.  A spec may name the layer below explicitly:
 * "fault:n=3:raw:/x" is the filter fault, with the parameter "n=3", over
 * raw:/x.  Legacy names (aio:) are looked up after ours.
 *
 * Nothing here blocks the loop: drv->open() and close() run on a worker.
 */
#ifndef TAPDISK_CHAIN_H
#define TAPDISK_CHAIN_H

#include <stdbool.h>

#include "lib/err.h"
#include "tapdisk/driver.h"

struct passed;
struct work;

struct chain_args {
	struct loop *loop;
	struct io *io;
	struct work *work;
	struct passed *passed; /* or NULL */
	const struct keys *keys;
	const char *spec;

	/*
	 * Of the image that spec names, which must be a format that has a
	 * parent: another parent than it says, or NULL; and a second image
	 * that is as large and has a parent too, or NULL. That is opened
	 * behind it, before its parent (which what the second says of its own
	 * is forgotten for), or, for standby, in front of it.
	 */
	const char *parent;
	const char *second;
	bool standby;

	bool readonly;
	bool cached;
	unsigned depth;
};

/*
 * Opens asynchronously; done(arg, top, err) from the loop. On failure top is
 * NULL and nothing is left open. Parents are read-only, whatever args say; a
 * chain that leads back to itself, or is more than 256 deep, is refused with
 * -ELOOP. spec is copied. Returns -ENOMEM, and then done is not called, or 0.
 */
int chain_open(const struct chain_args *args,
	       void (*done)(void *arg, struct image *top,
			    const struct err *err),
	       void *arg);

/* The second image of a chain by its top, or NULL. */
struct image *chain_second(const struct image *top);

/* No request may be in flight. */
void chain_close(struct image *top, struct work *work, void (*done)(void *arg),
		 void *arg);

/* The driver called so, now or in older times ("aio"); NULL: none is. */
const struct driver *chain_driver(const char *name, size_t len);

/* The number by which old tools know the driver, -1 if they do not. */
int chain_type_number(const struct driver *drv);

#endif /* TAPDISK_CHAIN_H */
