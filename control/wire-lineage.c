/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire-lineage.c - control messages of older lineages, to ours and back.
 *
 * All of them begin with a number and a cookie of 16 bits each and have their
 * body from byte 8 on; what is not said below is where ours has it.
 *
 *	280 bytes	OPEN, RESUME: u8 flags @8, u8 storage @9, u32 devnum
 *			@12, u32 domid @16, u16 length of the path @20, path
 *			@22; no second image, no timeout. Xen 4.2 has 21 FORCE
 *			SHUTDOWN and 22 EXIT, and no STATS; Xen 4.0 has 5 OPEN,
 *			7 PAUSE, 9 RESUME, 11 CLOSE, 13 EXIT (each with its
 *			answer behind it) and neither ATTACH nor LIST.
 *	536 bytes	the second image @280, no timeout. 24 is EXIT; with
 *			the first blktap3 24 is DISK_INFO, 26 CONNECT (no
 *			fields behind the port), 28 DISCONNECT, 30 EXIT.
 *	544 bytes	XenServer 6 has 24 EXIT and nothing above it.
 *
 * So what a number means can depend on the lineage, to the point that STATS
 * of one is FORCE SHUTDOWN of another: nothing but PID may be sent before the
 * lineage is known (client-lineage.c). The flag 0x10 was another thing (a log
 * of dirty blocks) before it was a change log.
 */
#include <errno.h>
#include <string.h>

#include "control/wire.h"
#include "lib/bytes.h"
#include "lib/err.h"

#define NUMBERS (WIRE_EXIT + 1)

/* In all lineages. */
#define OFF_FLAGS 8
#define OFF_BODY  20

/* Of 280 bytes. */
#define OFF_LENGTH 20
#define OFF_PATH   22

/* Of 536 bytes, and of ours. */
#define OFF_SECOND     280
#define OFF_TIMEOUT    280
#define OFF_OUR_SECOND 282

#define END_CONNECT 316 /* of what follows, the first blktap3 knows nothing */

#define FLAGS_XEN  0x00fu /* up to VHD_INDEX */
#define FLAGS_TAP2 0x1efu /* up to STANDBY; 0x10 is another thing */

#define UP_TO_DETACH                                                           \
	[WIRE_ERROR] = 1, [WIRE_PID] = 3, [WIRE_PID_RSP] = 4,                  \
	[WIRE_ATTACH] = 5, [WIRE_ATTACH_RSP] = 6, [WIRE_OPEN] = 7,             \
	[WIRE_OPEN_RSP] = 8, [WIRE_PAUSE] = 9, [WIRE_PAUSE_RSP] = 10,          \
	[WIRE_RESUME] = 11, [WIRE_RESUME_RSP] = 12, [WIRE_CLOSE] = 13,         \
	[WIRE_CLOSE_RSP] = 14, [WIRE_DETACH] = 15, [WIRE_DETACH_RSP] = 16,     \
	[WIRE_LIST] = 19, [WIRE_LIST_RSP] = 20
#define UP_TO_SHUTDOWN                                                         \
	UP_TO_DETACH, [WIRE_STATS] = 21, [WIRE_STATS_RSP] = 22,                \
		      [WIRE_FORCE_SHUTDOWN] = 23

struct dialect {
	const char *name;
	unsigned size;
	uint32_t flags; /* of OPEN; RESUME's is SECONDARY, from XenServer on */
	bool timeout;
	uint8_t theirs[NUMBERS]; /* by our number; 0: there is none */
};

