/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * abi.h - the blktap2 kernel char device: numbers and layouts of all variants.
 *
 * Shared by tapdisk, tap-ctl and our kernel module.  All ioctl numbers are
 * plain integers.  Layouts are those of 64-bit little-endian hosts; there
 * never was another user that worked.  What differs between variants is in
 * comments: XS is the driver of XenServer and XCP-ng, DS the family of
 * linux/blktap.h (dkms, OpenXT), JF the 2.6.32 tree.
 */
#ifndef COMPAT_BLKTAP2_ABI_H
#define COMPAT_BLKTAP2_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#define ABI_ASSERT(c) static_assert(c)
#else
#include <stddef.h>
#define ABI_ASSERT(c) _Static_assert(c, #c)
#endif

/* Names in /proc/misc and /proc/devices. */
#define ABI_MISC_XS      "blktap/control"
#define ABI_MISC_CLASSIC "blktap-control"
#define ABI_RING_MAJOR   "blktap2"
#define ABI_DISK_MAJOR   "tapdev"

/* Control device. */
#define ABI_ALLOC_TAP 200 /* out: struct abi_handle */
#define ABI_FREE_TAP  201 /* minor by value */

/* Ring device. */
#define ABI_RESPOND       1
#define ABI_CREATE_COMPAT 202 /* in: struct abi_params */
#define ABI_SET_PARAMS    203
#define ABI_PAUSE         204
#define ABI_REOPEN        205
#define ABI_RESUME        206
#define ABI_REMOVE        207
#define ABI_CREATE        208 /* in, DS also out: struct abi_info */

/* Ring: one page of 32 slots, then 11 data pages for each slot. */
#define ABI_PAGE      4096
#define ABI_SLOTS     32
#define ABI_SEGS      11
#define ABI_MAP_PAGES (1 + ABI_SLOTS * ABI_SEGS)
#define ABI_MAP_SIZE  (ABI_MAP_PAGES * ABI_PAGE)

enum {
	ABI_OP_READ = 0,
	ABI_OP_WRITE = 1,
	ABI_OP_FLUSH = 2, /* DS; not blkif's number */
	ABI_OP_TRIM = 3,  /* DS; not blkif's number */
};

enum {
	ABI_OKAY = 0,
	ABI_ERROR = -1,
	ABI_EOPNOTSUPP = -2,
};

/*
 * Large requests: an extension of our module's own, that no other has and no
 * tapdisk but ours asks for. The ioctl comes before mmap: the module answers
 * what it gives, and a mapping that is longer by just so much has, behind the
 * data pages, a window of memory for requests of more than 11 pages. (Other
 * modules refuse it, with EACCES or ENOTTY; so does ours for a mapping that
 * is there, with EBUSY.) Such a request is one entry of the ring, with an op
 * of its own, no segments, and its bytes in one piece of the window. What
 * finds no room there, or was meant for an earlier process and finds a
 * mapping without a window, comes in pieces of 11 pages or fewer, one after
 * the other. The op of the answer is that of the entry, as always.
 */
#define ABI_LARGE         _IOWR(0xb7, 1, struct abi_large) /* in and out */
#define ABI_LARGE_VERSION 1
#define ABI_LARGE_BYTES   (1u << 20)  /* of a request: no more than that */
#define ABI_GRAIN         (64u << 10) /* a window's unit */
#define ABI_WINDOW_MAX    (32u << 20)

enum {
	ABI_OP_READ_LARGE = 16,
	ABI_OP_WRITE_LARGE = 17,
};

/* Bits of abi_info.flags. */
#define ABI_RO    1u
#define ABI_PSZ   2u /* DS: phys_* are valid */
#define ABI_FLUSH 4u /* DS */
#define ABI_TRIM  8u /* DS: trim_* are valid */

/* Bytes of the ring's msg: none but these, and never from XS. */
enum {
	ABI_MSG_PAUSE = 1,
	ABI_MSG_RESUME = 2,
	ABI_MSG_CLOSE = 3,
};

struct abi_handle {
	__u32 ring_major;
	__u32 disk_major;
	__u32 minor;
};

struct abi_params {
	char name[256];
	__u64 capacity; /* in sectors of 512 bytes, always */
	__u64 sector_size;
};

/*
 * One zeroed buffer that serves all: XS copies 56 bytes and wants a valid
 * physical_sector_size; DS copies 24, then phys_* and trim_* as flags say,
 * and writes flags back with only the bits that it knows.
 */
