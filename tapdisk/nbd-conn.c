/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-conn.c - the requests of one NBD client.
 *
 * Who holds what: an op has a reference for being cut into parts, one for
 * each part, and one for an answer of its own; a part lives until the disk
 * has answered it or, if its data is the answer, until that is sent.
 */
#include "tapdisk/nbd-conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "tapdisk/channel.h"
#include "tapdisk/transport.h"

struct nbd_op {
	struct nbd_out out; /* link: on free_ops, too */
	struct nbd_request rq;
	uint32_t next; /* bytes that parts were made for */
	uint32_t drop; /* bytes of payload to throw away */
	unsigned refs;
	unsigned at_disk;
	int err;       /* the first */
	bool nothing;  /* there is nothing to do */
	bool cut;      /* no more parts will come */
	bool answered; /* its last answer is queued */
};

struct nbd_part {
	struct nbd_out out; /* link: on free_parts, too */
	struct nbd_op *op;
	uint8_t *mem;
	size_t mem_len;
	uint64_t off; /* what of the disk the client meant */
	uint32_t len;
	uint32_t filled;   /* bytes of a write that are here */
	uint64_t disk_off; /* and in whole blocks */
	uint64_t disk_len;
	struct iovec iov;
	struct extents extents;
	enum req_op does;
	bool merge; /* less than a block: read it, change it, write it */
	bool alone;
	bool reading; /* the block is being read */
};

int nbd_conn_init(struct nbd_conn *conn, struct channel *ch)
{
	unsigned i;

	nbd_turn_init(&conn->turn, ch);
	conn->ch = ch;
	conn->block = 512;
	list_init(&conn->free_ops);
	list_init(&conn->free_parts);
	nbd_send_init(&conn->send, conn);
	conn->ops = calloc(NBD_CONN_OPS, sizeof(*conn->ops));
	conn->parts = calloc(NBD_CONN_PARTS, sizeof(*conn->parts));
	if (nbd_in_init(&conn->in) || !conn->ops || !conn->parts)
		return -ENOMEM;
	for (i = 0; i < NBD_CONN_OPS; i++)
		list_add_tail(&conn->free_ops, &conn->ops[i].out.link);
	for (i = 0; i < NBD_CONN_PARTS; i++)
		list_add_tail(&conn->free_parts, &conn->parts[i].out.link);
	return nbd_mem_init(&conn->mem);
}

void nbd_conn_free(struct nbd_conn *conn)
{
	list_del(&conn->turn.kick.link);
	nbd_mem_free(&conn->mem);
	free(conn->parts);
	free(conn->ops);
	nbd_in_free(&conn->in);
}

bool nbd_conn_idle(const struct nbd_conn *conn)
{
	/* What waits for bytes that will not come does not count. */
	return conn->open_ops == (conn->hungry && conn->cur) &&
	       list_empty(&conn->send.queue);
}

/* --- ops and their answers ----------------------------------------------- */

static void op_unref(struct nbd_conn *conn, struct nbd_op *op)
{
	if (--op->refs)
		return;
	conn->open_ops--;
	list_add_head(&conn->free_ops, &op->out.link);
}

static void op_sent(void *arg, struct nbd_out *out)
{
	op_unref(arg, container_of(out, struct nbd_op, out));
}

/* Once nothing of it is at the disk and nothing will be. */
static void op_end(struct nbd_conn *conn, struct nbd_op *op)
{
	bool chunk = op->rq.type == NBD_READ || op->rq.type == NBD_BLOCK_STATUS;
	struct nbd_out *out = &op->out;

	if (!op->cut || op->at_disk || op->answered)
		return;
	op->answered = true;
	op->refs++;
	if (chunk && conn->proto.structured)
		out->head_len =
			nbd_proto_error(out->head, op->rq.cookie, op->err);
	else
		out->head_len =
			nbd_proto_simple(out->head, op->rq.cookie, op->err);
	out->data_len = 0;
	out->sent = op_sent;
	nbd_send_add(&conn->send, out);
}

static void op_cut(struct nbd_conn *conn, struct nbd_op *op)
{
	op->cut = true;
	conn->cur = NULL;
	op_end(conn, op);
	op_unref(conn, op);
}

static void part_free(struct nbd_conn *conn, struct nbd_part *part)
{
	if (part->mem)
		nbd_mem_put(&conn->mem, part->mem, part->mem_len);
	part->mem = NULL;
	op_unref(conn, part->op);
	list_add_head(&conn->free_parts, &part->out.link);
}

static void part_sent(void *arg, struct nbd_out *out)
{
	part_free(arg, container_of(out, struct nbd_part, out));
}