static const struct dialect dialects[] = {
	[WIRE_OURS] = { "xapi's blktap 3 and 4",
			WIRE_SIZE,
			UINT32_MAX,
			true,
			{ 0 } },
	[WIRE_XS6] = { "XenServer 6's blktap2",
		       WIRE_SIZE,
		       FLAGS_TAP2,
		       true,
		       { UP_TO_SHUTDOWN, [WIRE_EXIT] = 24 } },
	[WIRE_EARLY3] = { "the first blktap3",
			  536,
			  FLAGS_TAP2,
			  false,
			  { UP_TO_SHUTDOWN, [WIRE_DISK_INFO] = 24,
			    [WIRE_DISK_INFO_RSP] = 25, [WIRE_CONNECT] = 26,
			    [WIRE_CONNECT_RSP] = 27, [WIRE_DISCONNECT] = 28,
			    [WIRE_DISCONNECT_RSP] = 29, [WIRE_EXIT] = 30 } },
	[WIRE_TAP2] = { "blktap 2.0 to 2.5",
			536,
			FLAGS_TAP2,
			false,
			{ UP_TO_SHUTDOWN, [WIRE_EXIT] = 24 } },
	[WIRE_XEN42] = { "Xen 4.2 to 4.12's blktap2",
			 280,
			 FLAGS_XEN,
			 false,
			 { UP_TO_DETACH, [WIRE_FORCE_SHUTDOWN] = 21,
			   [WIRE_EXIT] = 22 } },
	[WIRE_XEN40] = { "Xen 4.0's blktap2",
			 280,
			 FLAGS_XEN,
			 false,
			 { [WIRE_ERROR] = 1,
			   [WIRE_PID] = 3,
			   [WIRE_PID_RSP] = 4,
			   [WIRE_OPEN] = 5,
			   [WIRE_OPEN_RSP] = 6,
			   [WIRE_PAUSE] = 7,
			   [WIRE_PAUSE_RSP] = 8,
			   [WIRE_RESUME] = 9,
			   [WIRE_RESUME_RSP] = 10,
			   [WIRE_CLOSE] = 11,
			   [WIRE_CLOSE_RSP] = 12,
			   [WIRE_EXIT] = 13 } },
};

unsigned wire_size(enum wire_lineage lineage)
{
	return dialects[lineage].size;
}

const char *wire_lineage_name(enum wire_lineage lineage)
{
	return dialects[lineage].name;
}

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void put16(uint8_t *p, size_t v)
{
	uint16_t v16 = (uint16_t)v;

	memcpy(p, &v16, sizeof(v16));
}

/* 0 if it has no such message. */
static unsigned their_number(const struct dialect *d, unsigned type)
{
	return type < NUMBERS ? d->theirs[type] : 0;
}

static unsigned our_number(const struct dialect *d, unsigned theirs)
{
	for (unsigned type = 1; type < NUMBERS; type++) {
		if (d->theirs[type] && d->theirs[type] == theirs)
			return type;
	}
	return 0;
}

static bool has_params(unsigned type)
{
	return type == WIRE_OPEN || type == WIRE_RESUME;
}

/* What of an open or resume a lineage has no words for. */
static int check_params(const struct dialect *d, const struct wire_msg *msg,
			struct err *err)
{
	uint32_t flags = d->flags;

	if (msg->type == WIRE_RESUME)
		flags = d->timeout ? WIRE_SECONDARY : 0;
	if (msg->u.params.flags & ~flags)
		return err_set(err, -EPROTONOSUPPORT,
			       "%s does not know what flags %#x ask for",
			       d->name, msg->u.params.flags & ~flags);
	if (msg->u.params.timeout_s && !d->timeout)
		return err_set(err, -EPROTONOSUPPORT,
			       "%s has no timeout for requests", d->name);
	return 0;
}

/* From ours in the same buffer. */
static void move_params(const struct dialect *d, uint8_t buf[WIRE_SIZE],
			const struct wire_msg *msg)
{
	const char *path = msg->u.params.path;
	const char *second = msg->u.params.secondary;

	if (d->size == 536) {
		memset(buf + OFF_SECOND, 0, WIRE_SIZE - OFF_SECOND);
		memcpy(buf + OFF_SECOND, second,
		       strnlen(second, WIRE_PATH - 1));
	} else if (d->size == 280) {
		size_t len = strnlen(path, WIRE_PATH - 1);

		memset(buf + OFF_BODY, 0, WIRE_SIZE - OFF_BODY);
		put16(buf + OFF_LENGTH, len);
		memcpy(buf + OFF_PATH, path, len);
	}
}

int wire_encode_as(enum wire_lineage lineage, uint8_t buf[WIRE_SIZE],
		   const struct wire_msg *msg, struct err *err)
{
	const struct dialect *d = &dialects[lineage];
	unsigned theirs = their_number(d, msg->type);
	int rc;

	wire_encode(buf, msg);
	if (lineage == WIRE_OURS)
		return 0;
	if (!theirs)
		return err_set(err, -EPROTONOSUPPORT, "%s has no message '%s'",
			       d->name, wire_name(msg->type));
	if (has_params(msg->type)) {
		rc = check_params(d, msg, err);
		if (rc < 0)
			return rc;
		move_params(d, buf, msg);
	}
	if (msg->type == WIRE_CONNECT)
		memset(buf + END_CONNECT, 0, WIRE_SIZE - END_CONNECT);
	put16(buf, theirs);
	return 0;
}

