/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-impl.h - what the files of a device share: the struct itself.
 */
#ifndef XENIO_DEVICE_IMPL_H
#define XENIO_DEVICE_IMPL_H

#include "control/client.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "xenio/device-env.h"

#define DEVICE_PATH_MAX 512

/* Where an exchange with a tapdisk is. */
enum device_step {
	DEVICE_HELLO,      /* is it of ours */
	DEVICE_INFO,       /* the disk's size */
	DEVICE_CONNECT,    /* queue by queue */
	DEVICE_RECONNECT,  /* it has another ring: that one away first */
	DEVICE_UNDO,       /* it failed: away with what was connected */
	DEVICE_DISCONNECT, /* the ring is no longer wanted */
	DEVICE_RESIZE,     /* the size, again */
	DEVICE_CLOSE,      /* the tapdisk goes with the disk */
	DEVICE_DETACH,     /* and with this it ends */
};

struct device {
	const struct device_env *env;
	struct device_id id;
	char name[64];               /* for the log: "vbd3/5/51712" */
	char back[DEVICE_PATH_MAX];  /* B */
	char front[DEVICE_PATH_MAX]; /* F, "" while it is not known */
	void (*gone)(void *arg);
	void *arg;

	struct timer look;
	uint64_t window_ns; /* of the count of looks */
	unsigned looks;
	bool domain_ended; /* perhaps: ask */
	bool domain_gone;
	bool met; /* was looked at before */
	struct log_limit limit;

	struct timer retry; /* of what the kernel still holds */
	uint64_t since_ns;  /* a request waits; 0: none does */
	bool warned;        /* of a driver of the kernel's */
	bool taking;        /* this exchange takes over */
	struct watch child; /* pidfd of the opener; -1: none runs */
	pid_t child_pid;
	bool opening;

	struct xenbus_view view; /* as last looked at */
	struct xenbus_self self;
	struct xenbus_ring offer; /* F's, as last looked at */
	int offer_error;          /* what is wrong with it, and in words */
	struct err offer_why;

	/* Of the tapdisk; the ring is what it was asked to serve. */
	pid_t pid;
	int minor;
	struct xenbus_ring ring;
	struct watch death; /* of its pidfd; -1: none */
	struct tapctl_call *call;
	enum device_step step;
	enum xenbus_link before; /* the first step */
	unsigned queue;
	bool ours;      /* it knows the messages from 64 up */
	bool ends;      /* as the view had it while there was a B */
	bool tried;     /* DEVICE_RECONNECT was done */
	bool replied;   /* in this exchange */
	struct err why; /* of DEVICE_UNDO */
	uint64_t sectors;
	uint32_t sector_size;
	uint32_t info;
	uint32_t block_size;
	uint32_t discard;
};

/* device.c */
void device_look_in(struct device *dev, unsigned ms);
void device_fail(struct device *dev, const struct err *why);
void device_resized(struct device *dev);

/*
 * device-link.c: the exchanges. They end in one of the above; forget: what is
 * known of the tapdisk, not its ring.
 */
void device_link_init(struct device *dev);
void device_link_up(struct device *dev);
void device_link_down(struct device *dev);
void device_link_resize(struct device *dev);
void device_link_forget(struct device *dev);
void device_link_again(struct device *dev); /* the step that failed */

/* device-open.c: the opener is run; forget: what it does is its own affair. */
void device_open_init(struct device *dev);
void device_open_learn(struct device *dev);
void device_open_run(struct device *dev, bool open);
void device_open_forget(struct device *dev);

/*
 * device-mark.c: disks that are, or were, a kernel backend's. retry: later;
 * false: its time is over.
 */
void device_mark_init(struct device *dev);
void device_mark_learn(struct device *dev);
void device_mark_await(struct device *dev);
bool device_mark_retry(struct device *dev);
int device_mark_check(const struct device *dev, struct err *err);
void device_mark_refuse(struct device *dev);
int device_mark_say(struct device *dev, enum xenbus_action what);

/* device-store.c: reads view, offer and front; -EAGAIN: try later. */
int device_store_read(struct device *dev);
void device_store_unwatch(struct device *dev); /* F is forgotten */

/*
 * Nodes below B to be written together. Writing: -ESTALE when B is gone or
 * not in the state that was last looked at.
 */
struct device_nodes {
	unsigned count;
	struct {
		const char *name; /* NULL value: removed */
		char value[24];
		bool remove;
	} node[24];
};

void device_store_put(struct device_nodes *nodes, const char *name,
		      uint64_t value);
void device_store_text(struct device_nodes *nodes, const char *name,
		       const char *value);
void device_store_drop(struct device_nodes *nodes, const char *name);
int device_store_write(struct device *dev, const struct device_nodes *nodes);

/* Remove B, if it is still as it was. */
int device_store_delete(struct device *dev);

/* The error node of the device, and its end. */
void device_store_error(struct device *dev, const struct err *why);
void device_store_no_error(struct device *dev);

/* The answer to the marker: that it failed, and why. */
void device_store_failed(struct device *dev, const struct err *why);

#endif /* XENIO_DEVICE_IMPL_H */
