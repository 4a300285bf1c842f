/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tapdisk-stub.c - a tapdisk as the xenio daemon sees it.
 */
#include "tests/lib/tapdisk-stub.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/list.h"
#include "lib/loop.h"

#define TYPES 128

struct conn {
	struct list link;
	struct stub *stub;
	struct watch watch;
	uint8_t buf[WIRE_SIZE];
	size_t have;
	struct wire_msg held; /* a DISCONNECT that waits */
	bool waits;
};

struct stub {
	struct loop *loop;
	struct watch listener;
	struct sockaddr_un addr;
	struct list conns;
	pid_t pid;
	uint64_t sectors;
	uint32_t info;
	uint32_t discard;
	bool older;
	bool in_flight;
	int hang;
	int fail[TYPES];
	int fail_queue[WIRE_QUEUES];
	unsigned count[TYPES];
	struct wire_msg last;
	struct wire_msg ring[STUB_RINGS];
	unsigned rings;
};

static void conn_free(struct conn *conn)
{
	list_del(&conn->link);
	loop_unwatch(conn->stub->loop, &conn->watch);
	(void)close(conn->watch.fd);
	free(conn);
}

static void send_msg(struct conn *conn, const struct wire_msg *msg)
{
	uint8_t buf[WIRE_SIZE];

	wire_encode(buf, msg);
	(void)send(conn->watch.fd, buf, sizeof(buf), MSG_NOSIGNAL);
	conn_free(conn);
}

static void answer(struct conn *conn, const struct wire_msg *req, int error)
{
	struct wire_msg rsp = { .cookie = req->cookie };

	rsp.type = error ? WIRE_ERROR : req->type + 1;
	rsp.u.response.error = error;
	send_msg(conn, &rsp);
}

static bool same_ring(const struct wire_msg *a, const struct wire_msg *b)
{
	return a->u.ring.domid == b->u.ring.domid &&
	       a->u.ring.devid == b->u.ring.devid &&
	       a->u.ring.queue == b->u.ring.queue;
}

/* 0, EALREADY, EEXIST as wire.h has it. */
static int add_ring(struct stub *stub, const struct wire_msg *msg)
{
	for (unsigned i = 0; i < stub->rings; i++) {
		const struct wire_msg *r = &stub->ring[i];

		if (!same_ring(r, msg))
			continue;
		if (msg->type == WIRE_CONNECT ||
		    (r->u.ring.port == msg->u.ring.port &&
		     memcmp(r->u.ring.grefs, msg->u.ring.grefs,
			    sizeof(r->u.ring.grefs)) == 0))
			return EALREADY;
		return EEXIST;
	}
	assert(stub->rings < STUB_RINGS);
	stub->ring[stub->rings++] = *msg;
	return 0;
}

static int drop_rings(struct stub *stub, const struct wire_msg *msg)
{
	unsigned kept = 0, had = stub->rings;

	for (unsigned i = 0; i < had; i++) {
		const struct wire_msg *r = &stub->ring[i];

		if (r->u.ring.domid != msg->u.ring.domid ||
		    r->u.ring.devid != msg->u.ring.devid)
			stub->ring[kept++] = *r;
	}
	stub->rings = kept;
	return kept == had ? ENODEV : 0;
}

static void answer_info(struct conn *conn, const struct wire_msg *msg)
{
	const struct stub *stub = conn->stub;
	struct wire_msg rsp = { .cookie = msg->cookie };

	rsp.type = msg->type + 1;
	if (msg->type == WIRE_HELLO) {
		rsp.u.hello.version = 1;
		rsp.u.hello.block_size = 4096;
		rsp.u.hello.discard = stub->discard;
	} else {
		rsp.u.image.sectors = stub->sectors;
		rsp.u.image.sector_size = 512;
		rsp.u.image.info = stub->info;
	}
	send_msg(conn, &rsp);
}

static void answer_connect(struct conn *conn, const struct wire_msg *msg)
{
	struct stub *stub = conn->stub;
	int error = msg->type == WIRE_CONNECT_QUEUE
			    ? stub->fail_queue[msg->u.ring.queue]
			    : 0;

	stub->last = *msg;
	answer(conn, msg, error ? error : add_ring(stub, msg));
}

static void handle(struct conn *conn, const struct wire_msg *msg)
{
	struct stub *stub = conn->stub;

	stub->count[msg->type]++;
	if (stub->hang == (int)msg->type)
		return;
	if (stub->fail[msg->type] || (stub->older && msg->type >= 64)) {
		answer(conn, msg,
		       stub->fail[msg->type] ? stub->fail[msg->type] : EINVAL);
		return;
	}
	if (msg->type == WIRE_HELLO || msg->type == WIRE_DISK_INFO) {
		answer_info(conn, msg);
	} else if (msg->type == WIRE_DISCONNECT) {
		conn->held = *msg;
		conn->waits = stub->in_flight;
		if (!conn->waits)
			answer(conn, msg, drop_rings(stub, msg));
	} else if (msg->type == WIRE_CONNECT ||
		   msg->type == WIRE_CONNECT_QUEUE) {
		answer_connect(conn, msg);
	} else if (msg->type == WIRE_CLOSE || msg->type == WIRE_DETACH) {
		answer(conn, msg, stub_rings(stub) ? EBUSY : 0);
	} else {
		answer(conn, msg, EINVAL);
	}
}

