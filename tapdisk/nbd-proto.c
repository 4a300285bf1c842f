/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-proto.c - the server's side of the NBD protocol: bytes in, bytes out.
 *
 * Every length is held against what encloses it before it is used.  Names of
 * exports are measured and then forgotten: there is one export, and any name
 * means it.
 */
#include "tapdisk/nbd-proto.h"

#include <errno.h>
#include <string.h>

#include "lib/bytes.h"

#define MAGIC_HELLO   0x4e42444d41474943ull /* "NBDMAGIC" */
#define MAGIC_OPTION  0x49484156454f5054ull /* "IHAVEOPT" */
#define MAGIC_OLD     0x00420281861253ull
#define MAGIC_ANSWER  0x0003e889045565a9ull
#define MAGIC_REQUEST 0x25609513u
#define MAGIC_SIMPLE  0x67446698u
#define MAGIC_CHUNK   0x668e33efu

/* Handshake flags, the server's and the client's. */
#define FIXED_NEWSTYLE (1u << 0)
#define NO_ZEROES      (1u << 1)

enum {
	OPT_EXPORT_NAME = 1,
	OPT_ABORT = 2,
	OPT_LIST = 3,
	OPT_INFO = 6,
	OPT_GO = 7,
	OPT_STRUCTURED_REPLY = 8,
	OPT_LIST_META_CONTEXT = 9,
	OPT_SET_META_CONTEXT = 10,
};

#define REP_ACK          1u
#define REP_SERVER       2u
#define REP_INFO         3u
#define REP_META_CONTEXT 4u
#define REP_ERR_UNSUP    0x80000001u
#define REP_ERR_INVALID  0x80000003u
#define REP_ERR_TOO_BIG  0x80000009u

#define INFO_EXPORT     0
#define INFO_BLOCK_SIZE 3

#define CHUNK_DONE         1u
#define CHUNK_NONE         0
#define CHUNK_OFFSET_DATA  1
#define CHUNK_BLOCK_STATUS 5
#define CHUNK_ERROR        0x8001

#define ALLOCATION    "base:allocation"
#define ALLOCATION_ID 1
#define EXPORT        "tapdisk_client"

/* Bytes of an option's data that are still to be looked at. */
struct cursor {
	const uint8_t *at;
	size_t left;
};

/* Bytes to send; there is always room, see NBD_ANSWER_MAX. */
struct answer {
	uint8_t *buf;
	size_t len;
};

static bool take_u16(struct cursor *c, uint16_t *v)
{
	if (c->left < 2)
		return false;
	*v = bytes_be16(c->at);
	c->at += 2;
	c->left -= 2;
	return true;
}

static bool take_u32(struct cursor *c, uint32_t *v)
{
	if (c->left < 4)
		return false;
	*v = bytes_be32(c->at);
	c->at += 4;
	c->left -= 4;
	return true;
}

/* A length and that many bytes. */
static bool take_string(struct cursor *c, struct cursor *s)
{
	uint32_t len;

	if (!take_u32(c, &len) || len > NBD_NAME_MAX || len > c->left)
		return false;
	s->at = c->at;
	s->left = len;
	c->at += len;
	c->left -= len;
	return true;
}

static bool is_string(const struct cursor *s, const char *text)
{
	return s->left == strlen(text) && !memcmp(s->at, text, s->left);
}

static void put_u16(struct answer *a, uint16_t v)
{
	bytes_put_be16(a->buf + a->len, v);
	a->len += 2;
}

static void put_u32(struct answer *a, uint32_t v)
{
	bytes_put_be32(a->buf + a->len, v);
	a->len += 4;
}

static void put_u64(struct answer *a, uint64_t v)
{
	bytes_put_be64(a->buf + a->len, v);
	a->len += 8;
}

static void put_text(struct answer *a, const char *text)
{
	size_t len = strlen(text);

	memcpy(a->buf + a->len, text, len);
	a->len += len;
}

static void put_zeroes(struct answer *a, size_t len)
{
	memset(a->buf + a->len, 0, len);
	a->len += len;
}

/* The head of an answer to an option, len bytes of which follow. */
static void put_reply(struct answer *a, uint32_t option, uint32_t type,
		      uint32_t len)
{
	put_u64(a, MAGIC_ANSWER);
	put_u32(a, option);
	put_u32(a, type);
	put_u32(a, len);
}

