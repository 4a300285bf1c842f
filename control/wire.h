/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire.h - control messages: bytes to struct and back.
 *
 * One message is 544 bytes, native byte order, at most one request a
 * connection; the layouts and numbers are in messages.def and were taken
 * from the control protocol of xapi's blktap 3.x and 4.x.  Ids from 64 up are
 * ours.  Pure functions: no socket is touched here.  Decoding checks that
 * every string ends inside its array and every number is in its range before
 * anything is handed out.
 *
 * Older lineages have messages of other sizes and, in part, other numbers
 * and layouts (wire-lineage.c).  No message says of which lineage it is.
 */
#ifndef CONTROL_WIRE_H
#define CONTROL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct err;

#define WIRE_SIZE        544
#define WIRE_PATH        256
#define WIRE_COOKIE_ALL  0xffff
#define WIRE_LOG_TRAILER 256
#define WIRE_GREFS       16
#define WIRE_QUEUES      16
#define WIRE_STATS_MAX   (16u << 20)
#define WIRE_DOMID_MAX   0x7fefu

enum wire_type {
	WIRE_ERROR = 1,
	WIRE_PID = 3,
	WIRE_PID_RSP,
	WIRE_ATTACH,
	WIRE_ATTACH_RSP,
	WIRE_OPEN,
	WIRE_OPEN_RSP,
	WIRE_PAUSE,
	WIRE_PAUSE_RSP,
	WIRE_RESUME,
	WIRE_RESUME_RSP,
	WIRE_CLOSE,
	WIRE_CLOSE_RSP,
	WIRE_DETACH,
	WIRE_DETACH_RSP,
	WIRE_LIST_MINORS,
	WIRE_LIST_MINORS_RSP,
	WIRE_LIST,
	WIRE_LIST_RSP,
	WIRE_STATS,
	WIRE_STATS_RSP,
	WIRE_FORCE_SHUTDOWN,
	WIRE_CONNECT, /* one ring of at most 8 pages, no queue number */
	WIRE_CONNECT_RSP,
	WIRE_DISCONNECT, /* all rings of domid, devid */
	WIRE_DISCONNECT_RSP,
	WIRE_DISK_INFO,
	WIRE_DISK_INFO_RSP,
	WIRE_EXIT,

	/*
	 * Ours. CONNECT_QUEUE brings one queue's ring, of up to 16 pages, and
	 * perhaps a descriptor. For a queue that is served already it answers
	 * EALREADY when grefs, order, protocol and port are the same, EEXIST
	 * when not. DISCONNECT answers when nothing of the rings is in flight
	 * any more; ENODEV when there are none. HELLO's cookie is a minor.
	 */
	WIRE_CONNECT_QUEUE = 64,
	WIRE_CONNECT_QUEUE_RSP,
	WIRE_HELLO, /* are you of ours; and, of the disk, what is new */
	WIRE_HELLO_RSP,
	WIRE_DEBUG, /* set the debug topics */
	WIRE_DEBUG_RSP,
	WIRE_SERVE, /* add a transport to a running disk: path says which */
	WIRE_SERVE_RSP,
};

/* Flags of OPEN and RESUME. */
#define WIRE_SHARED         0x001u
#define WIRE_RDONLY         0x002u
#define WIRE_ADD_CACHE      0x004u
#define WIRE_VHD_INDEX      0x008u
#define WIRE_ADD_LOG        0x010u
#define WIRE_ADD_LCACHE     0x020u
#define WIRE_REUSE_PRT      0x040u
#define WIRE_SECONDARY      0x080u
#define WIRE_STANDBY        0x100u
#define WIRE_NO_O_DIRECT    0x200u
#define WIRE_OPEN_ENCRYPTED 0x400u

