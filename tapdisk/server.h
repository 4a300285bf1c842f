/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server.h - the control socket: requests in, replies out.
 *
 * A connection brings one request: a message and, behind it, its trailers,
 * in any number of pieces; or a shorter message, of an older lineage.  It has
 * 10 seconds for that, and the reply may take 10 seconds to be read; between
 * the two it waits for whoever answers. Nothing here blocks, and nothing here
 * knows what a request means.
 */
#ifndef TAPDISK_SERVER_H
#define TAPDISK_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/wire.h"

struct err;
struct loop;
struct server;
struct server_conn;

#define SERVER_CONNS      32 /* at once; more wait to be accepted */
#define SERVER_TIMEOUT_MS 10000
#define SERVER_KEY_MAX    64

struct server_request {
	struct wire_msg msg;
	char log[WIRE_LOG_TRAILER]; /* OPEN, RESUME with ADD_LOG */
	uint8_t key[SERVER_KEY_MAX];
	size_t key_len; /* OPEN with OPEN_ENCRYPTED: 32 or 64 */
	int fd;         /* that came along; -1: none */
};

/*
 * Serve dir/ctl<pid>. request() is called for each that is complete and
 * valid; it, or whoever it tells, ends the connection.
 */
int server_new(struct server **out, struct loop *loop, const char *dir,
	       pid_t pid, struct err *err);
void server_start(struct server *server,
		  void (*request)(void *arg, struct server_conn *conn),
		  void *arg);

/* No more connections: the socket is gone when this returns. */
void server_shut(struct server *server);

/*
 * Shut, drop who has not asked yet, and call done() when all others have
 * been answered.
 */
void server_stop(struct server *server, void (*done)(void *arg), void *arg);
void server_free(struct server *server);

/* What a connection asks; its fd may be taken by setting it to -1. */
struct server_request *server_request(struct server_conn *conn);

/* Whether who asked has hung up, and waits for no reply. */
bool server_gone(const struct server_conn *conn);

/* Add to the reply; then end the connection when all of it is read. */
void server_send(struct server_conn *conn, const struct wire_msg *msg);
void server_send_text(struct server_conn *conn, const char *text, size_t len);
void server_end(struct server_conn *conn);

#endif /* TAPDISK_SERVER_H */
