/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-nbd.c - any bytes as an NBD client, from its first to its last.
 *
 * The first byte says which greeting it got, how large its pieces are and in
 * which order the disk answers. Whatever it says: no request that leaves the
 * disk, every answer well formed, and nothing held when all is answered.
 */
#include "tests/lib/fake-channel.h"

#include "lib/bytes.h"

#define SIZE (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct transport any_transport;

/* Everything queued goes out; its head is looked at. */
static void fetch(struct nbd_conn *conn)
{
	struct list *link;
	struct nbd_out *out;

	while ((link = list_pop(&conn->send.queue))) {
		out = container_of(link, struct nbd_out, link);
		assert(out->head_len <= NBD_HEADER_MAX);
		assert(!out->head_len || bytes_be32(out->head) == 0x67446698 ||
		       bytes_be32(out->head) == 0x668e33ef);
		assert(out->head_len + out->data_len > 0);
		out->sent(conn, out);
	}
}

static void haggle(struct nbd_conn *conn)
{
	uint8_t out[NBD_ANSWER_MAX];
	size_t used, answer;

	do {
		used = nbd_proto_haggle(&conn->proto, nbd_in_at(&conn->in),
					nbd_in_len(&conn->in), out, &answer);
		assert(used <= nbd_in_len(&conn->in));
		assert(answer <= sizeof(out));
		(void)nbd_in_take(&conn->in, NULL, used); /* was there */
	} while (used || answer);
	conn->hungry = true;
}

static void serve(struct fake_client *c)
{
	if (c->conn.proto.phase < NBD_READY)
		haggle(&c->conn);
	if (c->conn.proto.phase == NBD_READY)
		nbd_conn_serve(&c->conn);
}

static void settle(struct fake_client *c, bool last_first, int err)
{
	unsigned asked;

	do {
		asked = c->disk->asked;
		while (c->disk->pending_count)
			fake_end(c->disk,
				 last_first ? c->disk->pending_count - 1 : 0,
				 err);
		fetch(&c->conn);
		serve(c);
	} while (asked != c->disk->asked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_client c;
	struct fake_disk d;
	struct loop *loop;
	size_t at, len, piece;

	if (!size || loop_new(&loop, NULL))
		return 0;
	fake_disk_init(&d, loop, SIZE, data[0] & 1 ? 512 : 4096);
	fake_client_init(&c, &d, &any_transport,
			 NBD_HAS_FLAGS | NBD_SEND_FLUSH | NBD_SEND_FUA |
				 NBD_SEND_TRIM | NBD_SEND_WRITE_ZEROES |
				 NBD_SEND_CACHE);
	c.conn.proto.phase = NBD_HELLO;
	c.conn.proto.oldstyle = data[0] & 2;
	piece = data[0] & 4 ? 13 : 100000;
	for (at = 1; at < size; at += len) {
		len = size - at < piece ? size - at : piece;
		len = fake_client_say(&c, data + at, len);
		serve(&c);
		if (!(data[0] & 8) || !c.conn.hungry)
			settle(&c, data[0] & 16, data[0] & 32 ? -EIO : 0);
		if (c.conn.broken || c.conn.proto.phase == NBD_OVER)
			break;
		assert(len || !c.conn.hungry);
	}
	settle(&c, false, 0);
	if (!c.conn.broken)
		assert(nbd_conn_idle(&c.conn));
	if (!c.conn.cur)
		assert(!c.conn.mem.used);
	fake_client_free(&c);
	fake_disk_free(&d);
	loop_free(loop);
	return 0;
}
