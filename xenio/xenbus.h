/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbus.h - what XenStore says about a disk, checked, and what to do next.
 *
 * The two directories of a disk are the backend's (B: written by the
 * toolstack, its hotplug script and us) and the frontend's (F: the guest may
 * write anything there at any time).  Everything is decided from the state
 * the two are in and never from the change that led there: watches come
 * late, come twice, or stand for several changes at once.
 *
 * F and B have the same states, of which a frontend may skip the second:
 *
 *	Initialising(1) InitWait(2) Initialised(3) Connected(4)
 *	Closing(5) Closed(6)
 *
 *	B 1			say what we can do, B 2 at once
 *	F 3 or 4, disk known	connect; say what the disk is; B 4
 *	F 5			B 5; the ring stays until F is 6 or gone
 *	F 6 or gone		disconnect; B 6 when nothing is in flight
 *	F 1 while B is 6	from the start, while B is online
 *	B 5 or offline		wait for F to leave 2..5, then as F 6
 *	B gone			disconnect, write nothing
 *
 * Nodes of a kernel backend are ours only while they carry the marker
 * XENBUS_OWNER; its value is what somebody asks for, XENBUS_STATUS our
 * answer. The protocol, with what comes before and after it:
 *
 *	serve, B 2		say what we can do, "ready"; from there as
 *above, and "active" when B is 4 takeover, B 4 F 4	connect without a word
 *to the guest, "bound" serve, bound		"active" release, F 3 or 4
 *disconnect without a word to the guest, "released" it failed		"failed:
 *SENTENCE"; B's state is left alone, but for one that is served F or B leave,
 *any	as above a driver is bound	nothing, and B is not written to marker
 *gone		as B gone
 *
 * A request is acted upon until its answer is there: who asks again removes
 * the answer first.
 *
 * Pure functions over strings: no I/O, no allocation, no clock.
 */
#ifndef XENIO_XENBUS_H
#define XENIO_XENBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "xenio/ring.h"

struct err;

#define XENBUS_ORDER_MAX  4
#define XENBUS_PAGES_MAX  (1u << XENBUS_ORDER_MAX)
#define XENBUS_QUEUES_MAX 16
#define XENBUS_PORT_MAX   ((1u << 17) - 1)
#define XENBUS_DOMID_MAX  0x7fef

enum xenbus_state {
	XENBUS_UNKNOWN, /* no such node, or not a state */
	XENBUS_INITIALISING,
	XENBUS_INIT_WAIT,
	XENBUS_INITIALISED,
	XENBUS_CONNECTED,
	XENBUS_CLOSING,
	XENBUS_CLOSED,
	XENBUS_RECONFIGURING,
	XENBUS_RECONFIGURED,
};

/* The nodes that are read. */
enum xenbus_key {
	XENBUS_B_FRONTEND,
	XENBUS_B_STATE,
	XENBUS_B_ONLINE,
	XENBUS_B_MODE,
	XENBUS_B_DEVICE_TYPE,
	XENBUS_B_DISCARD_ENABLE,
	XENBUS_B_HOTPLUG_STATUS,
	XENBUS_B_DEVICE_PATH,
	XENBUS_B_PID,
	XENBUS_B_MINOR,
	XENBUS_B_POLL_DURATION,
	XENBUS_B_POLL_IDLE,
	XENBUS_B_RESIZE,
	XENBUS_B_OWNER,
	XENBUS_B_STATUS,
	XENBUS_B_LIMIT,
	XENBUS_B_ENDS,
	XENBUS_B_SECTORS,
	XENBUS_B_SECTOR_SIZE,
	XENBUS_B_INFO,
	XENBUS_B_PERSISTENT,
	XENBUS_F_STATE,
	XENBUS_F_DEVICE_TYPE,
	XENBUS_F_PROTOCOL,
	XENBUS_F_ORDER,
	XENBUS_F_PAGES,
	XENBUS_F_QUEUES,
	XENBUS_F_PERSISTENT,
	XENBUS_KEYS,
};

struct xenbus_key_name {
	const char *name;
	bool front;  /* below F; else below B */
	bool marked; /* only of those that carry the marker */
};

extern const struct xenbus_key_name xenbus_key_names[XENBUS_KEYS];

/* The marker: its presence makes a kernel backend's node ours. */
#define XENBUS_OWNER  "xenio-owner"
#define XENBUS_STATUS "xenio-status"

/* Whether a node of this name below B can change what is to be done. */
bool xenbus_cares(const char *name);

/* The nodes as they were read, all at one instant; NULL: no such node. */
struct xenbus_nodes {
	const char *value[XENBUS_KEYS];
};

/* What the marker's value asks for. */
enum xenbus_want {
	XENBUS_WANT_ALL,      /* it is no kernel backend's: no marker */
	XENBUS_WANT_NONE,     /* it is one, and there is no marker: not ours */
	XENBUS_WANT_SERVE,    /* as any other disk */
	XENBUS_WANT_TAKEOVER, /* what is connected to the kernel, at B 4 */
	XENBUS_WANT_RELEASE,  /* for the kernel to have it back, at B 4 */
	XENBUS_WANT_UNKNOWN,  /* something else: nothing */
};

/* What we have answered last. */
enum xenbus_status {
	XENBUS_SAID_NOTHING,
	XENBUS_SAID_READY,
	XENBUS_SAID_BOUND,
	XENBUS_SAID_ACTIVE,
	XENBUS_SAID_RELEASED,
	XENBUS_SAID_FAILED,
};

