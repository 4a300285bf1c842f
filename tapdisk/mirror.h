/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror.h - the second image that a disk's writes go to as well.
 *
 * What changes the disk is sent to the mirror too, before it goes to the
 * images; reads never are.  The first request that the mirror does not
 * answer with success ends it: it is told no more, the guest sees none of
 * it, and mirror_failed() says so, since from then on it is no copy.
 *
 * It is an NBD server, mostly another host's, and so stays connected while
 * the disk is paused: nobody else reads or changes it as a file.  Or it is the
 * second image of the disk's own chain (vbd-second.c).
 */
#ifndef TAPDISK_MIRROR_H
#define TAPDISK_MIRROR_H

#include <stdbool.h>

struct err;
struct image;
struct image_info;
struct mirror;
struct req;
struct vbd_env;

/* spec is copied; minor is for the log. */
int mirror_new(struct mirror **out, const struct vbd_env *env, unsigned minor,
	       const char *spec);

/*
 * Connect, to what must be as large as like says. done(arg, err) from the
 * loop; a mirror that could not be opened has failed. Once.
 */
void mirror_open(struct mirror *m, const struct image_info *like,
		 void (*done)(void *arg, const struct err *err), void *arg);

/*
 * Instead of opening one: what it writes to is an image of somebody else's,
 * who takes it away again (NULL) before it is closed. Whether the mirror has
 * failed stays.
 */
void mirror_attach(struct mirror *m, struct image *img);

/* Disconnect and free it; nothing is in flight. done(arg), perhaps at once. */
void mirror_close(struct mirror *m, void (*done)(void *arg), void *arg);

/* Whether a request is for it as well. */
bool mirror_takes(const struct mirror *m, const struct req *req);

/*
 * Send a copy of req, whose memory and buffers stay until done(req), which
 * comes from the loop and says nothing of how it went. At most VBD_DEPTH at a
 * time.
 */
void mirror_submit(struct mirror *m, struct req *req,
		   void (*done)(struct req *req));

bool mirror_failed(const struct mirror *m);
const char *mirror_spec(const struct mirror *m);

#endif /* TAPDISK_MIRROR_H */
