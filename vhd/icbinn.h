/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * icbinn.h - the ICBINN file service's messages, as bytes.
 *
 * ONC RPC over a stream: each message is one record, a length with its top
 * bit set and that many bytes of big-endian words.  Both ends use this; it
 * does no I/O.  Numbers and types: program 0x6ceb6dc7, version 1, no
 * authentication; paths of 4096 bytes and data of 16384 at most.
 */
#ifndef VHD_ICBINN_H
#define VHD_ICBINN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VHD_ICBINN_PORT    4878
#define VHD_ICBINN_PATH    4096u
#define VHD_ICBINN_NAME    1024u
#define VHD_ICBINN_DATA    16384u
#define VHD_ICBINN_MESSAGE (1u << 17) /* bytes, what old peers send too */

enum vhd_icbinn_proc {
	ICBINN_NULL,
	ICBINN_READDIR,
	ICBINN_STAT,
	ICBINN_OPEN,
	ICBINN_LOCK,
	ICBINN_PREAD,
	ICBINN_PWRITE,
	ICBINN_CLOSE,
	ICBINN_MKDIR,
	ICBINN_RMDIR,
	ICBINN_RENAME,
	ICBINN_UNLINK,
	ICBINN_FTRUNCATE,
	ICBINN_RAND,
	ICBINN_FALLOCATE,
	ICBINN_SYMLINK,
	ICBINN_READLINK,
	ICBINN_STATFS,
	ICBINN_FSYNC,
	ICBINN_PROCS,
};

#define ICBINN_RDONLY 0u
#define ICBINN_WRONLY 1u
#define ICBINN_RDWR   2u
#define ICBINN_CREAT  0100u
#define ICBINN_TRUNC  01000u

enum vhd_icbinn_type {
	ICBINN_FILE,
	ICBINN_DIR,
	ICBINN_LINK,
	ICBINN_OTHER,
};

enum vhd_icbinn_accept {
	ICBINN_SUCCESS = 0,
	ICBINN_PROG_UNAVAIL = 1,
	ICBINN_PROG_MISMATCH = 2,
	ICBINN_PROC_UNAVAIL = 3,
	ICBINN_GARBAGE_ARGS = 4,
};

/* A message being made or read. What does not fit sets bad, and no more. */
struct vhd_xdr {
	uint8_t *buf;
	size_t size; /* of buf, or of the message that is read */
	size_t at;
	bool bad;
};

void vhd_xdr_put32(struct vhd_xdr *x, uint32_t v);
void vhd_xdr_put64(struct vhd_xdr *x, uint64_t v);
void vhd_xdr_put_bytes(struct vhd_xdr *x, const void *p, size_t len);

uint32_t vhd_xdr_get32(struct vhd_xdr *x);
uint64_t vhd_xdr_get64(struct vhd_xdr *x);
/* The bytes in place, at most max of them; NULL if bad. */
const uint8_t *vhd_xdr_get_bytes(struct vhd_xdr *x, size_t max, size_t *len);
/* A string without zeroes in it, ended; out has max + 1 bytes. */
bool vhd_xdr_get_string(struct vhd_xdr *x, char *out, size_t max);

/* Begin a record: a call; seal gives its length, mark and all, or 0. */
void vhd_icbinn_call(struct vhd_xdr *x, uint32_t xid, uint32_t proc);
void vhd_icbinn_reply(struct vhd_xdr *x, uint32_t xid, uint32_t accept);
size_t vhd_icbinn_seal(struct vhd_xdr *x);

/* The header of a message without its mark. */
bool vhd_icbinn_get_call(struct vhd_xdr *x, uint32_t *xid, uint32_t *proc,
			 uint32_t *accept);
/* 0, -EPROTO, or -errno for what the peer says of the RPC itself. */
int vhd_icbinn_get_reply(struct vhd_xdr *x, uint32_t xid);

/*
 * Answer the calls that come by sock from the folder root (an O_PATH
 * descriptor will do), until the peer is gone or silent for a minute. limit
 * is how much data a call may hold.
 */
int vhd_icbinn_serve(int sock, int root, uint32_t limit);

#endif /* VHD_ICBINN_H */
