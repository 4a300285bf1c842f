/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control.c - which message does what, one at a time; and what only asks.
 */
#include "tapdisk/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/xen.h"
#include "tapdisk/chain.h"
#include "tapdisk/control-impl.h"
#include "tapdisk/server.h"
#include "tapdisk/stats.h"
#include "tapdisk/transport.h"
#include "xenio/blkif.h"

#define HELLO_VERSION 1

/* Spawned, and whoever wanted it never came back. */
#define UNUSED_NS (600 * 1000000000ull)

/* The bits of a disk's state that old tools read. */
enum {
	BIT_DEAD = 0x1,
	BIT_CLOSED = 0x2,
	BIT_QUIESCED = 0x8,
	BIT_PAUSE_REQUESTED = 0x10,
	BIT_QUIESCE_REQUESTED = 0x4,
	BIT_PAUSED = 0x20,
	BIT_LOG_DROPPED = 0x100,
	BIT_RESUME_FAILED = 0x200,
};

const char *control_spec(const struct control_disk *disk)
{
	const char *spec = vbd_name(disk->vbd);

	return spec ? spec : "";
}

/* What a disk's state is in the bits that old tools read. */
static int state_bits(const struct control_disk *disk)
{
	const struct image *top = vbd_image(disk->vbd);
	int bits = disk->resume_failed ? BIT_RESUME_FAILED : 0;

	if (top && top->dropped)
		bits |= BIT_LOG_DROPPED;

	switch (vbd_state(disk->vbd)) {
	case VBD_CLOSED:
		/* Not before it was ever open. */
		return disk->closed ? bits | BIT_CLOSED : bits;
	case VBD_OPENING:
		/* Until it is open again, it is still paused. */
		return vbd_info(disk->vbd)
			       ? bits | BIT_CLOSED | BIT_QUIESCED | BIT_PAUSED
			       : bits;
	case VBD_RUNNING:
		return bits;
	case VBD_DRAINING:
		return bits | BIT_QUIESCE_REQUESTED | BIT_PAUSE_REQUESTED;
	case VBD_PAUSED:
		return bits | BIT_CLOSED | BIT_QUIESCED | BIT_PAUSED;
	case VBD_DEAD:
		return bits | BIT_DEAD;
	}
	return bits;
}

struct control_disk *control_find(struct control *ctl, unsigned minor)
{
	struct list *pos, *next;
	struct control_disk *disk;

	list_for_each (&ctl->disks, pos, next) {
		disk = container_of(pos, struct control_disk, link);
		if (disk->minor == minor)
			return disk;
	}
	return NULL;
}

static void reply(struct server_conn *conn, const struct wire_msg *msg)
{
	server_send(conn, msg);
	server_end(conn);
}

static void refuse(struct server_conn *conn, const struct err *err)
{
	struct wire_msg msg = { .type = WIRE_ERROR };

	msg.cookie = server_request(conn)->msg.cookie;
	msg.u.response.error = -err->code;
	(void)snprintf(msg.u.response.message, WIRE_PATH, "%s",
		       err->msg); /* as long as it may be */
	reply(conn, &msg);
}

/* What only asks. */

static void answer_pid(struct control *ctl, struct server_conn *conn,
		       struct wire_msg *msg)
{
	msg->u.pid = (int32_t)ctl->env.pid;
	reply(conn, msg);
}

static void answer_list(struct control *ctl, struct server_conn *conn,
			struct wire_msg *msg)
{
	struct control_disk *disk;
	struct list *pos, *next;
	const char *spec;

	list_for_each (&ctl->disks, pos, next)
		msg->u.list.count++;
	list_for_each (&ctl->disks, pos, next) {
		disk = container_of(pos, struct control_disk, link);
		spec = control_spec(disk);
		msg->u.list.minor = (int32_t)disk->minor;
		msg->u.list.state = state_bits(disk);
		(void)snprintf(msg->u.list.path, WIRE_PATH, "%s",
			       spec); /* it came in as long */
		server_send(conn, msg);
		msg->u.list.count--;
	}
	memset(&msg->u.list, 0, sizeof(msg->u.list));
	msg->u.list.minor = -1;
	reply(conn, msg);
}