/* DF means something only where replies have chunks. */
static uint16_t export_flags(const struct nbd_proto *p)
{
	return p->flags | (p->structured ? NBD_SEND_DF : 0);
}

void nbd_proto_init(struct nbd_proto *p, uint64_t size, unsigned flags,
		    bool oldstyle)
{
	*p = (struct nbd_proto){
		.phase = NBD_HELLO,
		.size = size,
		.flags = flags,
		.oldstyle = oldstyle,
	};
}

size_t nbd_proto_greet(const struct nbd_proto *p, uint8_t out[NBD_GREETING_MAX])
{
	struct answer a = { .buf = out };

	put_u64(&a, MAGIC_HELLO);
	if (!p->oldstyle) {
		put_u64(&a, MAGIC_OPTION);
		put_u16(&a, FIXED_NEWSTYLE | NO_ZEROES);
		return a.len;
	}
	put_u64(&a, MAGIC_OLD);
	put_u64(&a, p->size);
	put_u32(&a, p->flags);
	put_zeroes(&a, 124);
	return a.len;
}

/* --- options ------------------------------------------------------------ */

static void option_export_name(struct nbd_proto *p, struct answer *a)
{
	put_u64(a, p->size);
	put_u16(a, export_flags(p));
	if (!p->no_zeroes)
		put_zeroes(a, 124);
	p->phase = NBD_READY;
}

static uint32_t option_list(struct nbd_proto *p, struct cursor *c,
			    struct answer *a)
{
	if (c->left)
		return REP_ERR_INVALID;
	put_reply(a, p->option, REP_SERVER, 4 + strlen(EXPORT));
	put_u32(a, strlen(EXPORT));
	put_text(a, EXPORT);
	return REP_ACK;
}

static uint32_t option_go(struct nbd_proto *p, struct cursor *c,
			  struct answer *a)
{
	struct cursor name;
	uint16_t count;

	if (!take_string(c, &name) || !take_u16(c, &count) ||
	    c->left != count * 2u)
		return REP_ERR_INVALID;
	put_reply(a, p->option, REP_INFO, 12);
	put_u16(a, INFO_EXPORT);
	put_u64(a, p->size);
	put_u16(a, export_flags(p));
	put_reply(a, p->option, REP_INFO, 14);
	put_u16(a, INFO_BLOCK_SIZE);
	put_u32(a, NBD_BLOCK_MIN);
	put_u32(a, NBD_BLOCK_PREFERRED);
	put_u32(a, NBD_BLOCK_MAX);
	if (p->option == OPT_GO)
		p->phase = NBD_READY;
	return REP_ACK;
}

static uint32_t option_structured(struct nbd_proto *p, struct cursor *c)
{
	if (c->left)
		return REP_ERR_INVALID;
	p->structured = true;
	return REP_ACK;
}

/* Whether the queries that are left in c ask for base:allocation; -1: bad. */
static int queries_match(struct cursor *c, bool list)
{
	struct cursor query;
	uint32_t count;
	bool match;

	if (!take_u32(c, &count))
		return -1;
	match = list && !count; /* then all there are */
	for (; count; count--) {
		if (!take_string(c, &query))
			return -1;
		match = match || is_string(&query, ALLOCATION) ||
			(list && is_string(&query, "base:"));
	}
	return c->left ? -1 : match;
}

static uint32_t option_meta(struct nbd_proto *p, struct cursor *c,
			    struct answer *a)
{
	bool list = p->option == OPT_LIST_META_CONTEXT;
	struct cursor name;
	int match;

	if (!list)
		p->allocation = false;
	if (!p->structured || !take_string(c, &name))
		return REP_ERR_INVALID;
	match = queries_match(c, list);
	if (match < 0)
		return REP_ERR_INVALID;
	if (match) {
		put_reply(a, p->option, REP_META_CONTEXT,
			  4 + strlen(ALLOCATION));
		put_u32(a, list ? 0 : ALLOCATION_ID);
		put_text(a, ALLOCATION);
		if (!list)
			p->allocation = true;
	}
	return REP_ACK;
}

