/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server.c - the control socket.
 *
 * A connection is in one of three phases: it is asking (read until the
 * request is whole), held (not looked at; the answer is being made), or
 * being answered. A client that hangs up while it is held is noticed when it
 * is answered, and the answer is dropped.
 *
 * Clients of older lineages send less. What stops where one of their messages
 * could end, and could be one of theirs, is taken for it after a while, and
 * answered in its words.
 */
#include "tapdisk/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/loop.h"

#define KEY_SENT_MAX 128 /* what clients may say; we take 32 and 64 */
#define IN_MAX       (WIRE_SIZE + WIRE_LOG_TRAILER + 1 + KEY_SENT_MAX)
#define TIMEOUT_NS   (SERVER_TIMEOUT_MS * 1000000ull)
#define OUT_MAX      (2 * WIRE_STATS_MAX)

/*
 * Nobody sends a message in pieces so far apart. What would close a disk, and
 * begins as a harmless message of ours does, has to be surer.
 */
#define QUIET_NS      100000000u
#define QUIET_LONG_NS 5000000000u

struct server {
	struct loop *loop;
	struct watch watch; /* of the listening socket; fd -1: shut */
	bool watched;
	char path[TAPCTL_PATH];
	struct list conns;
	unsigned count;
	void (*request)(void *arg, struct server_conn *conn);
	void *arg;
	void (*stopped)(void *arg);
	void *stopped_arg;
	struct log_limit limit;
};

enum phase {
	ASKING,
	HELD,
	ANSWERED,
};

struct server_conn {
	struct list link;
	struct server *server;
	struct watch watch;
	struct timer timer;
	enum phase phase;
	uint64_t end_ns; /* of the patience with it */
	bool quiet;      /* a message may be whole if no more comes */
	enum wire_lineage lineage;
	uint8_t in[IN_MAX];
	size_t have;
	size_t want;
	struct server_request req;
	uint8_t *out;
	size_t out_len;
	size_t out_sent;
	bool no_memory;
};

static void watch_listener(struct server *s)
{
	bool want = s->watch.fd >= 0 && s->count < SERVER_CONNS && s->request;

	if (want == s->watched)
		return;
	if (!want && s->watch.fd >= 0)
		loop_unwatch(s->loop, &s->watch);
	if (want && loop_watch(s->loop, &s->watch, EPOLLIN) < 0)
		log_error("control: the socket is not listened to: %m");
	s->watched = want;
}

static void conn_free(struct server_conn *c)
{
	struct server *s = c->server;

	loop_untimer(&c->timer);
	loop_unwatch(s->loop, &c->watch);
	(void)close(c->watch.fd); /* all was written that will be */
	if (c->req.fd >= 0)
		(void)close(c->req.fd); /* nobody took it */
	list_del(&c->link);
	s->count--;
	free(c->out);
	explicit_bzero(c, sizeof(*c));
	free(c);
	watch_listener(s);
	if (!s->count && s->stopped)
		s->stopped(s->stopped_arg);
}

static void add_out(struct server_conn *c, const void *bytes, size_t len)
{
	uint8_t *p = NULL;

	if (len <= OUT_MAX - c->out_len)
		p = realloc(c->out, c->out_len + len);
	if (!p) {
		c->no_memory = true;
		return;
	}
	memcpy(p + c->out_len, bytes, len);
	c->out = p;
	c->out_len += len;
}

void server_send(struct server_conn *conn, const struct wire_msg *msg)
{
	struct err err = { 0 };
	uint8_t buf[WIRE_SIZE];

	if (wire_encode_as(conn->lineage, buf, msg, &err) < 0)
		log_error("control: no reply: %s", err.msg);
	else
		add_out(conn, buf, wire_size(conn->lineage));
}

void server_send_text(struct server_conn *conn, const char *text, size_t len)
{
	add_out(conn, text, len);
}

