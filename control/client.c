/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client.c - one exchange with a tapdisk: connect, send, gather the replies.
 *
 * A message goes out in one write, because older tapdisks misplace the
 * second piece of one that comes in two. What comes back may come in any
 * pieces. A listening socket whose queue is full is tried again until the
 * deadline.
 */
#include "control/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/loop.h"

#define AGAIN_NS 20000000u /* until a full queue is tried again */
#define MS       1000000ull

struct tapctl_call {
	struct loop *loop;
	struct watch watch; /* fd is -1 before the connection stands */
	struct timer deadline;
	struct timer again;
	struct tapctl_events events;
	struct sockaddr_un addr;
	enum wire_type asked;
	enum wire_lineage lineage;
	unsigned size; /* of its messages */

	uint8_t out[WIRE_SIZE];
	void *trailer;
	size_t trailer_len;
	size_t trailer_sent;
	int fd; /* to pass along, -1: none */
	bool sent;

	uint8_t in[WIRE_SIZE];
	size_t have;
	char *text; /* of STATS_RSP */
	size_t text_len;
	size_t text_have;

	bool telling; /* a callback runs: */
	bool gone;    /* and it has cancelled the call */
};

static void call_free(struct tapctl_call *call)
{
	loop_untimer(&call->deadline);
	loop_untimer(&call->again);
	if (call->watch.fd >= 0) {
		loop_unwatch(call->loop, &call->watch);
		(void)close(call->watch.fd); /* all was read that will be */
	}
	if (call->fd >= 0)
		(void)close(call->fd); /* our own copy */
	/* It may have been a key. */
	if (call->trailer)
		explicit_bzero(call->trailer, call->trailer_len);
	free(call->trailer);
	free(call->text);
	free(call);
}

void tapctl_cancel(struct tapctl_call *call)
{
	if (!call)
		return;
	if (call->telling)
		call->gone = true;
	else
		call_free(call);
}

static void finish(struct tapctl_call *call, int error, const struct err *err)
{
	struct tapctl_events events = call->events;
	struct err none = { .code = error };

	call_free(call);
	events.end(events.arg, error, err ? err : &none);
}

static void fail(struct tapctl_call *call, int error, const char *what)
{
	struct err err = { 0 };

	(void)err_set(&err, error, "%s", what); /* error is what we return */
	finish(call, error, &err);
}

static void failed(struct tapctl_call *call, int error, const char *what)
{
	struct err err = { 0 };

	(void)err_set(&err, error, "%s: %s", what,
		      strerror(-error)); /* error is what we return */
	finish(call, error, &err);
}

/* What the reply to a request must be. */
static enum wire_type reply_of(enum wire_type asked)
{
	if (asked == WIRE_FORCE_SHUTDOWN)
		return WIRE_CLOSE_RSP;
	return (enum wire_type)(asked + 1);
}

static bool is_plain(enum wire_type type)
{
	return type == WIRE_ATTACH_RSP || type == WIRE_PAUSE_RSP ||
	       type == WIRE_RESUME_RSP || type == WIRE_CLOSE_RSP ||
	       type == WIRE_DETACH_RSP || type == WIRE_CONNECT_RSP ||
	       type == WIRE_DISCONNECT_RSP || type == WIRE_CONNECT_QUEUE_RSP ||
	       type == WIRE_DEBUG_RSP || type == WIRE_SERVE_RSP;
}

static void refused(struct tapctl_call *call, const struct wire_msg *msg)
{
	int error = msg->u.response.error ? -msg->u.response.error : -EINVAL;

	fail(call, error, msg->u.response.message);
}

/* Whether the call is still there and wants more. */
static bool tell(struct tapctl_call *call, const struct wire_msg *msg)
{
	call->telling = true;
	if (msg && call->events.reply)
		call->events.reply(call->events.arg, msg);
	if (!msg && call->events.data)
		call->events.data(call->events.arg, call->text, call->text_len);
	call->telling = false;
	if (call->gone)
		call_free(call);
	else if (!msg || (msg->type != WIRE_STATS_RSP &&
			  (msg->type != WIRE_LIST_RSP || !msg->u.list.count)))
		finish(call, 0, NULL);
	else
		return true;
	return false;
}