/* The caller's to free; NULL: no memory. */
static char *make_stats(struct control *ctl, unsigned minor, size_t *len)
{
	struct json *json = json_new();
	struct control_disk *disk;
	struct list *pos, *next;
	char *text;

	if (!json)
		return NULL;
	if (minor == WIRE_COOKIE_ALL)
		json_array(json, NULL);
	list_for_each (&ctl->disks, pos, next) {
		disk = container_of(pos, struct control_disk, link);
		if (minor == WIRE_COOKIE_ALL || disk->minor == minor)
			stats_add(json, disk->vbd);
	}
	if (minor == WIRE_COOKIE_ALL)
		json_end(json);
	text = json_take(json, len);
	json_free(json);
	return text;
}

static void answer_stats(struct control *ctl, struct server_conn *conn,
			 struct wire_msg *msg)
{
	struct err err = { 0 };
	char *text = NULL;
	size_t len = 0;

	if (msg->cookie != WIRE_COOKIE_ALL && !control_find(ctl, msg->cookie))
		(void)err_set(&err, -ENODEV, "minor %u: not attached",
			      msg->cookie); /* sent as it is */
	else
		text = make_stats(ctl, msg->cookie, &len);
	if (!err.code && (!text || len > WIRE_STATS_MAX))
		(void)err_set(&err, -ENOMEM,
			      "the statistics are too long"); /* likewise */
	if (err.code) {
		refuse(conn, &err);
	} else {
		msg->u.stats.length = len;
		server_send(conn, msg);
		server_send_text(conn, text, len);
		server_end(conn);
	}
	free(text);
}

static void answer_hello(struct control *ctl, struct server_conn *conn,
			 struct wire_msg *msg)
{
	struct control_disk *disk = control_find(ctl, msg->cookie);
	const struct image_info *info = disk ? vbd_info(disk->vbd) : NULL;

	memset(&msg->u, 0, sizeof(msg->u));
	msg->u.hello.version = HELLO_VERSION;
	if (info) {
		msg->u.hello.block_size = info->phys_block_size;
		if (msg->u.hello.block_size < info->block_size)
			msg->u.hello.block_size = info->block_size;
		if (info->caps & IMAGE_CAN_DISCARD && !vbd_readonly(disk->vbd))
			msg->u.hello.discard = msg->u.hello.block_size;
	}
	reply(conn, msg);
}

void control_fill_image(struct wire_msg *msg, const struct control_disk *disk)
{
	const struct image_info *info = vbd_info(disk->vbd);

	msg->u.image.sectors = info->size / 512;
	msg->u.image.sector_size = info->block_size;
	msg->u.image.info = vbd_readonly(disk->vbd) ? 4 : 0;
}

static void answer_info(struct control *ctl, struct server_conn *conn,
			struct wire_msg *msg)
{
	struct control_disk *disk = control_find(ctl, msg->cookie);
	struct err err = { 0 };

	if (disk && vbd_info(disk->vbd) && vbd_state(disk->vbd) != VBD_CLOSED) {
		control_fill_image(msg, disk);
		reply(conn, msg);
		return;
	}
	(void)err_set(&err, -ENODEV, "minor %u: %s", msg->cookie,
		      disk ? "not open" : "not attached"); /* sent as it is */
	refuse(conn, &err);
}

static void answer_debug(struct control *ctl, struct server_conn *conn,
			 struct wire_msg *msg)
{
	(void)ctl;
	log_debug_topics(msg->u.params.path);
	memset(&msg->u, 0, sizeof(msg->u));
	reply(conn, msg);
}

/* What changes something, one at a time. */