/* Whether the connection is still there. */
static bool write_out(struct server_conn *c)
{
	ssize_t n;

	while (c->out_sent < c->out_len) {
		n = send(c->watch.fd, c->out + c->out_sent,
			 c->out_len - c->out_sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			break; /* it has hung up */
		c->out_sent += (size_t)n;
	}
	conn_free(c);
	return false;
}

void server_end(struct server_conn *conn)
{
	if (conn->no_memory) {
		log_error("control: no memory for a reply");
		conn_free(conn);
		return;
	}
	conn->phase = ANSWERED;
	if (!write_out(conn))
		return;
	loop_timer(conn->server->loop, &conn->timer, TIMEOUT_NS);
	if (loop_watch(conn->server->loop, &conn->watch, EPOLLOUT) < 0)
		conn_free(conn);
}

/* Before it is known what was asked; there the cookie has always been 0. */
static void refuse(struct server_conn *c, const struct err *err)
{
	struct wire_msg msg = { .type = WIRE_ERROR };

	log_limited(&c->server->limit, "control: message refused: %s",
		    err->msg);
	msg.u.response.error = -err->code;
	(void)snprintf(msg.u.response.message, WIRE_PATH, "%s",
		       err->msg); /* as long as it may be */
	server_send(c, &msg);
	server_end(c);
}

static bool has_log(const struct wire_msg *msg)
{
	return (msg->type == WIRE_OPEN || msg->type == WIRE_RESUME) &&
	       msg->u.params.flags & WIRE_ADD_LOG;
}

static bool has_key(const struct wire_msg *msg)
{
	return msg->type == WIRE_OPEN &&
	       msg->u.params.flags & WIRE_OPEN_ENCRYPTED;
}

static int take_log(struct server_conn *c, struct err *err)
{
	const uint8_t *log = c->in + WIRE_SIZE;

	if (!has_log(&c->req.msg))
		return 0;
	if (!memchr(log, 0, WIRE_LOG_TRAILER))
		return err_set(err, -EIO, "the log's path does not end");
	memcpy(c->req.log, log, WIRE_LOG_TRAILER);
	return 0;
}

static int take_key(struct server_conn *c, size_t at, struct err *err)
{
	size_t len;

	if (!has_key(&c->req.msg))
		return 0;
	len = c->in[at];
	if (len != 32 && len != SERVER_KEY_MAX)
		return err_set(err, -EINVAL,
			       "a key of %zu bytes; 32 and 64 are possible",
			       len);
	memcpy(c->req.key, c->in + at + 1, len);
	c->req.key_len = len;
	return 0;
}

/*
 * What is still to come, as far as what is there tells; 0 when all of it is
 * there, -errno if it makes no sense.
 */
static int grow(struct server_conn *c, struct err *err)
{
	size_t key_at = WIRE_SIZE;
	int rc;

	if (c->want == WIRE_SIZE) {
		rc = wire_decode(&c->req.msg, c->in, err);
		if (rc < 0)
			return rc;
		/* Its bytes come only after this. Failing is no harm done. */
		if (has_key(&c->req.msg))
			(void)mlock(c, sizeof(*c));
	}
	key_at += has_log(&c->req.msg) ? WIRE_LOG_TRAILER : 0;
	if (c->want < key_at)
		c->want = key_at;
	if (has_key(&c->req.msg) && c->want == key_at)
		c->want = key_at + 1;
	else if (has_key(&c->req.msg) && c->want == key_at + 1 &&
		 c->in[key_at] <= KEY_SENT_MAX)
		c->want += c->in[key_at];
	if (c->have < c->want)
		return 0;
	rc = take_log(c, err);
	return rc < 0 ? rc : take_key(c, key_at, err);
}

/* As recv(); a descriptor that comes along is kept, the first one only. */
static ssize_t receive(struct server_conn *c)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = { c->in + c->have, c->want - c->have };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(c->watch.fd, &mh, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cm;
	int fds[4];
	size_t count;

	if (n < 0)
		return n;
	for (cm = CMSG_FIRSTHDR(&mh); cm; cm = CMSG_NXTHDR(&mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cm), count * sizeof(int));
		for (size_t i = 0; i < count; i++) {
			if (c->req.fd < 0)
				c->req.fd = fds[i];
			else
				(void)close(fds[i]); /* not wanted */
		}
	}
	c->have += (size_t)n;
	return n;
}

static void asked(struct server_conn *c)
{
	struct server *s = c->server;

	c->phase = HELD;
	loop_untimer(&c->timer);
	/* A hang-up would be reported again and again. */
	loop_unwatch(s->loop, &c->watch);
	explicit_bzero(c->in, sizeof(c->in));
	s->request(s->arg, c);
}

/* Nothing more has come yet: how long to wait for it. */
static void wait_for_more(struct server_conn *c)
{
	struct loop *loop = c->server->loop;
	uint64_t now = loop_now_ns(loop);
	uint64_t left = c->end_ns > now ? c->end_ns - now : 0;
	uint64_t quiet = QUIET_NS;

	c->quiet = c->want == WIRE_SIZE &&
		   wire_is_whole(c->in, c->have, &c->lineage);
	if (c->quiet && c->lineage == WIRE_XEN42 && c->in[0] == WIRE_STATS)
		quiet = QUIET_LONG_NS;
	loop_timer(loop, &c->timer, c->quiet && quiet < left ? quiet : left);
}

static void ready(struct watch *w, uint32_t events)
{
	struct server_conn *c = container_of(w, struct server_conn, watch);
	struct err err = { 0 };
	size_t want;
	ssize_t n;

	(void)events;
	if (c->phase == ANSWERED) {
		(void)write_out(c); /* what is left waits for the next time */
		return;
	}
	c->lineage = WIRE_OURS; /* as long as more comes */
	c->quiet = false;
	do {
		n = receive(c);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			wait_for_more(c);
			return;
		}
		if (n <= 0) {
			conn_free(c);
			return;
		}
		/* A trailer of no bytes is whole at once, so look again. */
		do {
			want = c->want;
			if (c->have == want && grow(c, &err) < 0) {
				refuse(c, &err);
				return;
			}
		} while (c->want != want && c->have == c->want);
	} while (c->have < c->want);
	asked(c);
}