/* Puts what the option gives into a; returns how it ends. */
static uint32_t option_serve(struct nbd_proto *p, struct cursor *c,
			     struct answer *a)
{
	switch (p->option) {
	case OPT_ABORT:
		p->phase = NBD_OVER;
		return REP_ACK;
	case OPT_LIST:
		return option_list(p, c, a);
	case OPT_INFO:
	case OPT_GO:
		return option_go(p, c, a);
	case OPT_STRUCTURED_REPLY:
		return option_structured(p, c);
	case OPT_LIST_META_CONTEXT:
	case OPT_SET_META_CONTEXT:
		return option_meta(p, c, a);
	default:
		return REP_ERR_UNSUP;
	}
}

/* --- the steps of the handshake ------------------------------------------ */

static size_t step_hello(struct nbd_proto *p, const uint8_t *in, size_t len)
{
	uint32_t flags;

	if (len < 4)
		return 0;
	flags = bytes_be32(in);
	if (p->oldstyle && flags == MAGIC_REQUEST) {
		p->phase = NBD_READY;
		return 0;
	}
	if (flags & ~(FIXED_NEWSTYLE | NO_ZEROES)) {
		p->phase = NBD_OVER;
		return 0;
	}
	p->no_zeroes = flags & NO_ZEROES;
	p->phase = NBD_HAGGLE;
	return 4;
}

static size_t step_skip(struct nbd_proto *p, size_t len, struct answer *a)
{
	uint32_t used = len < p->skip ? len : p->skip;

	p->skip -= used;
	if (!p->skip) {
		put_reply(a, p->option, REP_ERR_TOO_BIG, 0);
		p->phase = NBD_HAGGLE;
	}
	return used;
}

static size_t step_option(struct nbd_proto *p, const uint8_t *in, size_t len,
			  struct answer *a)
{
	struct cursor c = { .at = in + 16 };
	uint32_t end;

	if (len < 16)
		return 0;
	p->option = bytes_be32(in + 8);
	c.left = bytes_be32(in + 12);
	if (bytes_be64(in) != MAGIC_OPTION || p->options == NBD_OPTIONS_MAX) {
		p->phase = NBD_OVER;
		return 0;
	}
	if (c.left > NBD_OPTION_MAX) {
		p->options++;
		p->skip = c.left;
		p->phase = NBD_SKIP;
		/* There is no way to refuse this one. */
		if (p->option == OPT_EXPORT_NAME)
			p->phase = NBD_OVER;
		return 16;
	}
	if (len - 16 < c.left)
		return 0;
	p->options++;
	len = 16 + c.left;
	if (p->option == OPT_EXPORT_NAME) {
		option_export_name(p, a);
		return len;
	}
	end = option_serve(p, &c, a);
	put_reply(a, p->option, end, 0);
	return len;
}

size_t nbd_proto_haggle(struct nbd_proto *p, const uint8_t *in, size_t len,
			uint8_t out[NBD_ANSWER_MAX], size_t *answer)
{
	struct answer a = { .buf = out };
	size_t used = 0;

	switch (p->phase) {
	case NBD_HELLO:
		used = step_hello(p, in, len);
		break;
	case NBD_HAGGLE:
		used = step_option(p, in, len, &a);
		break;
	case NBD_SKIP:
		used = step_skip(p, len, &a);
		break;
	case NBD_READY:
	case NBD_OVER:
		break;
	}
	*answer = a.len;
	return used;
}

/* --- requests ------------------------------------------------------------ */

int nbd_proto_request(struct nbd_request *rq,
		      const uint8_t in[NBD_REQUEST_SIZE])
{
	if (bytes_be32(in) != MAGIC_REQUEST)
		return -EPROTO;
	rq->flags = bytes_be16(in + 4);
	rq->type = bytes_be16(in + 6);
	memcpy(&rq->cookie, in + 8, sizeof(rq->cookie));
	rq->off = bytes_be64(in + 16);
	rq->len = bytes_be32(in + 24);
	return 0;
}

/* What a command needs of the export, and the flags it may have. */
static const struct command {
	uint16_t needs;
	uint16_t flags;
	bool changes; /* not on a read-only export */
	bool ranged;
	bool moves; /* len bytes, one way or the other */
} commands[] = {
	[NBD_READ] = { 0, NBD_FUA | NBD_DF, false, true, true },
	[NBD_WRITE] = { 0, NBD_FUA, true, true, true },
	[NBD_DISC] = { 0, 0xffff, false, false, false },
	[NBD_FLUSH] = { NBD_SEND_FLUSH, NBD_FUA, false, false, false },
	[NBD_TRIM] = { NBD_SEND_TRIM, NBD_FUA, true, true, false },
	[NBD_CACHE] = { NBD_SEND_CACHE, NBD_FUA, false, true, true },
	[NBD_WRITE_ZEROES] = { NBD_SEND_WRITE_ZEROES, NBD_FUA | NBD_NO_HOLE,
			       true, true, false },
	[NBD_BLOCK_STATUS] = { 0, NBD_FUA | NBD_REQ_ONE, false, true, false },
};