#define XENBUS_LIMIT_MS 30000u

/* What they say. */
struct xenbus_view {
	bool present; /* B is there */
	bool online;
	bool front_gone; /* F has no state */
	bool hotplugged; /* the hotplug script is done */
	bool tapdisk;    /* pid and minor are known */
	bool readonly;
	bool cdrom;
	bool discard;    /* may be offered */
	bool persistent; /* the guest's grants are, as B says they may be */
	bool resize;     /* somebody says that the disk's size has changed */
	enum xenbus_state back;
	enum xenbus_state front;
	pid_t pid;
	int minor;
	uint32_t poll_us;
	uint32_t poll_idle;
	enum xenbus_want want;
	enum xenbus_status said;
	uint32_t limit_ms; /* of waiting for the kernel to let go */
	bool ends;         /* the tapdisk goes with the disk */
	bool gone;         /* B is no more, marker or not */
	uint64_t sectors;  /* as B says them; 0: it does not */
	uint32_t sector_size;
	uint32_t info;
};

/*
 * marked: only the marker makes it ours.
 *
 * Never fails: a value that makes no sense counts as the safer one (no mode
 * that says writable is read-only, a state that is none is UNKNOWN).
 */
void xenbus_look(struct xenbus_view *out, const struct xenbus_nodes *nodes,
		 bool marked);

/* Pid and minor of the control directory's "nbd<pid>.<minor>". */
int xenbus_tapdisk(pid_t *pid, int *minor, const char *path);

/* What we advertise, and so the most a frontend may ask for. */
struct xenbus_limits {
	unsigned order;  /* at most XENBUS_ORDER_MAX */
	unsigned queues; /* at most XENBUS_QUEUES_MAX */
};

struct xenbus_queue {
	uint32_t grefs[XENBUS_PAGES_MAX];
	uint32_t port;
};

/* A frontend's rings; unused parts are zero, so that memcmp() compares. */
struct xenbus_ring {
	enum ring_proto proto;
	unsigned order;
	unsigned queues;
	bool numbered; /* the references' names are numbered */
	struct xenbus_queue queue[XENBUS_QUEUES_MAX];
};

/* The first step: layout, order and number of queues, each in its range. */
int xenbus_ring_shape(struct xenbus_ring *out, const struct xenbus_nodes *nodes,
		      const struct xenbus_limits *limits, struct err *err);

#define XENBUS_NAME_MAX 40

/*
 * Names, below F, of page's reference and of the port of a queue. There are
 * two names for the only page of a ring; spare asks for the one to try when
 * the first is not there. false: there is no such name.
 */
bool xenbus_ref_name(char out[XENBUS_NAME_MAX], const struct xenbus_ring *ring,
		     unsigned queue, unsigned page, bool spare);
void xenbus_port_name(char out[XENBUS_NAME_MAX], const struct xenbus_ring *ring,
		      unsigned queue);

/* Then, for each queue, what was found there; NULL: no such node. */
int xenbus_ring_queue(struct xenbus_ring *ring, unsigned queue,
		      const char *const refs[XENBUS_PAGES_MAX],
		      const char *port, struct err *err);

/* How far the disk's own side is. */
enum xenbus_link {
	XENBUS_LINK_NONE,   /* tapdisk has no ring of ours */
	XENBUS_LINK_UNSURE, /* it may have one: we were not here to see */
	XENBUS_LINK_BUSY,   /* an exchange with it is under way */
	XENBUS_LINK_UP,     /* it serves the ring */
};

struct xenbus_self {
	enum xenbus_link link;
	bool front_seen;   /* F has had a state */
	bool failed;       /* connecting failed; until F starts afresh */
	bool ring_changed; /* F's ring is not the one that is served */
	bool deletes;      /* nobody but us removes B: a driver domain */
	bool driven;       /* a driver of the kernel's is bound to it */
	bool opens;        /* we start its tapdisk, as nobody else does */
	bool opened;       /* and did */
};

enum xenbus_action {
	XENBUS_NOTHING,
	XENBUS_FORGET,    /* B is gone and nothing is left of it */
	XENBUS_ADVERTISE, /* what we can do; B 2 */
	XENBUS_CONNECT,   /* have tapdisk serve the ring */
	XENBUS_ANNOUNCE,  /* what the disk is; B 4 */
	XENBUS_RESIZE,    /* find the size, and say B 4 again */
	XENBUS_CLOSE,     /* B 5 */
	XENBUS_DROP,      /* have tapdisk give the ring up */
	XENBUS_END,       /* B 6 */
	XENBUS_DELETE,    /* remove B */
	XENBUS_OPEN,      /* start a tapdisk */
	XENBUS_SHUT,      /* have it end */
	XENBUS_AWAIT,     /* wait for the kernel's driver to go */
	XENBUS_REFUSE,    /* not as it has to be for a takeover */
	XENBUS_BOUND,     /* say so: the ring was taken over */
	XENBUS_ACTIVE,    /* say so: it is a disk as any other */
	XENBUS_RELEASED,  /* say so: nothing is left of us */
};

enum xenbus_action xenbus_next(const struct xenbus_view *view,
			       const struct xenbus_self *self);

#endif /* XENIO_XENBUS_H */