/* What came is a message of an older lineage. */
static void asked_before(struct server_conn *c)
{
	struct err err = { 0 };
	int rc = 0;

	if (c->lineage == WIRE_XEN40)
		rc = err_set(&err, -EPROTONOSUPPORT,
			     "the client is of %s, which is not served",
			     wire_lineage_name(c->lineage));
	if (!rc)
		rc = wire_decode_as(c->lineage, &c->req.msg, c->in, &err);
	if (rc < 0)
		refuse(c, &err);
	else
		asked(c);
}

static void expire(struct timer *t)
{
	struct server_conn *c = container_of(t, struct server_conn, timer);

	if (c->phase == ASKING && c->quiet) {
		asked_before(c);
		return;
	}
	log_limited(&c->server->limit, "control: a client is too slow");
	conn_free(c);
}

static bool is_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid();
}

static void accept_one(struct server *s, int fd)
{
	struct server_conn *c = calloc(1, sizeof(*c));

	if (!c || !is_allowed(fd)) {
		log_limited(&s->limit, "control: a client was turned away");
		free(c);
		(void)close(fd); /* nothing was said */
		return;
	}
	c->server = s;
	c->watch.fd = fd;
	c->watch.ready = ready;
	c->timer.fire = expire;
	c->want = WIRE_SIZE;
	c->end_ns = loop_now_ns(s->loop) + TIMEOUT_NS;
	c->req.fd = -1;
	list_init(&c->timer.link);
	list_add_tail(&s->conns, &c->link);
	s->count++;
	loop_timer(s->loop, &c->timer, TIMEOUT_NS);
	if (loop_watch(s->loop, &c->watch, EPOLLIN) < 0)
		conn_free(c);
	else
		watch_listener(s);
}

static void listener_ready(struct watch *w, uint32_t events)
{
	struct server *s = container_of(w, struct server, watch);
	int fd;

	(void)events;
	while (s->watched) {
		fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return; /* none is left, or it is tried again */
		accept_one(s, fd);
	}
}

struct server_request *server_request(struct server_conn *conn)
{
	return &conn->req;
}

bool server_gone(const struct server_conn *conn)
{
	char c;

	return recv(conn->watch.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static int listen_at(struct server *s, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	memcpy(sa.sun_path, s->path, sizeof(sa.sun_path));
	s->watch.fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->watch.fd < 0)
		return err_sys(err, "socket");
	/* If there is one, its process had this pid and is dead. */
	(void)unlink(s->path);
	if (bind(s->watch.fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    chmod(s->path, 0600) < 0 || listen(s->watch.fd, SERVER_CONNS) < 0)
		return err_sys(err, "%s", s->path);
	return 0;
}

int server_new(struct server **out, struct loop *loop, const char *dir,
	       pid_t pid, struct err *err)
{
	struct server *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(err, -ENOMEM, "control: no memory");
	list_init(&s->conns);
	s->loop = loop;
	s->watch.fd = -1;
	s->watch.ready = listener_ready;
	rc = tapctl_path(s->path, dir, "ctl%d", (int)pid);
	if (rc < 0)
		rc = err_set(err, rc, "%s: too long a name", dir);
	if (!rc)
		rc = tapctl_make_dirs(dir, err);
	if (!rc)
		rc = listen_at(s, err);
	if (rc < 0) {
		server_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void server_start(struct server *server,
		  void (*request)(void *arg, struct server_conn *conn),
		  void *arg)
{
	server->request = request;
	server->arg = arg;
	watch_listener(server);
}

void server_shut(struct server *server)
{
	if (server->watch.fd < 0)
		return;
	/* The name first: who finds it must find a listener. */
	(void)unlink(server->path);
	if (server->watched)
		loop_unwatch(server->loop, &server->watch);
	(void)close(server->watch.fd); /* a listener */
	server->watch.fd = -1;
	server->watched = false;
}

void server_stop(struct server *server, void (*done)(void *arg), void *arg)
{
	struct list *pos, *next;

	server_shut(server);
	list_for_each (&server->conns, pos, next) {
		struct server_conn *c =
			container_of(pos, struct server_conn, link);

		if (c->phase == ASKING)
			conn_free(c);
	}
	server->stopped = done;
	server->stopped_arg = arg;
	if (!server->count)
		done(arg);
}

void server_free(struct server *server)
{
	struct list *pos, *next;

	if (!server)
		return;
	server->stopped = NULL;
	server_shut(server);
	list_for_each (&server->conns, pos, next)
		conn_free(container_of(pos, struct server_conn, link));
	free(server);
}