/* To ours in the same buffer, of which d->size bytes are set. */
static void move_back(const struct dialect *d, uint8_t buf[WIRE_SIZE])
{
	uint8_t text[WIRE_PATH];

	if (d->size == 536) {
		memcpy(text, buf + OFF_SECOND, sizeof(text));
		put16(buf + OFF_TIMEOUT, 0);
		memcpy(buf + OFF_OUR_SECOND, text, sizeof(text));
	} else if (d->size == 280) {
		memcpy(text, buf + OFF_PATH, sizeof(text));
		memcpy(buf + OFF_BODY, text, sizeof(text));
		memset(buf + OFF_BODY + sizeof(text), 0,
		       WIRE_SIZE - OFF_BODY - sizeof(text));
		/* What lies behind the flags' one byte is not theirs. */
		memset(buf + OFF_FLAGS + 1, 0, 3);
	}
}

int wire_decode_as(enum wire_lineage lineage, struct wire_msg *out,
		   const uint8_t buf[WIRE_SIZE], struct err *err)
{
	const struct dialect *d = &dialects[lineage];
	uint8_t ours[WIRE_SIZE] = { 0 };
	unsigned type;
	int rc;

	if (lineage == WIRE_OURS)
		return wire_decode(out, buf, err);
	memcpy(ours, buf, d->size);
	type = our_number(d, get16(buf));
	put16(ours, type);
	if (has_params(type))
		move_back(d, ours);
	rc = wire_decode(out, ours, err);
	if (rc < 0)
		return err_wrap(err, "%s", d->name);
	return has_params(type) ? check_params(d, out, err) : 0;
}

static bool is_clear(const uint8_t *p, size_t len)
{
	while (len && !*p) {
		p++;
		len--;
	}
	return !len;
}

/* A path of 280 bytes' layout; what ours has there is no length. */
static bool is_xen_path(const uint8_t *buf)
{
	size_t len = get16(buf + OFF_LENGTH);
	size_t text = strnlen((const char *)buf + OFF_PATH, WIRE_PATH);

	return text < WIRE_PATH && (!len || len == text || len == text + 1);
}

/*
 * Xen 4.0's OPEN is Xen 4.2's ATTACH, its PAUSE is OPEN, its RESUME is PAUSE:
 * one of the two has a path, the other has none. Its CLOSE and EXIT cannot be
 * told from RESUME and CLOSE, but there is nothing to close for one whose
 * OPEN is refused.
 */
static bool is_whole_280(const uint8_t *buf, enum wire_lineage *lineage)
{
	bool path = !is_clear(buf + OFF_LENGTH, 280 - OFF_LENGTH);
	unsigned type = get16(buf);
	bool xen40 = (type == 5 && path) || (type == 7 && !path) ||
		     (type == 9 && path);

	*lineage = xen40 ? WIRE_XEN40 : WIRE_XEN42;
	if (!our_number(&dialects[*lineage], type))
		return false;
	return !path || type == 3 || is_xen_path(buf);
}

/* Where ours has a timeout and then a second image, it has that image. */
static bool is_whole_536(const uint8_t *buf, enum wire_lineage *lineage)
{
	unsigned type = get16(buf);
	uint32_t flags;

	*lineage = type < 24 ? WIRE_TAP2 : WIRE_EARLY3;
	if (!our_number(&dialects[*lineage], type))
		return false;
	if (type != WIRE_OPEN && type != WIRE_RESUME)
		return true;
	memcpy(&flags, buf + OFF_FLAGS, sizeof(flags));
	if (flags & WIRE_SECONDARY)
		return buf[OFF_SECOND] && buf[OFF_SECOND + 1];
	return is_clear(buf + OFF_SECOND, 536 - OFF_SECOND);
}

bool wire_is_whole(const uint8_t *buf, size_t have, enum wire_lineage *lineage)
{
	if (have == dialects[WIRE_XEN42].size)
		return is_whole_280(buf, lineage);
	return have == dialects[WIRE_TAP2].size && is_whole_536(buf, lineage);
}