void control_let_go(struct control_op *op)
{
	struct control *ctl = op->ctl;

	if (ctl->running != op)
		return;
	ctl->running = NULL;
	/* Not from inside the one that ends. */
	list_del(&ctl->next.link);
	loop_defer(ctl->env.vbd->loop, &ctl->next);
}

static void op_end(struct control_op *op)
{
	control_let_go(op);
	if (op != &op->ctl->stop)
		free(op);
}

void control_done(struct control_op *op, const struct wire_msg *msg)
{
	if (op->conn)
		reply(op->conn, msg);
	op_end(op);
}

void control_fail(struct control_op *op, const struct err *err)
{
	log_warn("control: %s, minor %u: %s", wire_name(op->msg.type),
		 op->msg.cookie, err->msg);
	if (op->conn)
		refuse(op->conn, err);
	op_end(op);
}

void control_ok(struct control_op *op)
{
	struct wire_msg msg = { .type = (enum wire_type)(op->msg.type + 1),
				.cookie = op->msg.cookie };

	if (op->msg.type == WIRE_FORCE_SHUTDOWN)
		msg.type = WIRE_CLOSE_RSP;
	control_done(op, &msg);
}

bool control_has_disk(struct control_op *op)
{
	op->disk = control_find(op->ctl, op->msg.cookie);
	if (op->disk)
		return true;
	(void)err_set(&op->err, -ENODEV, "minor %u: not attached",
		      op->msg.cookie); /* sent as it is */
	control_fail(op, &op->err);
	return false;
}

static void refuse_serve(struct control_op *op)
{
	(void)err_set(&op->err, -EOPNOTSUPP,
		      "%s: a transport cannot be added to an open disk",
		      op->msg.u.params.path); /* sent as it is */
	control_fail(op, &op->err);
}

/* What a message starts: now, or in its turn. */
struct handler {
	enum wire_type type;
	void (*answer)(struct control *ctl, struct server_conn *conn,
		       struct wire_msg *msg);
	void (*start)(struct control_op *op);
};

static const struct handler handlers[] = {
	{ WIRE_PID, answer_pid, NULL },
	{ WIRE_LIST, answer_list, NULL },
	{ WIRE_STATS, answer_stats, NULL },
	{ WIRE_HELLO, answer_hello, NULL },
	{ WIRE_DISK_INFO, answer_info, NULL },
	{ WIRE_DEBUG, answer_debug, NULL },
	{ WIRE_ATTACH, NULL, control_attach },
	{ WIRE_OPEN, NULL, control_open },
	{ WIRE_PAUSE, NULL, control_pause },
	{ WIRE_RESUME, NULL, control_resume },
	{ WIRE_CLOSE, NULL, control_close },
	{ WIRE_FORCE_SHUTDOWN, NULL, control_close },
	{ WIRE_DETACH, NULL, control_detach },
	{ WIRE_CONNECT, NULL, control_connect },
	{ WIRE_CONNECT_QUEUE, NULL, control_connect },
	{ WIRE_DISCONNECT, NULL, control_disconnect },
	{ WIRE_SERVE, NULL, refuse_serve },
};

static const struct handler *find_handler(enum wire_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
		if (handlers[i].type == type)
			return &handlers[i];
	}
	return NULL;
}

/* Close the disks, one after the other; then it is over. */
static void stop_next(struct control *ctl)
{
	struct control_op *op = &ctl->stop;
	struct list *pos, *next;
	struct control_disk *disk;

	list_for_each (&ctl->disks, pos, next) {
		disk = container_of(pos, struct control_disk, link);
		if (vbd_state(disk->vbd) == VBD_CLOSED) {
			control_forget(disk);
			continue;
		}
		memset(op, 0, sizeof(*op));
		op->ctl = ctl;
		list_init(&op->link);
		op->msg.type = WIRE_CLOSE;
		op->msg.cookie = (uint16_t)disk->minor;
		ctl->running = op;
		control_close(op);
		return;
	}
	ctl->ended = true;
	ctl->env.ended(ctl->env.arg);
}