/* Decoded. Only the members of the message's type mean anything. */
struct wire_msg {
	enum wire_type type;
	uint16_t cookie; /* the minor */
	union {
		int32_t pid;
		struct {
			uint64_t sectors;
			uint32_t sector_size;
			uint32_t info; /* 1 CD-ROM, 2 removable, 4 read-only */
		} image;
		struct {
			uint32_t flags;
			uint32_t devnum;
			uint32_t domid;
			char path[WIRE_PATH];
			uint32_t prt_devnum;
			uint16_t timeout_s;
			char secondary[WIRE_PATH];
		} params;
		struct {
			int32_t error; /* positive errno */
			char message[WIRE_PATH];
		} response;
		struct {
			int32_t count;
			int32_t minor;
			int32_t state;
			char path[WIRE_PATH];
		} list;
		struct {
			uint64_t length;
		} stats;
		struct {
			uint32_t domid;
			uint32_t devid;
			uint32_t queue;     /* CONNECT_QUEUE */
			uint32_t nr_queues; /* CONNECT_QUEUE */
			uint32_t order;
			uint32_t proto; /* 1 native, 2 x86-32, 3 x86-64 */
			uint32_t grefs[WIRE_GREFS];
			uint32_t port;
			uint32_t max_segs; /* CONNECT_QUEUE: indirect */
			uint32_t flags;    /* CONNECT_QUEUE: WIRE_RING_* */
			uint32_t poll_us;
			uint32_t poll_idle;
			char pool[WIRE_PATH]; /* CONNECT */
		} ring;
		struct {
			uint32_t version;
			uint32_t features;
			uint32_t block_size; /* of the disk, 0: not open */
			uint32_t discard;    /* its granularity, 0: cannot */
		} hello;
	} u;
};

#define WIRE_RING_RDONLY (1u << 0) /* this client may not write */
#define WIRE_RING_KEEP   (1u << 1) /* its grants are persistent */
#define WIRE_RING_ALL    (WIRE_RING_RDONLY | WIRE_RING_KEEP)

/* buf is cleared first, so that no byte of ours leaks. */
void wire_encode(uint8_t buf[WIRE_SIZE], const struct wire_msg *msg);

/*
 * 0, or -EINVAL with a sentence; then out->cookie and type are still set when
 * they could be read.
 */
int wire_decode(struct wire_msg *out, const uint8_t buf[WIRE_SIZE],
		struct err *err);

/* "open", "list response"; "unknown" for what is not in the table. */
const char *wire_name(unsigned type);

/*
 * Whose messages: ours are those of xapi's blktap 3.x and 4.x, and more. Of
 * a message of 536 bytes it depends on its number which of the two it is.
 */
enum wire_lineage {
	WIRE_OURS,   /* 544 bytes */
	WIRE_XS6,    /* 544: xapi's blktap2, XenServer 6 */
	WIRE_EARLY3, /* 536: the first blktap3 */
	WIRE_TAP2,   /* 536: blktap 2.0 to 2.5, OpenXT's blktap2 */
	WIRE_XEN42,  /* 280: Xen 4.2 to 4.12 */
	WIRE_XEN40,  /* 280: Xen 4.0; other numbers, no attach, no list */
};

unsigned wire_size(enum wire_lineage lineage);
const char *wire_lineage_name(enum wire_lineage lineage);

/*
 * As above, in a lineage's words: the first wire_size() bytes of buf. What
 * a lineage has no message or no field for is refused, -EPROTONOSUPPORT, with
 * a sentence that names it.
 */
int wire_encode_as(enum wire_lineage lineage, uint8_t buf[WIRE_SIZE],
		   const struct wire_msg *msg, struct err *err);
int wire_decode_as(enum wire_lineage lineage, struct wire_msg *out,
		   const uint8_t buf[WIRE_SIZE], struct err *err);

/*
 * Whether a request that stopped after so many bytes is a whole one of an
 * older lineage, and of which.
 */
bool wire_is_whole(const uint8_t *buf, size_t have, enum wire_lineage *lineage);

#ifdef __cplusplus
}
#endif

#endif /* CONTROL_WIRE_H */