/* The answer to a read, or a piece of it; the part lives on in it. */
static void answer_read(struct nbd_conn *conn, struct nbd_part *part, int err)
{
	bool structured = conn->proto.structured,
	     first = part->off == part->op->rq.off;
	struct nbd_op *op = part->op;
	struct nbd_out *out = &part->out;

	/* Of several errors the first ends it; op_end() says so. */
	if (err && (structured || first))
		return;
	if (err) {
		conn->broken = true;
		return;
	}
	out->data = part->mem + (part->off - part->disk_off);
	out->data_len = part->len;
	out->head_len = 0;
	if (structured) {
		op->answered = op->cut && !op->at_disk && !op->err;
		out->head_len =
			nbd_proto_data(out->head, op->rq.cookie, part->off,
				       part->len, op->answered);
	} else {
		op->answered = true;
		if (first)
			out->head_len =
				nbd_proto_simple(out->head, op->rq.cookie, 0);
	}
	out->sent = part_sent;
	nbd_send_add(&conn->send, out);
}

/* What of the disk's answer lies within what the client asked. */
static void answer_status(struct nbd_conn *conn, struct nbd_part *part)
{
	uint64_t skip = part->off - part->disk_off, left = part->len, len;
	struct nbd_out *out = &part->out;
	uint8_t *wire = part->mem + NBD_EXTENTS * sizeof(struct extent);
	const struct extent *e = part->extents.ext;
	unsigned i, count = 0;

	for (i = 0; i < part->extents.count && left; i++, e++) {
		len = e->len < skip ? 0 : e->len - skip;
		skip -= e->len - len;
		if (!len)
			continue;
		len = len < left ? len : left;
		left -= len;
		nbd_proto_descriptor(
			wire + 8 * (size_t)count++, (uint32_t)len,
			(e->flags & EXTENT_HOLE ? NBD_STATE_HOLE : 0) |
				(e->flags & EXTENT_ZERO ? NBD_STATE_ZERO : 0));
	}
	if (!count) /* the disk told of less than it was asked */
		nbd_proto_descriptor(wire + 8 * (size_t)count++, part->len, 0);
	out->data = wire;
	out->data_len = 8 * (size_t)count;
	out->head_len = nbd_proto_status(out->head, part->op->rq.cookie, count);
	out->sent = part_sent;
	part->op->answered = true;
	nbd_send_add(&conn->send, out);
}

/* --- parts --------------------------------------------------------------- */

static bool part_changes(const struct nbd_part *part)
{
	return part->does == REQ_WRITE || part->does == REQ_ZERO ||
	       part->does == REQ_DISCARD;
}

static unsigned part_flags(const struct nbd_part *part)
{
	const struct nbd_request *rq = &part->op->rq;
	unsigned flags = 0;

	if (rq->flags & NBD_FUA &&
	    (part->does == REQ_WRITE || part->does == REQ_ZERO))
		flags |= REQ_FUA;
	if (part->does == REQ_ZERO && !(rq->flags & NBD_NO_HOLE))
		flags |= REQ_MAY_UNMAP;
	return flags;
}

/* Ask the disk; false: not now. */
static bool part_ask(struct nbd_conn *conn, struct nbd_part *part)
{
	struct req *req = channel_get(conn->ch, 0);

	if (!req)
		return false;
	*(struct nbd_part **)channel_extra(req) = part;
	req->op = part->reading ? REQ_READ : part->does;
	req->flags = part->reading ? 0 : part_flags(part);
	req->off = part->disk_off;
	req->len = part->disk_len;
	part->iov.iov_base = part->mem;
	part->iov.iov_len = part->disk_len;
	if (part->merge) /* after the client's bytes */
		part->iov.iov_base = part->mem + NBD_MEM_PAGE;
	req->iov = &part->iov;
	req->iovcnt = req->op == REQ_READ || req->op == REQ_WRITE;
	req->iov_skip = 0;
	req->extents = req->op == REQ_EXTENTS ? &part->extents : NULL;
	channel_submit(conn->ch, req);
	return true;
}

/* What it counts for; how long it is to zero says little about the work. */
static uint64_t part_load(const struct nbd_part *part)
{
	return part->disk_len < NBD_PART ? part->disk_len : NBD_PART;
}

static bool part_start(struct nbd_conn *conn, struct nbd_part *part)
{
	if (conn->alone || (part->alone && conn->at_disk))
		return false;
	if (conn->at_disk &&
	    (conn->at_disk >= conn->share_parts ||
	     conn->bytes + part_load(part) > conn->share_bytes))
		return false;
	if (part_changes(part) && !nbd_turn_ask(&conn->turn, part->merge))
		return false;
	part->reading = part->merge;
	if (!part_ask(conn, part))
		return false;
	if (part_changes(part))
		nbd_turn_begin(&conn->turn, part->merge);
	conn->alone = part->alone;
	conn->at_disk++;
	conn->bytes += part_load(part);
	part->op->at_disk++;
	return true;
}

