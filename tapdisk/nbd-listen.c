/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-listen.c - the sockets at which NBD clients reach a disk.
 *
 * A client that comes to a listening socket becomes a channel.  One that
 * comes to the other two is a courier: it is kept until its message with a
 * descriptor is here, or COURIER_NS, and there are at most COURIERS of them.
 */
#include "tapdisk/nbd-listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/log.h"
#include "tapdisk/channel.h"
#include "tapdisk/transport-nbd.h"
#include "tapdisk/transport.h"
#include "tapdisk/vbd.h"

#define BACKLOG     64
#define COURIERS    8
#define COURIER_NS  (10ull * 1000000000)
#define RETRY_NS    (1ull * 1000000000)
#define DESCRIPTORS 4 /* taken from a message; all but the first are closed */

/* One of a disk's sockets. */
struct door {
	struct watch watch;
	struct timer retry; /* accept() had no descriptor to give */
	struct nbd_listen *l;
	struct sockaddr_un addr;
	const struct kind *kind;
};

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

struct courier {
	struct list link;
	struct watch watch;
	struct timer patience;
	struct nbd_listen *l;
	bool oldstyle;
};

struct nbd_listen {
	struct vbd *vbd;
	struct loop *loop;
	const struct transport *tr;
	struct log_limit limit;
	struct list couriers;
	unsigned courier_count;
	unsigned serial;
	struct door doors[ARRAY_SIZE(kinds)];
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

/* --- couriers ------------------------------------------------------------ */

static void courier_free(struct courier *c)
{
	list_del(&c->link);
	c->l->courier_count--;
	loop_untimer(&c->patience);
	loop_unwatch(c->l->loop, &c->watch);
	(void)close(c->watch.fd); /* a socket */
	free(c);
}

static void courier_late(struct timer *t)
{
	courier_free(container_of(t, struct courier, patience));
}

/* The descriptors in a message: the first, the others closed; -1: none. */
static int only_descriptor(struct msghdr *msg)
{
	struct cmsghdr *c;
	size_t i, count;
	int fd, first = -1;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
		for (i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (first < 0)
				first = fd;
			else
				(void)close(fd); /* nobody asked for it */
		}
	}
	return first;
}

static void courier_ready(struct watch *w, uint32_t events)
{
	struct courier *c = container_of(w, struct courier, watch);
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
	} control;
	char text[256];
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct nbd_listen *l = c->l;
	bool oldstyle = c->oldstyle;
	ssize_t n;
	int fd;

	(void)events; /* each of them means: look */
	n = recvmsg(w->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EWOULDBLOCK || errno == EINTR))
		return;
	fd = n < 0 ? -1 : only_descriptor(&msg);
	courier_free(c);
	if (fd >= 0)
		admit(l, fd, oldstyle);
}

static void courier_new(struct nbd_listen *l, int fd, bool oldstyle)
{
	struct courier *c = NULL;

	if (l->courier_count < COURIERS)
		c = calloc(1, sizeof(*c));
	if (!c) {
		(void)close(fd); /* nothing was sent */
		return;
	}
	c->l = l;
	c->oldstyle = oldstyle;
	c->watch.fd = fd;
	c->watch.ready = courier_ready;
	c->patience.fire = courier_late;
	list_init(&c->patience.link);
	list_add_tail(&l->couriers, &c->link);
	l->courier_count++;
	loop_timer(l->loop, &c->patience, COURIER_NS);
	if (loop_watch(l->loop, &c->watch, EPOLLIN))
		courier_free(c);
}

/* --- doors --------------------------------------------------------------- */

static void door_retry(struct timer *t)
{
	struct door *d = container_of(t, struct door, retry);

	if (loop_watch(d->l->loop, &d->watch, EPOLLIN))
		loop_timer(d->l->loop, &d->retry, RETRY_NS);
}