static void run_next(struct deferred *d)
{
	struct control *ctl = container_of(d, struct control, next);
	struct list *link = NULL;
	struct control_op *op;

	if (ctl->running || ctl->ended)
		return;
	link = list_pop(&ctl->waiting);
	if (!link) {
		if (ctl->stopping)
			stop_next(ctl);
		return;
	}
	op = container_of(link, struct control_op, link);
	ctl->running = op;
	if (ctl->stopping) {
		(void)err_set(&op->err, -ESHUTDOWN,
			      "this tapdisk is ending"); /* sent as it is */
		control_fail(op, &op->err);
		return;
	}
	loop_untimer(&ctl->unused);
	find_handler(op->msg.type)->start(op);
}

static void queue(struct control *ctl, struct server_conn *conn)
{
	struct control_op *op = calloc(1, sizeof(*op));
	struct err err = { 0 };

	if (!op) {
		(void)err_set(&err, -ENOMEM, "no memory"); /* sent as it is */
		refuse(conn, &err);
		return;
	}
	op->ctl = ctl;
	op->conn = conn;
	op->msg = server_request(conn)->msg;
	list_add_tail(&ctl->waiting, &op->link);
	run_next(&ctl->next);
}

static void request(void *arg, struct server_conn *conn)
{
	struct wire_msg msg = server_request(conn)->msg;
	const struct handler *h = find_handler(msg.type);
	struct control *ctl = arg;
	struct err err = { 0 };

	log_debug("control", "control: %s, minor %u", wire_name(msg.type),
		  msg.cookie);
	if (!h) {
		(void)err_set(&err, -EINVAL, "%s: not a request",
			      wire_name(msg.type)); /* sent as it is */
		server_request(conn)->msg.cookie = 0;
		refuse(conn, &err);
	} else if (h->answer) {
		if (msg.type != WIRE_DEBUG)
			memset(&msg.u, 0, sizeof(msg.u));
		msg.type = (enum wire_type)(msg.type + 1);
		h->answer(ctl, conn, &msg);
	} else {
		queue(ctl, conn);
	}
}

static void unused(struct timer *t)
{
	struct control *ctl = container_of(t, struct control, unused);

	if (!list_empty(&ctl->disks))
		return;
	log_info("control: nobody has attached a disk");
	control_stop(ctl);
}

int control_new(struct control **out, const struct control_env *env,
		struct err *err)
{
	struct control *ctl = calloc(1, sizeof(*ctl));

	if (!ctl)
		return err_set(err, -ENOMEM, "control: no memory");
	ctl->env = *env;
	ctl->next.run = run_next;
	ctl->unused.fire = unused;
	ctl->xenio = transports_find("xenio");
	list_init(&ctl->next.link);
	list_init(&ctl->unused.link);
	list_init(&ctl->disks);
	list_init(&ctl->waiting);
	list_init(&ctl->parting);
	loop_timer(env->vbd->loop, &ctl->unused, UNUSED_NS);
	server_start(env->server, request, ctl);
	*out = ctl;
	return 0;
}

void control_stop(struct control *ctl)
{
	if (ctl->stopping)
		return;
	ctl->stopping = true;
	server_shut(ctl->env.server);
	list_del(&ctl->next.link);
	loop_defer(ctl->env.vbd->loop, &ctl->next);
}

void control_dump(struct control *ctl)
{
	char *text = make_stats(ctl, WIRE_COOKIE_ALL, NULL);

	log_info("control: %s, %s waiting; %s", ctl->running ? "busy" : "idle",
		 list_empty(&ctl->waiting) ? "nobody" : "somebody",
		 text ? text : "no memory to tell more");
	free(text);
}

void control_free(struct control *ctl)
{
	if (!ctl)
		return;
	loop_untimer(&ctl->unused);
	list_del(&ctl->next.link);
	blkif_free(ctl->blkif);
	if (ctl->xen)
		ctl->xen->free(ctl->xen);
	free(ctl);
}
