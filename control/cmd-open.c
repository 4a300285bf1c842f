/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-open.c - tap-ctl open: open an image, and serve it over NBD.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/cmd.h"
#include "lib/err.h"

#define KEY_READ 1024
#define KEY_MS   10000

/*
 * The key is all that stdin has, up to its end; a caller that keeps it open
 * is not waited for.
 */
static size_t read_all(uint8_t *buf, size_t room)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	size_t have = 0;
	ssize_t n;

	while (have < room && poll(&p, 1, have ? KEY_MS / 10 : KEY_MS) > 0) {
		n = read(STDIN_FILENO, buf + have, room - have);
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	return have;
}

static int set_key(struct cmd_args *args, const char *value)
{
	uint8_t buf[KEY_READ];
	size_t len;

	(void)value;
	/* These words and this status are what callers have always got. */
	if (args->flags & WIRE_OPEN_ENCRYPTED) {
		explicit_bzero(args->key, sizeof(args->key));
		fprintf(stderr, "Only supply -E once\n");
		exit(1);
	}
	len = read_all(buf, sizeof(buf));
	if (len == 32 || len == 64)
		memcpy(args->key, buf, len);
	explicit_bzero(buf, sizeof(buf));
	if (len != 32 && len != 64) {
		fprintf(stderr, "Unsupported keysize, use either 256 bit or "
				"512 bit key\n");
		exit(1);
	}
	args->key_len = len;
	args->flags |= WIRE_OPEN_ENCRYPTED;
	return 0;
}

static const struct cmd_opt opts[] = {
	{ 'p', true, "PID", cmd_set_pid, NULL },
	{ 'm', true, "MINOR", cmd_set_minor, NULL },
	{ 'a', true, "TYPE:PATH", cmd_set_spec, NULL },
	{ 'R', false, NULL, cmd_set_rdonly, NULL },
	{ 'W', false, NULL, cmd_set_writable, NULL },
	{ 'D', false, NULL, cmd_set_buffered, NULL },
	{ 'r', false, NULL, cmd_set_lcache, NULL },
	{ 'e', false, "MINOR", cmd_set_prt, NULL },
	{ '2', false, "TYPE:PATH", cmd_set_secondary, NULL },
	{ 's', false, NULL, cmd_set_standby, NULL },
	{ 't', false, "SECONDS|TRANSPORT", cmd_set_time_or_kind, NULL },
	{ 'C', false, "LOG", cmd_set_log, NULL },
	{ 'E', false, NULL, set_key, NULL },
	{ 0 },
};

static int copy(char to[WIRE_PATH], const char *from, struct err *err)
{
	if (!from)
		return 0;
	if (snprintf(to, WIRE_PATH, "%s", from) >= WIRE_PATH)
		return err_set(err, -ENAMETOOLONG,
			       "%s: longer than %d characters", from,
			       WIRE_PATH - 1);
	return 0;
}

int cmd_send_open(struct cmd_args *args, enum wire_type type, struct err *err)
{
	struct tapctl_request req = { .msg = { .type = type } };
	uint8_t trailer[WIRE_LOG_TRAILER + 1 + CMD_KEY_MAX] = { 0 };
	int rc;

	req.msg.u.params.flags = args->flags;
	req.msg.u.params.prt_devnum = args->prt;
	req.msg.u.params.timeout_s = (uint16_t)args->timeout_s;
	rc = copy(req.msg.u.params.path, args->spec, err);
	if (!rc)
		rc = copy(req.msg.u.params.secondary, args->secondary, err);
	if (!rc && args->flags & WIRE_ADD_LOG) {
		rc = copy((char *)trailer, args->log, err);
		req.trailer_len = WIRE_LOG_TRAILER;
	}
	if (rc < 0)
		return rc;
	if (args->flags & WIRE_OPEN_ENCRYPTED) {
		trailer[req.trailer_len] = (uint8_t)args->key_len;
		memcpy(trailer + req.trailer_len + 1, args->key, args->key_len);
		req.trailer_len += 1 + args->key_len;
	}
	req.trailer = trailer;
	rc = cmd_exchange(args, &req, NULL, err);
	explicit_bzero(trailer, sizeof(trailer));
	explicit_bzero(args->key, sizeof(args->key));
	return rc;
}

static int run(struct cmd_args *args, struct err *err)
{
	int rc = 0;

	if (args->kind == CMD_KIND_BLKTAP2)
		rc = cmd_decide(args, err);
	return rc ? rc : cmd_send_open(args, WIRE_OPEN, err);
}

const struct cmd cmd_open = { "open", opts, run };
