/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-listen.c - the sockets at which NBD clients reach a disk.
 *
 * Who comes in at one of them, or is brought there, becomes a channel.
 */
#include "tapdisk/nbd-listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/log.h"
#include "tapdisk/channel.h"
#include "tapdisk/door.h"
#include "tapdisk/transport-nbd.h"
#include "tapdisk/transport.h"
#include "tapdisk/vbd.h"

static const struct kind {
	const char *name;
	bool oldstyle;
	bool couriers;
} kinds[] = {
	{ "nbd", false, false },
	{ "nbd-old", true, false },
	{ "nbdserver", true, true },
	{ "nbdserver-new", false, true },
};

/* One of a disk's sockets. */
struct entrance {
	struct nbd_listen *l;
	const struct kind *kind;
	struct door *door;
};

struct nbd_listen {
	struct vbd *vbd;
	struct loop *loop;
	const struct transport *tr;
	struct log_limit limit;
	unsigned serial;
	struct entrance entrances[ARRAY_SIZE(kinds)];
};

static unsigned clients(const struct nbd_listen *l)
{
	struct list *pos, *next;
	unsigned count = 0;

	list_for_each (vbd_channels(l->vbd), pos, next)
		count += channel_of(pos)->tr == l->tr;
	return count;
}

/* A new client; fd is taken. */
static void admit(struct nbd_listen *l, int fd, bool oldstyle)
{
	struct nbd_client client = { .fd = fd, .oldstyle = oldstyle };
	unsigned minor = vbd_minor(l->vbd);
	struct channel *ch;
	struct err err;
	char name[32];

	if (clients(l) >= NBD_LISTEN_CLIENTS) {
		(void)close(fd); /* nothing was sent */
		log_limited(&l->limit, "vbd %u: nbd: %d clients are enough",
			    minor, NBD_LISTEN_CLIENTS);
		return;
	}
	(void)snprintf(name, sizeof(name), "nbd:%u.%u", minor, l->serial++);
	if (channel_open(&ch, l->vbd, l->tr, name, &client, &err))
		log_limited(&l->limit, "%s: %s", name, err.msg);
}

static void arrived(void *arg, int fd, const char *text)
{
	struct entrance *e = arg;

	(void)text; /* which disk it is for, the socket says */
	admit(e->l, fd, e->kind->oldstyle);
}

static int entrance_open(struct entrance *e, const char *dir, pid_t pid,
			 struct err *err)
{
	const struct door_events events = { arrived, e };
	char path[TAPCTL_PATH];

	if (tapctl_path(path, dir, "%s%d.%u", e->kind->name, (int)pid,
			vbd_minor(e->l->vbd)) < 0)
		return err_set(err, -ENAMETOOLONG,
			       "%s: too long for the name of a socket", dir);
	return door_new(&e->door, e->l->loop, path, e->kind->couriers, &events,
			err);
}

int nbd_listen_new(struct nbd_listen **out, struct vbd *vbd, const char *dir,
		   pid_t pid, struct err *err)
{
	struct nbd_listen *l = calloc(1, sizeof(*l));
	unsigned i;
	int code;

	if (!l)
		return err_set(err, -ENOMEM, "nbd: no memory");
	l->vbd = vbd;
	l->loop = vbd_env(vbd)->loop;
	l->tr = transports_find("nbd");
	code = l->tr ? 0 : err_set(err, -ENOSYS, "nbd: it was left out");
	for (i = 0; !code && i < ARRAY_SIZE(kinds); i++) {
		l->entrances[i].l = l;
		l->entrances[i].kind = &kinds[i];
		code = entrance_open(&l->entrances[i], dir, pid, err);
	}
	if (code) {
		nbd_listen_free(l);
		return code;
	}
	*out = l;
	return 0;
}

void nbd_listen_free(struct nbd_listen *l)
{
	unsigned i;

	if (!l)
		return;
	for (i = 0; i < ARRAY_SIZE(l->entrances); i++)
		door_free(l->entrances[i].door);
	free(l);
}
