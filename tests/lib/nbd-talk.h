/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-talk.h - an NBD client for tests of nbd-conn.c: asks, and reads answers.
 *
 * It keeps what it asked and is strict with the answers: each request gets
 * one end, each byte of a read comes once, and nothing comes that was not
 * asked for.
 */
#ifndef TESTS_NBD_TALK_H
#define TESTS_NBD_TALK_H

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "tests/lib/fake-channel.h"
#include "tests/lib/test.h"

#define TALK_ASKS 512

struct ask {
	uint16_t type;
	uint64_t off;
	uint32_t len;
	bool ended;
	uint32_t err; /* on the wire */
	uint32_t came;
	uint8_t *data; /* of a read */
	unsigned count;
	uint32_t descriptors[NBD_EXTENTS][2];
};

struct talk {
	struct fake_client c;
	int near; /* the server's end of the socket */
	int far;
	struct ask *asks;
	unsigned asked;
	unsigned ended;
	uint8_t *say; /* not yet said */
	size_t say_len;
	size_t say_at;
	uint8_t *got; /* not yet understood */
	size_t got_len;
};

#define TALK_SAY (40u << 20)
#define TALK_GOT (48u << 20)
#define TALK_GET (64 << 10)

static inline void talk_init(struct talk *t, struct fake_disk *d,
			     const struct transport *tr, bool structured)
{
	int sv[2];

	memset(t, 0, sizeof(*t));
	fake_client_init(&t->c, d, tr,
			 NBD_HAS_FLAGS | NBD_SEND_FLUSH | NBD_SEND_FUA |
				 NBD_SEND_TRIM | NBD_SEND_WRITE_ZEROES |
				 NBD_SEND_CACHE);
	t->c.conn.proto.structured = structured;
	t->c.conn.proto.allocation = structured;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	t->near = sv[0];
	t->far = sv[1];
	t->asks = calloc(TALK_ASKS, sizeof(*t->asks));
	t->say = malloc(TALK_SAY);
	t->got = malloc(TALK_GOT);
	assert_true(t->asks && t->say && t->got);
}

static inline void talk_free(struct talk *t)
{
	unsigned i;

	fake_client_free(&t->c);
	for (i = 0; i < t->asked; i++)
		free(t->asks[i].data);
	free(t->asks);
	free(t->say);
	free(t->got);
	(void)close(t->near); /* a socket */
	(void)close(t->far);  /* a socket */
}

/* Put a request, and a write's data, behind what is to be said. */
static inline struct ask *talk_ask(struct talk *t, uint16_t type,
				   uint16_t flags, uint64_t off, uint32_t len,
				   const void *data)
{
	struct ask *a = &t->asks[t->asked];
	uint8_t *at = t->say + t->say_len;

	assert_true(t->asked < TALK_ASKS);
	assert_true(t->say_len + NBD_REQUEST_SIZE + len < TALK_SAY || !data);
	*a = (struct ask){ .type = type, .off = off, .len = len };
	if (type == NBD_READ)
		a->data = malloc(len + 1);
	bytes_put_be32(at, 0x25609513);
	bytes_put_be16(at + 4, flags);
	bytes_put_be16(at + 6, type);
	bytes_put_be64(at + 8, t->asked++);
	bytes_put_be64(at + 16, off);
	bytes_put_be32(at + 24, len);
	t->say_len += NBD_REQUEST_SIZE;
	if (data) {
		memcpy(t->say + t->say_len, data, len);
		t->say_len += len;
	}
	return a;
}

/* Say at most most bytes of it, and let the server do what it can. */
static inline void talk_say(struct talk *t, size_t most)
{
	size_t len = t->say_len - t->say_at;

	nbd_conn_serve(&t->c.conn);
	if (!t->c.conn.hungry || !len)
		return;
	len = fake_client_say(&t->c, t->say + t->say_at,
			      len < most ? len : most);
	t->say_at += len;
	nbd_conn_serve(&t->c.conn);
}

static inline void talk_end(struct talk *t, struct ask *a, uint32_t err)
{
	assert_false(a->ended);
	a->ended = true;
	a->err = err;
	t->ended++;
	if (a->type == NBD_READ && !err)
		assert_int_equal(a->came, a->len);
}

/* One whole answer at at; returns its length, 0 if some of it is not here. */
static inline size_t talk_simple(struct talk *t, const uint8_t *at, size_t len)
{
	struct ask *a = &t->asks[bytes_be64(at + 8)];
	uint32_t err = bytes_be32(at + 4);
	size_t data = a->type == NBD_READ && !err ? a->len : 0;

	assert_true(bytes_be64(at + 8) < t->asked);
	if (len < 16 + data)
		return 0;
	if (data) {
		assert_false(t->c.conn.proto.structured);
		memcpy(a->data, at + 16, data);
		a->came = a->len;
	}
	talk_end(t, a, err);
	return 16 + data;
}