static void door_ready(struct watch *w, uint32_t events)
{
	struct door *d = container_of(w, struct door, watch);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events; /* it is EPOLLIN */
	if (fd >= 0) {
		if (d->kind->couriers)
			courier_new(d->l, fd, d->kind->oldstyle);
		else
			admit(d->l, fd, d->kind->oldstyle);
		return;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOMEM &&
	    errno != ENOBUFS)
		return;
	/* It would be reported again and again. */
	log_limited(&d->l->limit, "vbd %u: %s: %m", vbd_minor(d->l->vbd),
		    d->addr.sun_path);
	loop_unwatch(d->l->loop, w);
	loop_timer(d->l->loop, &d->retry, RETRY_NS);
}

/* What has our name and pid and is a socket, a dead process left there. */
static void remove_stale(const char *path)
{
	struct stat st;

	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		(void)unlink(path); /* else bind() says so */
}

static int door_open(struct door *d, const char *dir, pid_t pid,
		     struct err *err)
{
	char *path = d->addr.sun_path;
	int fd, n;

	n = snprintf(path, sizeof(d->addr.sun_path), "%s/%s%d.%u", dir,
		     d->kind->name, (int)pid, vbd_minor(d->l->vbd));
	if (n < 0 || (size_t)n >= sizeof(d->addr.sun_path)) {
		*path = '\0';
		return err_set(err, -ENAMETOOLONG,
			       "%s: too long for the name of a socket", dir);
	}
	d->addr.sun_family = AF_UNIX;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	d->watch.fd = fd;
	if (fd < 0)
		return err_sys(err, "%s", path);
	remove_stale(path);
	/* The mode of the descriptor becomes that of the name. */
	if (fchmod(fd, 0600) ||
	    bind(fd, (struct sockaddr *)&d->addr, sizeof(d->addr))) {
		n = err_sys(err, "%s", path);
		*path = '\0'; /* it is not ours */
		return n;
	}
	if (listen(fd, BACKLOG))
		return err_sys(err, "%s", path);
	n = loop_watch(d->l->loop, &d->watch, EPOLLIN);
	return n ? err_set(err, n, "%s: it cannot be watched", path) : 0;
}

static void door_close(struct door *d)
{
	loop_untimer(&d->retry);
	if (d->watch.fd < 0)
		return;
	loop_unwatch(d->l->loop, &d->watch);
	(void)close(d->watch.fd); /* a socket */
	if (*d->addr.sun_path)
		(void)unlink(d->addr.sun_path); /* nothing else to do */
}

int nbd_listen_new(struct nbd_listen **out, struct vbd *vbd, const char *dir,
		   pid_t pid, struct err *err)
{
	struct nbd_listen *l = calloc(1, sizeof(*l));
	struct door *d;
	int code;

	if (!l)
		return err_set(err, -ENOMEM, "nbd: no memory");
	l->vbd = vbd;
	l->loop = vbd_env(vbd)->loop;
	l->tr = transports_find("nbd");
	list_init(&l->couriers);
	for (d = l->doors; d < l->doors + ARRAY_SIZE(l->doors); d++) {
		d->l = l;
		d->kind = &kinds[d - l->doors];
		d->watch.fd = -1;
		d->watch.ready = door_ready;
		d->retry.fire = door_retry;
		list_init(&d->retry.link);
	}
	code = l->tr ? 0 : err_set(err, -ENOSYS, "nbd: it was left out");
	for (d = l->doors; !code && d < l->doors + ARRAY_SIZE(l->doors); d++)
		code = door_open(d, dir, pid, err);
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
	while (!list_empty(&l->couriers))
		courier_free(
			container_of(l->couriers.next, struct courier, link));
	for (i = 0; i < ARRAY_SIZE(l->doors); i++)
		door_close(&l->doors[i]);
	free(l);
}

const char *nbd_listen_path(const struct nbd_listen *l)
{
	return l->doors[0].addr.sun_path;
}