int nbd_proto_check(const struct nbd_proto *p, const struct nbd_request *rq)
{
	const struct command *cmd;

	if (rq->type >= ARRAY_SIZE(commands))
		return -EINVAL;
	cmd = &commands[rq->type];
	if (cmd->changes && p->flags & NBD_READ_ONLY)
		return -EPERM;
	if ((p->flags & cmd->needs) != cmd->needs || rq->flags & ~cmd->flags)
		return -EINVAL;
	if (rq->type == NBD_BLOCK_STATUS && !p->allocation)
		return -EINVAL;
	if ((rq->flags & NBD_FUA && !(p->flags & NBD_SEND_FUA)) ||
	    (rq->flags & NBD_DF && !p->structured))
		return -EINVAL;
	if (!cmd->ranged)
		return 0;
	if (!bytes_within(rq->off, rq->len, p->size))
		return cmd->changes && rq->type != NBD_TRIM ? -ENOSPC : -EINVAL;
	if (cmd->moves && rq->len > NBD_DATA_MAX)
		return -EINVAL;
	if (rq->flags & NBD_DF && rq->len > NBD_DF_MAX)
		return -EOVERFLOW;
	return rq->len ? 0 : -EINVAL;
}

uint32_t nbd_proto_errno(int err)
{
	switch (-err) {
	case 0:
		return 0;
	case EPERM:
	case EROFS:
	case EACCES:
		return 1; /* EPERM */
	case ENOMEM:
		return 12; /* ENOMEM */
	case EINVAL:
		return 22; /* EINVAL */
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return 28; /* ENOSPC */
	case EOVERFLOW:
		return 75; /* EOVERFLOW */
	case EOPNOTSUPP:
		return 95; /* ENOTSUP */
	case ESHUTDOWN:
		return 108; /* ESHUTDOWN */
	default:
		return 5; /* EIO */
	}
}

/* --- answers ------------------------------------------------------------- */

size_t nbd_proto_simple(uint8_t *out, uint64_t cookie, int err)
{
	bytes_put_be32(out, MAGIC_SIMPLE);
	bytes_put_be32(out + 4, nbd_proto_errno(err));
	memcpy(out + 8, &cookie, sizeof(cookie));
	return 16;
}

/* The head of a chunk of len bytes. */
static size_t chunk(uint8_t *out, uint64_t cookie, unsigned type, uint32_t len,
		    bool last)
{
	bytes_put_be32(out, MAGIC_CHUNK);
	bytes_put_be16(out + 4, last ? CHUNK_DONE : 0);
	bytes_put_be16(out + 6, type);
	memcpy(out + 8, &cookie, sizeof(cookie));
	bytes_put_be32(out + 16, len);
	return 20;
}

size_t nbd_proto_data(uint8_t *out, uint64_t cookie, uint64_t off, uint32_t len,
		      bool last)
{
	size_t at = chunk(out, cookie, CHUNK_OFFSET_DATA, 8 + len, last);

	bytes_put_be64(out + at, off);
	return at + 8;
}

size_t nbd_proto_error(uint8_t *out, uint64_t cookie, int err)
{
	size_t at = chunk(out, cookie, CHUNK_ERROR, 6, true);

	bytes_put_be32(out + at, nbd_proto_errno(err));
	bytes_put_be16(out + at + 4, 0); /* of a message */
	return at + 6;
}

size_t nbd_proto_status(uint8_t *out, uint64_t cookie, unsigned count)
{
	size_t at = chunk(out, cookie, CHUNK_BLOCK_STATUS, 4 + 8 * count, true);

	bytes_put_be32(out + at, ALLOCATION_ID);
	return at + 4;
}

void nbd_proto_descriptor(uint8_t out[8], uint32_t len, uint32_t state)
{
	bytes_put_be32(out, len);
	bytes_put_be32(out + 4, state);
}
