/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-channel_test.c - an NBD connection passes the suite of all transports,
 * over the core as it is.
 */
#include "tests/lib/channel-suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "tapdisk/nbd-proto.h"
#include "tapdisk/transport-nbd.h"
#include "tests/lib/test.h"

#define DEPTH    16
#define LEN      4096
#define GREETING 152 /* of the old style: no more is said before requests */
#define HEADER   16  /* of a simple reply */

extern const struct transport nbd_transport;

struct peer {
	struct rig *rig;
	int fd;
	enum req_op op[DEPTH];
	void *buf[DEPTH];
	uint8_t in[GREETING + DEPTH * (HEADER + LEN)];
	size_t have;
};

/* What has come, behind what had come. */
static void fetch(struct peer *p)
{
	ssize_t n;

	do {
		n = recv(p->fd, p->in + p->have, sizeof(p->in) - p->have,
			 MSG_DONTWAIT);
		p->have += n > 0 ? (size_t)n : 0;
	} while (n > 0 && p->have < sizeof(p->in));
}

static void drop(struct peer *p, size_t len)
{
	p->have -= len;
	memmove(p->in, p->in + len, p->have);
}

static void *join(struct rig *rig)
{
	struct peer *p = calloc(1, sizeof(*p));
	struct nbd_client client = { .oldstyle = true };
	struct channel *ch;
	int sv[2];

	assert_non_null(p);
	p->rig = rig;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	p->fd = sv[0];
	client.fd = sv[1];
	assert_int_equal(channel_open(&ch, rig->vbd, &nbd_transport, "nbd:0",
				      &client, &rig->err),
			 0);
	rig_settle(rig);
	fetch(p);
	assert_int_equal(p->have, GREETING);
	drop(p, GREETING);
	return p;
}

static void ask(void *client, unsigned tag, enum req_op op, uint64_t off,
		void *buf)
{
	static const uint16_t types[] = { [REQ_READ] = NBD_READ,
					  [REQ_WRITE] = NBD_WRITE,
					  [REQ_FLUSH] = NBD_FLUSH };
	struct peer *p = client;
	uint8_t out[NBD_REQUEST_SIZE + LEN];
	size_t len = NBD_REQUEST_SIZE;

	assert_true(tag < DEPTH);
	p->op[tag] = op;
	p->buf[tag] = buf;
	bytes_put_be32(out, 0x25609513);
	bytes_put_be16(out + 4, 0);
	bytes_put_be16(out + 6, types[op]);
	bytes_put_be64(out + 8, tag);
	bytes_put_be64(out + 16, off);
	bytes_put_be32(out + 24, op == REQ_FLUSH ? 0 : LEN);
	if (op == REQ_WRITE) {
		memcpy(out + len, buf, LEN);
		len += LEN;
	}
	assert_int_equal(send(p->fd, out, len, MSG_NOSIGNAL), len);
}

static bool answer(void *client, unsigned *tag, bool *ok)
{
	struct peer *p = client;
	size_t len = HEADER;

	fetch(p);
	if (p->have < HEADER)
		return false;
	assert_int_equal(bytes_be32(p->in), 0x67446698);
	*ok = !bytes_be32(p->in + 4);
	*tag = (unsigned)bytes_be64(p->in + 8);
	assert_true(*tag < DEPTH);
	if (p->op[*tag] == REQ_READ && *ok)
		len += LEN;
	if (p->have < len)
		return false;
	memcpy(p->buf[*tag], p->in + HEADER, len - HEADER);
	drop(p, len);
	return true;
}

static void leave(void *client)
{
	struct peer *p = client;

	assert_int_equal(close(p->fd), 0);
	p->fd = -1;
}

static void done(void *client)
{
	struct peer *p = client;

	if (p->fd >= 0)
		assert_int_equal(close(p->fd), 0);
	free(p);
}

int main(void)
{
	static const struct suite_kit kit = {
		.name = "channel suite: nbd",
		.depth = DEPTH,
		.join = join,
		.ask = ask,
		.answer = answer,
		.leave = leave,
		.free = done,
	};

	return suite_run(&kit);
}