static void conn_ready(struct watch *w, uint32_t events)
{
	struct conn *conn = container_of(w, struct conn, watch);
	struct wire_msg msg;
	ssize_t n;

	(void)events;
	n = recv(w->fd, conn->buf + conn->have, WIRE_SIZE - conn->have,
		 MSG_DONTWAIT);
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			conn_free(conn);
		return;
	}
	conn->have += (size_t)n;
	if (conn->have < WIRE_SIZE)
		return;
	conn->have = 0;
	if (wire_decode(&msg, conn->buf, NULL) < 0) {
		msg.type = WIRE_EXIT;
		answer(conn, &msg, EINVAL);
		return;
	}
	handle(conn, &msg);
}

static void listener_ready(struct watch *w, uint32_t events)
{
	struct stub *stub = container_of(w, struct stub, listener);
	struct conn *conn = calloc(1, sizeof(*conn));

	(void)events;
	assert(conn);
	conn->stub = stub;
	conn->watch.ready = conn_ready;
	conn->watch.fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
	assert(conn->watch.fd >= 0);
	list_add_tail(&stub->conns, &conn->link);
	assert(loop_watch(stub->loop, &conn->watch, EPOLLIN) == 0);
}

static pid_t start_process(void)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0) {
		/* Outlive nobody, and keep nobody's pipe open. */
		(void)close_range(0, ~0u, 0);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent)
			(void)pause();
	}
	assert(pid > 0);
	return pid;
}

struct stub *stub_new(struct loop *loop, const char *dir)
{
	struct stub *stub = calloc(1, sizeof(*stub));

	assert(stub);
	stub->loop = loop;
	stub->pid = start_process();
	stub->sectors = 2048;
	list_init(&stub->conns);
	stub->addr.sun_family = AF_UNIX;
	assert((size_t)snprintf(stub->addr.sun_path,
				sizeof(stub->addr.sun_path), "%s/ctl%d", dir,
				(int)stub->pid) < sizeof(stub->addr.sun_path));
	stub->listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	stub->listener.ready = listener_ready;
	assert(bind(stub->listener.fd, (const struct sockaddr *)&stub->addr,
		    sizeof(stub->addr)) == 0);
	assert(listen(stub->listener.fd, 64) == 0);
	assert(loop_watch(loop, &stub->listener, EPOLLIN) == 0);
	return stub;
}

void stub_kill(struct stub *stub)
{
	struct list *link;

	if (stub->pid <= 0)
		return;
	(void)kill(stub->pid, SIGKILL);
	assert(waitpid(stub->pid, NULL, 0) == stub->pid);
	stub->pid = -1;
	loop_unwatch(stub->loop, &stub->listener);
	(void)close(stub->listener.fd);
	while ((link = stub->conns.next) != &stub->conns)
		conn_free(container_of(link, struct conn, link));
}

void stub_free(struct stub *stub)
{
	if (!stub)
		return;
	stub_kill(stub);
	(void)unlink(stub->addr.sun_path);
	free(stub);
}

pid_t stub_pid(const struct stub *stub)
{
	return stub->pid;
}

void stub_disk(struct stub *stub, uint64_t sectors, uint32_t info,
	       uint32_t discard)
{
	stub->sectors = sectors;
	stub->info = info;
	stub->discard = discard;
}

void stub_older(struct stub *stub)
{
	stub->older = true;
}

void stub_fail(struct stub *stub, enum wire_type type, int error)
{
	stub->fail[type] = error;
}

void stub_fail_queue(struct stub *stub, unsigned queue, int error)
{
	stub->fail_queue[queue] = error;
}

void stub_hang(struct stub *stub, enum wire_type type)
{
	stub->hang = (int)type;
}

void stub_in_flight(struct stub *stub, bool in_flight)
{
	struct list *pos, *next;

	stub->in_flight = in_flight;
	if (in_flight)
		return;
	list_for_each (&stub->conns, pos, next) {
		struct conn *conn = container_of(pos, struct conn, link);

		if (conn->waits)
			answer(conn, &conn->held,
			       drop_rings(stub, &conn->held));
	}
}

unsigned stub_rings(const struct stub *stub)
{
	return stub->rings;
}

unsigned stub_count(const struct stub *stub, enum wire_type type)
{
	return stub->count[type];
}

const struct wire_msg *stub_last(const struct stub *stub)
{
	return &stub->last;
}