static bool got_message(struct tapctl_call *call)
{
	struct err err = { 0 };
	struct wire_msg msg;

	call->have = 0;
	if (wire_decode_as(call->lineage, &msg, call->in, &err) < 0) {
		finish(call, -EINVAL, &err);
		return false;
	}
	if (msg.type == WIRE_ERROR ||
	    (msg.type == reply_of(call->asked) && is_plain(msg.type) &&
	     msg.u.response.error)) {
		refused(call, &msg);
		return false;
	}
	if (msg.type != reply_of(call->asked)) {
		fail(call, -EINVAL, "the reply is not to what was asked");
		return false;
	}
	if (msg.type == WIRE_STATS_RSP) {
		call->text_len = (size_t)msg.u.stats.length;
		call->text = malloc(call->text_len + 1);
		if (!call->text) {
			fail(call, -ENOMEM, "no memory for the statistics");
			return false;
		}
		call->text[call->text_len] = '\0';
	}
	return tell(call, &msg);
}

/* As read(); *p and *room are where the next bytes belong. */
static ssize_t receive(struct tapctl_call *call)
{
	ssize_t n;

	do {
		if (call->text)
			n = recv(call->watch.fd, call->text + call->text_have,
				 call->text_len - call->text_have, 0);
		else
			n = recv(call->watch.fd, call->in + call->have,
				 call->size - call->have, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (call->text)
		call->text_have += (size_t)n;
	else
		call->have += (size_t)n;
	return n;
}

/* What broke off after so many bytes may have been whole, of others. */
static void broken(struct tapctl_call *call)
{
	bool ours = call->lineage == WIRE_OURS;

	if (ours && call->have == wire_size(WIRE_XEN42))
		fail(call, -EPROTONOSUPPORT,
		     "the tapdisk is of Xen 4's blktap2: its messages have "
		     "280 bytes");
	else if (ours && call->have == wire_size(WIRE_TAP2))
		fail(call, -EPROTONOSUPPORT,
		     "the tapdisk is of blktap 2 or the first blktap3: its "
		     "messages have 536 bytes");
	else
		fail(call, call->asked == WIRE_LIST ? -EPROTO : -EIO,
		     "the tapdisk ended the conversation");
}

static void readable(struct tapctl_call *call)
{
	ssize_t n;

	do {
		if (call->text && call->text_have == call->text_len) {
			(void)tell(call, NULL); /* it was the last */
			return;
		}
		n = receive(call);
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			broken(call);
			return;
		}
	} while (call->have < call->size || got_message(call));
}

/* 1 when all is out, 0 when it has to wait, -errno. */
static int send_out(struct tapctl_call *call)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { call->out, call->size };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (call->fd >= 0) {
		mh.msg_control = control.bytes;
		mh.msg_controllen = sizeof(control.bytes);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &call->fd, sizeof(int));
	}
	if (!call->sent && sendmsg(call->watch.fd, &mh, MSG_NOSIGNAL) < 0)
		return errno == EAGAIN ? 0 : -errno;
	call->sent = true;
	while (call->trailer_sent < call->trailer_len) {
		n = send(call->watch.fd,
			 (char *)call->trailer + call->trailer_sent,
			 call->trailer_len - call->trailer_sent, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		call->trailer_sent += (size_t)n;
	}
	return 1;
}