static inline void talk_data(struct ask *a, const uint8_t *body, uint32_t len)
{
	uint64_t off = bytes_be64(body);

	assert_int_equal(a->type, NBD_READ);
	assert_true(off >= a->off &&
		    bytes_within(off - a->off, len - 8, a->len));
	memcpy(a->data + (off - a->off), body + 8, len - 8);
	a->came += len - 8;
	assert_true(a->came <= a->len);
}

static inline void talk_status(struct ask *a, const uint8_t *body, uint32_t len)
{
	uint64_t sum = 0;
	uint32_t at;

	assert_int_equal(a->type, NBD_BLOCK_STATUS);
	assert_int_equal(bytes_be32(body), 1);
	assert_true(len > 4 && (len - 4) % 8 == 0);
	for (at = 4; at < len; at += 8) {
		a->descriptors[a->count][0] = bytes_be32(body + at);
		a->descriptors[a->count][1] = bytes_be32(body + at + 4);
		assert_int_not_equal(a->descriptors[a->count][0], 0);
		sum += a->descriptors[a->count++][0];
	}
	assert_true(sum <= a->len);
}

static inline size_t talk_chunk(struct talk *t, const uint8_t *at, size_t len)
{
	struct ask *a = &t->asks[bytes_be64(at + 8)];
	uint32_t body, err = 0;

	if (len < 20)
		return 0;
	body = bytes_be32(at + 16);
	if (len < 20 + (size_t)body)
		return 0;
	assert_true(t->c.conn.proto.structured);
	assert_true(bytes_be64(at + 8) < t->asked);
	assert_false(a->ended);
	if (bytes_be16(at + 6) == 1)
		talk_data(a, at + 20, body);
	else if (bytes_be16(at + 6) == 5)
		talk_status(a, at + 20, body);
	else
		err = bytes_be32(at + 20);
	if (bytes_be16(at + 4) & 1)
		talk_end(t, a, err);
	return 20 + body;
}

/* Fetch what the server has sent and take it apart. */
static inline void talk_hear(struct talk *t)
{
	size_t at = 0, used;
	ssize_t n;
	int err;

	do {
		err = nbd_send_push(&t->c.conn.send, t->near);
		assert_true(!err || err == -EAGAIN);
		/* Not all there is room for: valgrind marks all of that. */
		n = TALK_GOT - t->got_len;
		n = recv(t->far, t->got + t->got_len,
			 n < TALK_GET ? n : TALK_GET, MSG_DONTWAIT);
		t->got_len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	while (t->got_len - at >= 16) {
		if (bytes_be32(t->got + at) == 0x67446698)
			used = talk_simple(t, t->got + at, t->got_len - at);
		else if (bytes_be32(t->got + at) == 0x668e33ef)
			used = talk_chunk(t, t->got + at, t->got_len - at);
		else
			break;
		if (!used)
			break;
		at += used;
	}
	memmove(t->got, t->got + at, t->got_len - at);
	t->got_len -= at;
}

/* Say everything, let the disk answer in order, until nothing happens. */
static inline void talk_all(struct talk *t)
{
	struct fake_disk *d = t->c.disk;
	size_t at;
	unsigned ended, asked;

	do {
		at = t->say_at;
		ended = t->ended;
		asked = d->asked;
		talk_say(t, TALK_SAY);
		while (d->pending_count)
			fake_end(d, 0, 0);
		talk_hear(t);
		(void)loop_turn(d->loop); /* whether it did does not matter */
	} while (at != t->say_at || ended != t->ended || asked != d->asked);
}

/* Two clients of one disk, whose bytes are known. */
#define TALK_SIZE (4ull << 20)

static const struct transport talk_transport;

struct stage {
	struct loop *loop;
	struct fake_disk d;
	struct talk a;
	struct talk b;
};

static inline void begin_sized(struct stage *s, bool structured, uint64_t size)
{
	uint64_t i;

	assert_int_equal(loop_new(&s->loop, NULL), 0);
	fake_disk_init(&s->d, s->loop, size, 512);
	for (i = 0; i < size; i++)
		s->d.bytes[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
	talk_init(&s->a, &s->d, &talk_transport, structured);
	talk_init(&s->b, &s->d, &talk_transport, structured);
}

static inline void begin(struct stage *s, bool structured)
{
	begin_sized(s, structured, TALK_SIZE);
}

static inline void end(struct stage *s)
{
	while (s->d.pending_count)
		fake_end(&s->d, 0, 0);
	talk_free(&s->a);
	talk_free(&s->b);
	fake_disk_free(&s->d);
	loop_free(s->loop);
}

static inline struct req *pending(struct stage *s, unsigned n)
{
	struct list *link = s->d.pending.next;

	assert_true(n < s->d.pending_count);
	while (n--)
		link = link->next;
	return &container_of(link, struct fake_req, link)->req;
}

#endif /* TESTS_NBD_TALK_H */
