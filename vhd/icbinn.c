/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* icbinn.c - the ICBINN file service's messages, as bytes. */
#include "vhd/icbinn.h"

#include <errno.h>
#include <string.h>

#include "lib/bytes.h"

#define PROGRAM    0x6ceb6dc7u
#define VERSION_1  1u
#define RPC        2u
#define CALL       0u
#define REPLY      1u
#define LAST       0x80000000u
#define MARK_BYTES 4u
#define AUTH_MAX   400u

static bool room(struct vhd_xdr *x, size_t len)
{
	if (x->bad || !bytes_within(x->at, len, x->size))
		x->bad = true;
	return !x->bad;
}

void vhd_xdr_put32(struct vhd_xdr *x, uint32_t v)
{
	if (!room(x, 4))
		return;
	bytes_put_be32(x->buf + x->at, v);
	x->at += 4;
}

void vhd_xdr_put64(struct vhd_xdr *x, uint64_t v)
{
	vhd_xdr_put32(x, (uint32_t)(v >> 32));
	vhd_xdr_put32(x, (uint32_t)v);
}

void vhd_xdr_put_bytes(struct vhd_xdr *x, const void *p, size_t len)
{
	size_t padded = (size_t)bytes_round_up(len, 4);

	vhd_xdr_put32(x, (uint32_t)len);
	if (!room(x, padded))
		return;
	memset(x->buf + x->at, 0, padded);
	if (len)
		memcpy(x->buf + x->at, p, len);
	x->at += padded;
}

uint32_t vhd_xdr_get32(struct vhd_xdr *x)
{
	uint32_t v;

	if (!room(x, 4))
		return 0;
	v = bytes_be32(x->buf + x->at);
	x->at += 4;
	return v;
}

uint64_t vhd_xdr_get64(struct vhd_xdr *x)
{
	uint64_t high = vhd_xdr_get32(x);

	return high << 32 | vhd_xdr_get32(x);
}

const uint8_t *vhd_xdr_get_bytes(struct vhd_xdr *x, size_t max, size_t *len)
{
	const uint8_t *p;

	*len = vhd_xdr_get32(x);
	if (*len > max || !room(x, (size_t)bytes_round_up(*len, 4))) {
		x->bad = true;
		*len = 0;
		return NULL;
	}
	p = x->buf + x->at;
	x->at += (size_t)bytes_round_up(*len, 4);
	return p;
}

bool vhd_xdr_get_string(struct vhd_xdr *x, char *out, size_t max)
{
	size_t len;
	const uint8_t *p = vhd_xdr_get_bytes(x, max, &len);

	out[0] = '\0';
	if (!p || memchr(p, 0, len)) {
		x->bad = true;
		return false;
	}
	memcpy(out, p, len);
	out[len] = '\0';
	return true;
}

static void start(struct vhd_xdr *x, uint32_t xid, uint32_t kind)
{
	x->at = MARK_BYTES;
	x->bad = x->size < MARK_BYTES;
	vhd_xdr_put32(x, xid);
	vhd_xdr_put32(x, kind);
}

void vhd_icbinn_call(struct vhd_xdr *x, uint32_t xid, uint32_t proc)
{
	start(x, xid, CALL);
	vhd_xdr_put32(x, RPC);
	vhd_xdr_put32(x, PROGRAM);
	vhd_xdr_put32(x, VERSION_1);
	vhd_xdr_put32(x, proc);
	vhd_xdr_put64(x, 0); /* credentials: none */
	vhd_xdr_put64(x, 0); /* verifier: none */
}

void vhd_icbinn_reply(struct vhd_xdr *x, uint32_t xid, uint32_t accept)
{
	start(x, xid, REPLY);
	vhd_xdr_put32(x, 0); /* accepted */
	vhd_xdr_put64(x, 0); /* verifier: none */
	vhd_xdr_put32(x, accept);
	if (accept == ICBINN_PROG_MISMATCH) {
		vhd_xdr_put32(x, VERSION_1);
		vhd_xdr_put32(x, VERSION_1);
	}
}

size_t vhd_icbinn_seal(struct vhd_xdr *x)
{
	if (x->bad)
		return 0;
	bytes_put_be32(x->buf, LAST | (uint32_t)(x->at - MARK_BYTES));
	return x->at;
}

static void skip_auth(struct vhd_xdr *x)
{
	size_t len;

	(void)vhd_xdr_get32(x); /* whichever it is */
	(void)vhd_xdr_get_bytes(x, AUTH_MAX, &len);
}

bool vhd_icbinn_get_call(struct vhd_xdr *x, uint32_t *xid, uint32_t *proc,
			 uint32_t *accept)
{
	uint32_t kind, rpc, program, version;

	*xid = vhd_xdr_get32(x);
	kind = vhd_xdr_get32(x);
	rpc = vhd_xdr_get32(x);
	program = vhd_xdr_get32(x);
	version = vhd_xdr_get32(x);
	*proc = vhd_xdr_get32(x);
	skip_auth(x);
	skip_auth(x);
	if (x->bad || kind != CALL || rpc != RPC)
		return false;
	*accept = ICBINN_SUCCESS;
	if (program != PROGRAM)
		*accept = ICBINN_PROG_UNAVAIL;
	else if (version != VERSION_1)
		*accept = ICBINN_PROG_MISMATCH;
	else if (*proc >= ICBINN_PROCS)
		*accept = ICBINN_PROC_UNAVAIL;
	return true;
}

int vhd_icbinn_get_reply(struct vhd_xdr *x, uint32_t xid)
{
	uint32_t id = vhd_xdr_get32(x), kind = vhd_xdr_get32(x), accept;

	if (vhd_xdr_get32(x) != 0) /* denied */
		return -EACCES;
	skip_auth(x);
	accept = vhd_xdr_get32(x);
	if (x->bad || id != xid || kind != REPLY)
		return -EPROTO;
	if (accept == ICBINN_GARBAGE_ARGS)
		return -EINVAL;
	return accept == ICBINN_SUCCESS ? 0 : -EOPNOTSUPP;
}
