/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * door.c - a listening socket that brings descriptors.
 */
#include "tapdisk/door.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/list.h"
#include "lib/log.h"
#include "lib/loop.h"

#define BACKLOG     64
#define COURIERS    8
#define COURIER_NS  (10ull * 1000000000)
#define RETRY_NS    (1ull * 1000000000)
#define DESCRIPTORS 4 /* taken from a message; all but the first are closed */

struct door {
	struct watch watch;
	struct timer retry; /* accept() had no descriptor to give */
	struct loop *loop;
	struct sockaddr_un addr;
	struct door_events events;
	struct log_limit limit;
	bool takes_couriers;
	struct list couriers;
	unsigned courier_count;
};

struct courier {
	struct list link;
	struct watch watch;
	struct timer patience;
	struct door *door;
};

/* --- couriers ------------------------------------------------------------ */

static void courier_free(struct courier *c)
{
	list_del(&c->link);
	c->door->courier_count--;
	loop_untimer(&c->patience);
	loop_unwatch(c->door->loop, &c->watch);
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

static void courier_ready(struct watch *w, uint32_t ready)
{
	struct courier *c = container_of(w, struct courier, watch);
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
	} control;
	char text[256];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct door_events events = c->door->events;
	ssize_t n;
	int fd;

	(void)ready; /* each of them means: look */
	n = recvmsg(w->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EWOULDBLOCK || errno == EINTR))
		return;
	fd = n < 0 ? -1 : only_descriptor(&msg);
	courier_free(c);
	text[n < 0 ? 0 : n] = '\0';
	if (fd >= 0)
		events.arrived(events.arg, fd, text);
}

static void courier_new(struct door *d, int fd)
{
	struct courier *c = NULL;

	if (d->courier_count < COURIERS)
		c = calloc(1, sizeof(*c));
	if (!c) {
		(void)close(fd); /* nothing was sent */
		return;
	}
	c->door = d;
	c->watch.fd = fd;
	c->watch.ready = courier_ready;
	c->patience.fire = courier_late;
	list_init(&c->patience.link);
	list_add_tail(&d->couriers, &c->link);
	d->courier_count++;
	loop_timer(d->loop, &c->patience, COURIER_NS);
	if (loop_watch(d->loop, &c->watch, EPOLLIN))
		courier_free(c);
}

/* --- doors --------------------------------------------------------------- */

static void door_retry(struct timer *t)
{
	struct door *d = container_of(t, struct door, retry);

	if (loop_watch(d->loop, &d->watch, EPOLLIN))
		loop_timer(d->loop, &d->retry, RETRY_NS);
}

static void door_ready(struct watch *w, uint32_t events)
{
	struct door *d = container_of(w, struct door, watch);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events; /* it is EPOLLIN */
	if (fd >= 0) {
		if (d->takes_couriers)
			courier_new(d, fd);
		else
			d->events.arrived(d->events.arg, fd, "");
		return;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOMEM &&
	    errno != ENOBUFS)
		return;
	/* It would be reported again and again. */
	log_limited(&d->limit, "%s: %m", d->addr.sun_path);
	loop_unwatch(d->loop, w);
	loop_timer(d->loop, &d->retry, RETRY_NS);
}

/* What has our name and pid and is a socket, a dead process left there. */
static void remove_stale(const char *path)
{
	struct stat st;

	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		(void)unlink(path); /* else bind() says so */
}

static int door_open(struct door *d, const char *path, struct err *err)
{
	size_t len = strlen(path);
	int fd, n;

	if (len >= sizeof(d->addr.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "%s: too long for the name of a socket", path);
	d->addr.sun_family = AF_UNIX;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	d->watch.fd = fd;
	if (fd < 0)
		return err_sys(err, "%s", path);
	remove_stale(path);
	memcpy(d->addr.sun_path, path, len + 1);
	/* The mode of the descriptor becomes that of the name. */
	if (fchmod(fd, 0600) ||
	    bind(fd, (struct sockaddr *)&d->addr, sizeof(d->addr))) {
		n = err_sys(err, "%s", path);
		*d->addr.sun_path = '\0'; /* it is not ours */
		return n;
	}
	if (listen(fd, BACKLOG))
		return err_sys(err, "%s", path);
	n = loop_watch(d->loop, &d->watch, EPOLLIN);
	return n ? err_set(err, n, "%s: it cannot be watched", path) : 0;
}

int door_new(struct door **out, struct loop *loop, const char *path,
	     bool couriers, const struct door_events *events, struct err *err)
{
	struct door *d = calloc(1, sizeof(*d));
	int code;

	if (!d)
		return err_set(err, -ENOMEM, "%s: no memory", path);
	d->loop = loop;
	d->events = *events;
	d->takes_couriers = couriers;
	d->watch.fd = -1;
	d->watch.ready = door_ready;
	d->retry.fire = door_retry;
	list_init(&d->retry.link);
	list_init(&d->couriers);
	code = door_open(d, path, err);
	if (code) {
		door_free(d);
		return code;
	}
	*out = d;
	return 0;
}

void door_free(struct door *d)
{
	if (!d)
		return;
	while (!list_empty(&d->couriers))
		courier_free(
			container_of(d->couriers.next, struct courier, link));
	loop_untimer(&d->retry);
	if (d->watch.fd >= 0) {
		loop_unwatch(d->loop, &d->watch);
		(void)close(d->watch.fd); /* a socket */
	}
	if (*d->addr.sun_path)
		(void)unlink(d->addr.sun_path); /* nothing else to do */
	free(d);
}