static void ready(struct watch *w, uint32_t events)
{
	struct tapctl_call *call = container_of(w, struct tapctl_call, watch);
	int rc;

	if (events & EPOLLOUT) {
		rc = send_out(call);
		/* Whoever hung up may have said why before. */
		if (rc == 1 || rc == -EPIPE)
			rc = loop_watch(call->loop, w, EPOLLIN);
		if (rc < 0) {
			failed(call, rc, "sending");
			return;
		}
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		readable(call);
}

static void expire(struct timer *t)
{
	struct tapctl_call *call =
		container_of(t, struct tapctl_call, deadline);

	fail(call, -ETIMEDOUT, "no answer in time");
}

static int try_connect(struct tapctl_call *call)
{
	int rc;

	call->watch.fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (call->watch.fd < 0)
		return -errno;
	if (connect(call->watch.fd, (struct sockaddr *)&call->addr,
		    sizeof(call->addr)) < 0)
		rc = -errno;
	else
		rc = loop_watch(call->loop, &call->watch, EPOLLIN | EPOLLOUT);
	if (rc < 0) {
		(void)close(call->watch.fd); /* nothing went through it */
		call->watch.fd = -1;
	}
	return rc;
}

static void begin(struct timer *t)
{
	struct tapctl_call *call = container_of(t, struct tapctl_call, again);
	int rc = try_connect(call);

	if (rc == -EAGAIN)
		loop_timer(call->loop, t, AGAIN_NS);
	else if (rc < 0)
		failed(call, rc, call->addr.sun_path);
}

static unsigned patience(const struct tapctl_request *req)
{
	enum wire_type type = req->msg.type;

	if (req->timeout_ms)
		return req->timeout_ms;
	if (type == WIRE_OPEN || type == WIRE_CLOSE || type == WIRE_PAUSE ||
	    type == WIRE_RESUME || type == WIRE_FORCE_SHUTDOWN ||
	    type == WIRE_DISCONNECT)
		return TAPCTL_SLOW_MS;
	return TAPCTL_TIMEOUT_MS;
}

static int fill(struct tapctl_call *call, const struct tapctl_request *req,
		struct err *err)
{
	int rc;

	call->addr.sun_family = AF_UNIX;
	rc = tapctl_path(call->addr.sun_path, req->dir, "ctl%d", (int)req->pid);
	if (rc < 0)
		return err_set(err, rc, "%s: the name is too long", req->dir);
	rc = wire_encode_as(call->lineage, call->out, &req->msg, err);
	/* It could be opened and closed, but never seen in which state it is.
	 */
	if (!rc && req->lineage == WIRE_XEN40 && req->msg.type != WIRE_PID)
		rc = err_set(err, -EPROTONOSUPPORT,
			     "%s has no list and is left alone",
			     wire_lineage_name(req->lineage));
	if (rc < 0)
		return err_wrap(err, "tapdisk %d", (int)req->pid);
	if (req->trailer_len) {
		call->trailer = malloc(req->trailer_len);
		if (!call->trailer)
			return err_set(err, -ENOMEM, "no memory");
		memcpy(call->trailer, req->trailer, req->trailer_len);
		call->trailer_len = req->trailer_len;
	}
	if (req->pass_fd) {
		call->fd = fcntl(req->fd, F_DUPFD_CLOEXEC, 3);
		if (call->fd < 0)
			return err_sys(err, "the descriptor to pass");
	}
	return 0;
}

int tapctl_start(struct tapctl_call **out, struct loop *loop,
		 const struct tapctl_request *req,
		 const struct tapctl_events *events, struct err *err)
{
	struct tapctl_call *call = calloc(1, sizeof(*call));
	int rc;

	if (!call)
		return err_set(err, -ENOMEM, "no memory");
	call->loop = loop;
	call->watch.fd = -1;
	call->watch.ready = ready;
	call->deadline.fire = expire;
	call->again.fire = begin;
	list_init(&call->deadline.link);
	list_init(&call->again.link);
	call->events = *events;
	call->asked = req->msg.type;
	call->lineage = req->lineage;
	call->size = wire_size(req->lineage);
	call->fd = -1;
	rc = fill(call, req, err);
	if (rc < 0) {
		call_free(call);
		return rc;
	}
	/* Not before this returns: end() must find what *out is. */
	loop_timer(loop, &call->again, 0);
	loop_timer(loop, &call->deadline, patience(req) * MS);
	*out = call;
	return 0;
}

int tapctl_path(char out[TAPCTL_PATH], const char *dir, const char *fmt, ...)
{
	int at = snprintf(out, TAPCTL_PATH, "%s/", dir ? dir : TAPCTL_DIR);
	va_list ap;
	int n;

	if (at >= TAPCTL_PATH)
		return -ENAMETOOLONG;
	va_start(ap, fmt);
	n = vsnprintf(out + at, TAPCTL_PATH - (size_t)at, fmt, ap);
	va_end(ap);
	return n < TAPCTL_PATH - at ? 0 : -ENAMETOOLONG;
}
