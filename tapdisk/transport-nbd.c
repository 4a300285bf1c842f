/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport-nbd.c - a disk's client at the other end of an NBD connection.
 *
 * Nothing here waits.  One receive takes as many requests as are there, and
 * the answers of a turn leave in one send.  What a client can make us hold is
 * bounded (nbd-conn.h) and its own: its data is in memory apart from the
 * guest's, and when that is full we stop receiving from this client alone.
 *
 * A client has HANDSHAKE_NS to get through the handshake; after that it may
 * be silent for as long as it likes.  While the disk is paused, connections
 * are kept, handshakes go on, and requests stay where they are.
 */
#include "tapdisk/transport-nbd.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/json.h"
#include "tapdisk/channel.h"
#include "tapdisk/driver.h"
#include "tapdisk/nbd-conn.h"
#include "tapdisk/transport.h"
#include "tapdisk/vbd.h"

#define HANDSHAKE_NS (30ull * 1000000000)

struct nbd {
	struct nbd_conn conn; /* first, see nbd-turn.h */
	struct watch watch;
	uint32_t events; /* that are watched; 0: none */
	struct timer patience;
	bool finished; /* nothing more will come */
	bool dead;

	/* The handshake's answer that is being sent. */
	struct nbd_out out;
	uint8_t answer[NBD_ANSWER_MAX];
};

_Static_assert(sizeof(((struct nbd *)0)->answer) >= NBD_GREETING_MAX,
	       "the greeting is sent from there");

/* The end, by whoever's wish; why is NULL if it is the client's. */
static void die(struct nbd *nbd, int err, const char *why)
{
	struct channel *ch = nbd->conn.ch;

	if (nbd->dead)
		return;
	nbd->dead = true;
	loop_untimer(&nbd->patience);
	if (nbd->events)
		loop_unwatch(ch->loop, &nbd->watch);
	nbd->events = 0;
	if (why)
		channel_dead(ch, err, why);
	else
		channel_close(ch, NULL, NULL);
}

/* Not worth a line in the log: it went away without a word. */
static bool gone(int err)
{
	return err == -EPIPE || err == -ECONNRESET;
}

/* Watch for what can be used, and for nothing else. */
static void watch(struct nbd *nbd, bool full)
{
	struct loop *loop = nbd->conn.ch->loop;
	uint32_t events = full ? EPOLLOUT : 0;
	int err;

	if (nbd->conn.hungry && !nbd->finished)
		events |= EPOLLIN;
	if (events == nbd->events || nbd->dead)
		return;
	nbd->events = events;
	if (!events) {
		loop_unwatch(loop, &nbd->watch);
		return;
	}
	err = loop_watch(loop, &nbd->watch, events);
	if (err)
		die(nbd, err, "its socket cannot be watched");
}

static void queue_answer(struct nbd *nbd, size_t len)
{
	nbd->out.head_len = 0;
	nbd->out.data = nbd->answer;
	nbd->out.data_len = len;
	nbd_send_add(&nbd->conn.send, &nbd->out);
}

/* As much of the handshake as has come and has room for its answers. */
static void haggle(struct nbd *nbd)
{
	struct nbd_conn *conn = &nbd->conn;
	size_t used = 0, answer = 0;

	do {
		used = nbd_proto_haggle(&conn->proto, nbd_in_at(&conn->in),
					nbd_in_len(&conn->in), nbd->answer,
					&answer);
		(void)nbd_in_take(&conn->in, NULL, used); /* was there */
		if (answer)
			queue_answer(nbd, answer);
	} while (used && !answer);
	conn->hungry = !used && !answer;
	if (conn->proto.phase == NBD_READY)
		loop_untimer(&nbd->patience);
}

static bool in_handshake(const struct nbd *nbd)
{
	return nbd->conn.proto.phase < NBD_READY;
}

/* Everything that can be done without more from the client. */
static void advance(struct nbd *nbd)
{
	struct nbd_conn *conn = &nbd->conn;
	int err;

	if (nbd->dead)
		return;
	do {
		err = nbd_send_push(&conn->send, nbd->watch.fd);
		if (err && err != -EAGAIN) {
			die(nbd, err,
			    gone(err) ? NULL : "it cannot be sent to");
			return;
		}
		if (in_handshake(nbd) && !list_linked(&nbd->out.link))
			haggle(nbd);
		if (!in_handshake(nbd))
			nbd_conn_serve(conn);
	} while (!err && !list_empty(&conn->send.queue));
	if (conn->broken)
		die(nbd, -EIO,
		    "half a read's answer is sent and the rest "
		    "cannot be read");
	else if ((nbd->finished || conn->proto.phase == NBD_OVER) &&
		 nbd_conn_idle(conn))
		die(nbd, 0, NULL);
	watch(nbd, err == -EAGAIN);
}