static void part_done(struct nbd_conn *conn, struct nbd_part *part, int err)
{
	struct nbd_op *op = part->op;

	op->at_disk--;
	conn->at_disk--;
	conn->bytes -= part_load(part);
	if (part->alone)
		conn->alone = false;
	if (part_changes(part))
		nbd_turn_end(&conn->turn);
	if (err && !op->err)
		op->err = err;
	part->out.sent = NULL;
	if (op->rq.type == NBD_READ)
		answer_read(conn, part, err);
	else if (op->rq.type == NBD_BLOCK_STATUS && !err)
		answer_status(conn, part);
	op_end(conn, op);
	if (!part->out.sent)
		part_free(conn, part);
}

void nbd_conn_complete(struct nbd_conn *conn, struct req *req)
{
	struct nbd_part *part = *(struct nbd_part **)channel_extra(req);

	if (!part->reading || req->err) {
		part_done(conn, part, req->err);
		return;
	}
	memcpy(part->mem + NBD_MEM_PAGE + (part->off - part->disk_off),
	       part->mem, part->len);
	part->reading = false;
	if (!part_ask(conn, part))
		conn->again = part;
}

/* How much of the op the next part is. */
static uint32_t part_length(const struct nbd_conn *conn,
			    const struct nbd_op *op)
{
	uint64_t head = (op->rq.off + op->next) % conn->block;
	uint32_t left = op->rq.len - op->next, most = NBD_PART;

	switch (op->rq.type) {
	case NBD_READ:
	case NBD_CACHE:
		return left <= most - head ? left : most - (uint32_t)head;
	case NBD_TRIM:
	case NBD_WRITE_ZEROES:
		most = NBD_PART_ZERO;
		/* fall through */
	case NBD_WRITE:
		if (head || left < conn->block)
			most = conn->block - (uint32_t)head;
		else
			left -= left % conn->block;
		return left < most ? left : most;
	default:
		return left;
	}
}

static enum req_op part_does(const struct nbd_op *op, bool merge)
{
	switch (op->rq.type) {
	case NBD_WRITE:
		return REQ_WRITE;
	case NBD_WRITE_ZEROES:
		return merge ? REQ_WRITE : REQ_ZERO;
	case NBD_TRIM:
		return REQ_DISCARD;
	case NBD_FLUSH:
		return REQ_FLUSH;
	case NBD_BLOCK_STATUS:
		return REQ_EXTENTS;
	default:
		return REQ_READ;
	}
}

static size_t part_memory(const struct nbd_part *part)
{
	if (part->merge || part->does == REQ_EXTENTS)
		return 2 * NBD_MEM_PAGE;
	if (part->does == REQ_READ || part->does == REQ_WRITE)
		return part->disk_len;
	return 0;
}

/* The next part of cur; NULL: not now. */
static struct nbd_part *part_new(struct nbd_conn *conn)
{
	struct nbd_op *op = conn->cur;
	uint64_t block = conn->block;
	struct nbd_part *part;
	bool write =
		op->rq.type == NBD_WRITE || op->rq.type == NBD_WRITE_ZEROES;

	if (list_empty(&conn->free_parts))
		return NULL;
	part = container_of(conn->free_parts.next, struct nbd_part, out.link);
	part->op = op;
	part->off = op->rq.off + op->next;
	part->len = part_length(conn, op);
	part->filled = 0;
	part->disk_off = part->off - part->off % block;
	part->disk_len =
		bytes_round_up(part->off + part->len, block) - part->disk_off;
	part->merge = write && part->len < part->disk_len;
	part->does = part_does(op, part->merge);
	part->alone = part->merge ||
		      (op->rq.type == NBD_READ && !conn->proto.structured &&
		       part->len < op->rq.len);
	part->mem = NULL;
	part->mem_len = part_memory(part);
	if (part->mem_len) {
		part->mem = nbd_mem_get(&conn->mem, part->mem_len);
		if (!part->mem)
			return NULL;
	}
	if (op->rq.type == NBD_WRITE_ZEROES && part->merge)
		memset(part->mem, 0, part->len);
	part->extents.count = 0;
	part->extents.max = op->rq.flags & NBD_REQ_ONE ? 1 : NBD_EXTENTS;
	part->extents.ext = (struct extent *)(void *)part->mem;
	list_del(&part->out.link);
	op->refs++;
	return part;
}