struct abi_info {
	__u64 capacity; /* in sectors of 512 bytes, always */
	__u32 sector_size;
	__u32 physical_sector_size; /* DS: padding */
	__u64 flags;
	__u32 phys_block_size; /* XS: 32 reserved bytes from here */
	__u32 phys_block_offset;
	__u32 trim_block_size;
	__u32 trim_block_offset;
	__u64 reserved[2];
};

struct abi_large {
	__u32 version;  /* ABI_LARGE_VERSION */
	__u32 bytes;    /* of the largest request; pages, more than 11 */
	__u32 window;   /* bytes; grains, at least one request */
	__u32 reserved; /* 0 */
};

struct abi_segment {
	__u32 pad;
	__u8 first; /* sectors of 512 bytes within the page */
	__u8 last;
	__u16 pad2;
};

struct abi_request {
	__u8 op;
	__u8 nr_segments;
	__u16 pad;
	__u32 pad2;
	__u64 id; /* slot of the data area */
	__u64 sector;
	union {
		struct abi_segment seg[ABI_SEGS];
		__u64 nr_sectors; /* TRIM */
		struct {
			__u64 nr_sectors;
			__u64 at; /* bytes from the window's start; pages */
		} large;
	};
};

struct abi_response {
	__u64 id;
	__u8 op;
	__u8 pad;
	__s16 status;
	__u32 pad2;
};

union abi_slot {
	struct abi_request req;
	struct abi_response rsp;
};

struct abi_ring {
	__u32 req_prod;
	__u32 req_event; /* 1, and never used */
	__u32 rsp_prod;
	__u32 rsp_event; /* 1, and never used */
	__u8 msg;
	__u8 pad[47];
	union abi_slot slot[ABI_SLOTS];
};

ABI_ASSERT(sizeof(struct abi_handle) == 12);
ABI_ASSERT(sizeof(struct abi_params) == 272);
ABI_ASSERT(offsetof(struct abi_params, capacity) == 256);
ABI_ASSERT(offsetof(struct abi_params, sector_size) == 264);
ABI_ASSERT(sizeof(struct abi_info) == 56);
ABI_ASSERT(offsetof(struct abi_info, sector_size) == 8);
ABI_ASSERT(offsetof(struct abi_info, physical_sector_size) == 12);
ABI_ASSERT(offsetof(struct abi_info, flags) == 16);
ABI_ASSERT(offsetof(struct abi_info, phys_block_size) == 24);
ABI_ASSERT(offsetof(struct abi_info, phys_block_offset) == 28);
ABI_ASSERT(offsetof(struct abi_info, trim_block_size) == 32);
ABI_ASSERT(offsetof(struct abi_info, trim_block_offset) == 36);
ABI_ASSERT(sizeof(struct abi_large) == 16);
ABI_ASSERT(ABI_LARGE == 0xc010b701);
ABI_ASSERT(ABI_LARGE_BYTES % ABI_GRAIN == 0);
ABI_ASSERT(ABI_WINDOW_MAX % ABI_GRAIN == 0);
ABI_ASSERT(ABI_GRAIN % ABI_PAGE == 0);
ABI_ASSERT(sizeof(struct abi_segment) == 8);
ABI_ASSERT(offsetof(struct abi_segment, first) == 4);
ABI_ASSERT(offsetof(struct abi_segment, last) == 5);
ABI_ASSERT(sizeof(struct abi_request) == 112);
ABI_ASSERT(offsetof(struct abi_request, nr_segments) == 1);
ABI_ASSERT(offsetof(struct abi_request, id) == 8);
ABI_ASSERT(offsetof(struct abi_request, sector) == 16);
ABI_ASSERT(offsetof(struct abi_request, seg) == 24);
ABI_ASSERT(offsetof(struct abi_request, nr_sectors) == 24);
ABI_ASSERT(offsetof(struct abi_request, large.nr_sectors) == 24);
ABI_ASSERT(offsetof(struct abi_request, large.at) == 32);
ABI_ASSERT(sizeof(struct abi_response) == 16);
ABI_ASSERT(offsetof(struct abi_response, op) == 8);
ABI_ASSERT(offsetof(struct abi_response, status) == 10);
ABI_ASSERT(sizeof(union abi_slot) == 112);
ABI_ASSERT(offsetof(struct abi_ring, rsp_prod) == 8);
ABI_ASSERT(offsetof(struct abi_ring, msg) == 16);
ABI_ASSERT(offsetof(struct abi_ring, slot) == 64);
ABI_ASSERT(sizeof(struct abi_ring) <= ABI_PAGE);
ABI_ASSERT(ABI_MAP_SIZE == 1445888);

#endif /* COMPAT_BLKTAP2_ABI_H */