static void receive(struct nbd *nbd)
{
	struct msghdr msg = { 0 };
	struct iovec iov[2];
	ssize_t n;

	msg.msg_iov = iov;
	msg.msg_iovlen = (size_t)nbd_conn_room(&nbd->conn, iov);
	do {
		n = recvmsg(nbd->watch.fd, &msg, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EWOULDBLOCK)
		n = 0;
	else if (n < 0)
		die(nbd, -errno,
		    gone(-errno) ? NULL : "it cannot be received from");
	else if (!n)
		nbd->finished = true;
	if (!nbd->dead)
		nbd_conn_came(&nbd->conn, (size_t)n);
}

static void ready(struct watch *w, uint32_t events)
{
	struct nbd *nbd = container_of(w, struct nbd, watch);

	if (events & nbd->events & EPOLLIN)
		receive(nbd);
	else if (events & (EPOLLHUP | EPOLLERR))
		die(nbd, 0, NULL);
	advance(nbd);
}

static void kick(struct deferred *d)
{
	advance(container_of(d, struct nbd, conn.turn.kick));
}

static void lose_patience(struct timer *t)
{
	die(container_of(t, struct nbd, patience), -ETIMEDOUT,
	    "it does not finish the handshake");
}

static unsigned export_flags(const struct channel *ch,
			     const struct image_info *info)
{
	unsigned flags = NBD_HAS_FLAGS | NBD_CAN_MULTI_CONN | NBD_SEND_CACHE;

	if (info->caps & IMAGE_CAN_FLUSH)
		flags |= NBD_SEND_FLUSH;
	if (info->caps & (IMAGE_CAN_FLUSH | IMAGE_CAN_FUA))
		flags |= NBD_SEND_FUA;
	if (ch->readonly || vbd_readonly(ch->vbd))
		return flags | NBD_READ_ONLY;
	if (info->caps & IMAGE_CAN_DISCARD)
		flags |= NBD_SEND_TRIM;
	return flags | NBD_SEND_WRITE_ZEROES;
}

/* The first thing that is sent; the disk's size must be known. */
static void greet(struct nbd *nbd, const struct image_info *info, bool old)
{
	struct nbd_conn *conn = &nbd->conn;

	nbd_proto_init(&conn->proto, info->size, export_flags(conn->ch, info),
		       old);
	queue_answer(nbd, nbd_proto_greet(&conn->proto, nbd->answer));
	conn->hungry = true;
}

static int nbd_open(struct channel *ch, const void *arg, struct err *err)
{
	const struct image_info *info = vbd_info(ch->vbd);
	const struct nbd_client *client = arg;
	struct nbd *nbd = ch->state;
	int one = 1;

	nbd->watch.fd = client->fd;
	nbd->watch.ready = ready;
	nbd->patience.fire = lose_patience;
	nbd->conn.turn.kick.run = kick;
	list_init(&nbd->patience.link);
	list_init(&nbd->out.link);
	nbd->conn.paused = true;
	ch->depth = NBD_CONN_DEPTH;
	if (nbd_conn_init(&nbd->conn, ch) || !info) {
		nbd_conn_free(&nbd->conn);
		(void)close(client->fd); /* nothing was sent */
		return info ? err_set(err, -ENOMEM, "no memory for a client")
			    : err_set(err, -EAGAIN, "the disk is not open");
	}
	/* For those that come by TCP; the others refuse it. */
	(void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one,
			 sizeof(one));
	greet(nbd, info, client->oldstyle);
	loop_timer(ch->loop, &nbd->patience, HANDSHAKE_NS);
	loop_defer(ch->loop, &nbd->conn.turn.kick);
	return 0;
}

static void nbd_start(struct channel *ch, const struct image_info *info)
{
	struct nbd *nbd = ch->state;

	nbd->conn.block = info->block_size;
	nbd->conn.proto.size = info->size;
	nbd->conn.paused = false;
	advance(nbd);
}

static void nbd_stop(struct channel *ch)
{
	struct nbd *nbd = ch->state;

	nbd->conn.paused = true;
	nbd_turn_leave(&nbd->conn.turn);
}

static void nbd_complete(struct channel *ch, struct req *req)
{
	struct nbd *nbd = ch->state;

	nbd_conn_complete(&nbd->conn, req);
}

static void nbd_flush(struct channel *ch)
{
	advance(ch->state);
}

static void nbd_close(struct channel *ch)
{
	struct nbd *nbd = ch->state;

	if (!nbd->dead)
		(void)nbd_send_push(&nbd->conn.send, nbd->watch.fd); /* last */
	nbd->dead = true;
	loop_untimer(&nbd->patience);
	if (nbd->events)
		loop_unwatch(ch->loop, &nbd->watch);
	nbd_conn_free(&nbd->conn);
	(void)close(nbd->watch.fd); /* a socket */
}

static void nbd_stats(const struct channel *ch, struct json *out)
{
	const struct nbd *nbd = ch->state;

	json_bool(out, "handshake", in_handshake(nbd));
	json_bool(out, "structured", nbd->conn.proto.structured);
	json_uint(out, "requests", nbd->conn.requests);
	json_uint(out, "open", nbd->conn.open_ops);
	json_uint(out, "memory", nbd->conn.mem.used * NBD_MEM_PAGE);
}

const struct transport nbd_transport = {
	.name = "nbd",
	.summary = "clients of the disk's NBD sockets",
	.state_size = sizeof(struct nbd),
	.req_size = sizeof(struct nbd_part *),
	.open = nbd_open,
	.start = nbd_start,
	.stop = nbd_stop,
	.complete = nbd_complete,
	.flush = nbd_flush,
	.close = nbd_close,
	.stats = nbd_stats,
};
