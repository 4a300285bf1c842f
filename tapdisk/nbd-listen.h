/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-listen.h - the sockets at which NBD clients reach a disk.
 *
 * A disk has four, all in the control directory, with mode 0600:
 *
 *	nbd<pid>.<minor>            listens; newstyle greeting
 *	nbd-old<pid>.<minor>        listens; oldstyle greeting
 *	nbdserver<pid>.<minor>      each message to it brings a descriptor
 *	                            (SCM_RIGHTS) that becomes a client and gets
 *	                            the oldstyle greeting
 *	nbdserver-new<pid>.<minor>  the same, newstyle greeting
 *
 * A client is a channel of the disk (transport "nbd"). At most
 * NBD_LISTEN_CLIENTS are served at a time; one more is accepted and closed.
 */
#ifndef TAPDISK_NBD_LISTEN_H
#define TAPDISK_NBD_LISTEN_H

#include <sys/types.h>

struct err;
struct nbd_listen;
struct vbd;

#define NBD_LISTEN_CLIENTS 16 /* per disk, of all its sockets together */

/*
 * Make the four sockets and listen. The vbd has been opened (it may have
 * been paused since). What a dead process of the same pid left there is
 * replaced; on failure no socket is left.
 */
int nbd_listen_new(struct nbd_listen **out, struct vbd *vbd, const char *dir,
		   pid_t pid, struct err *err);

/*
 * Stop listening and remove the sockets; NULL is fine. Clients stay: they
 * are channels, and vbd_close() closes them. Before vbd_close().
 */
void nbd_listen_free(struct nbd_listen *l);

#endif /* TAPDISK_NBD_LISTEN_H */