/* --- what came ----------------------------------------------------------- */

/* Where the bytes of a write go that are not here yet. */
static size_t missing(const struct nbd_conn *conn, uint8_t **where)
{
	struct nbd_part *part = conn->part;

	if (!part || part->op->rq.type != NBD_WRITE)
		return 0;
	*where = part->mem + part->filled;
	return part->len - part->filled;
}

int nbd_conn_room(struct nbd_conn *conn, struct iovec iov[2])
{
	uint8_t *where = NULL;
	size_t want = missing(conn, &where);

	return nbd_in_room(&conn->in, where, want, iov);
}

void nbd_conn_came(struct nbd_conn *conn, size_t len)
{
	size_t direct = nbd_in_came(&conn->in, len);

	if (direct)
		conn->part->filled += (uint32_t)direct;
}

/* No more of the current op, but for the data that comes with it. */
static void give_up(struct nbd_conn *conn, struct nbd_op *op)
{
	uint32_t here = op->next;

	if (conn->part) {
		here += conn->part->filled;
		part_free(conn, conn->part);
		conn->part = NULL;
		nbd_turn_leave(&conn->turn);
	}
	if (op->rq.type == NBD_WRITE)
		op->drop = op->rq.len - here;
	op->next = op->rq.len;
	if (!op->drop)
		op_cut(conn, op);
}

/* One step of the current op; false: it cannot go on now. */
static bool go_on(struct nbd_conn *conn)
{
	struct nbd_op *op = conn->cur;
	uint8_t *where = NULL;
	size_t len;

	op->drop -= (uint32_t)nbd_in_take(&conn->in, NULL, op->drop);
	conn->hungry = op->drop;
	if (conn->hungry)
		return false;
	if (op->err || op->nothing) {
		give_up(conn, op);
		return true;
	}
	if (!conn->part)
		conn->part = part_new(conn);
	if (!conn->part)
		return false;
	len = missing(conn, &where);
	conn->part->filled += (uint32_t)nbd_in_take(&conn->in, where, len);
	conn->hungry = missing(conn, &where);
	if (conn->hungry || !part_start(conn, conn->part))
		return false;
	op->next += conn->part->len;
	conn->part = NULL;
	if (op->next == op->rq.len)
		op_cut(conn, op);
	return true;
}

/* To discard is a hint: no more than the whole blocks in the range. */
static void shrink(struct nbd_op *op, uint64_t block)
{
	uint64_t end = op->rq.off + op->rq.len, off;

	off = bytes_round_up(op->rq.off, block);
	end -= end % block;
	op->nothing = end <= off;
	op->rq.off = off;
	op->rq.len = op->nothing ? 0 : (uint32_t)(end - off);
}

static struct nbd_op *op_new(struct nbd_conn *conn,
			     const struct nbd_request *rq)
{
	struct list *link = list_pop(&conn->free_ops);
	struct nbd_op *op = container_of(link, struct nbd_op, out.link);

	*op = (struct nbd_op){ .rq = *rq, .refs = 1 };
	list_init(&op->out.link);
	op->err = nbd_proto_check(&conn->proto, rq);
	if (rq->type == NBD_FLUSH)
		op->rq.off = op->rq.len = 0; /* they mean nothing */
	if (rq->type == NBD_TRIM && !op->err)
		shrink(op, conn->block);
	conn->open_ops++;
	conn->requests++;
	return op;
}

/* Begin with the next request; false: there is none that can begin. */
static bool begin(struct nbd_conn *conn)
{
	struct nbd_request rq;

	conn->hungry = nbd_in_len(&conn->in) < NBD_REQUEST_SIZE;
	if (conn->hungry || list_empty(&conn->free_ops))
		return false;
	if (nbd_proto_request(&rq, nbd_in_at(&conn->in)) ||
	    rq.type == NBD_DISC) {
		conn->proto.phase = NBD_OVER;
		return false;
	}
	if (conn->paused)
		return false;
	(void)nbd_in_take(&conn->in, NULL, NBD_REQUEST_SIZE); /* is there */
	conn->cur = op_new(conn, &rq);
	return true;
}

void nbd_conn_serve(struct nbd_conn *conn)
{
	if (conn->again && part_ask(conn, conn->again))
		conn->again = NULL;
	conn->hungry = false;
	nbd_turn_share(&conn->turn, &conn->share_bytes, &conn->share_parts);
	while (conn->proto.phase == NBD_READY && !conn->broken) {
		if (conn->cur && conn->paused)
			break;
		if (!(conn->cur ? go_on(conn) : begin(conn)))
			break;
	}
}
