/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client-lineage.c - of which lineage a running tapdisk is.
 *
 * What is asked is of our size and goes out in one write: a tapdisk with
 * shorter messages reads the first of its bytes, answers in its own size and
 * hangs up. The questions change nothing, whatever they mean to the one that
 * is asked:
 *
 *	HELLO (66)	ours answer it; beyond the numbers of all others
 *	PID (3)		the same in all of them; its answer shows the size
 *	LIST (19)	of 280 bytes: Xen 4.0 has no such number
 *	28		of 536 bytes: to the first blktap3 it is to disconnect
 *			a ring, of a device that there cannot be
 *			(ENODEV); the others have no such number (EINVAL)
 *	28		of 544 bytes: DISK_INFO, which XenServer 6 lacks; of a
 *			disk that is not there the others say ENODEV
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define DOMID_LAST 0x7fefu /* with a device that it cannot have */
#define NOBODY     0xfffeu /* a minor that there is not */
#define QUIET_MS   200     /* for what comes in no more than one piece */

struct peer {
	struct sockaddr_un addr;
	int64_t end_ms;
	uint8_t buf[WIRE_SIZE]; /* question, then answer */
};

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t left_ms(const struct peer *p)
{
	int64_t left = p->end_ms - now_ms();

	return left > 0 ? left : 0;
}

static int connect_to(struct peer *p)
{
	int64_t left = left_ms(p) + 1;
	struct timeval tv = { left / 1000, left % 1000 * 1000 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	/* Otherwise a full queue would be waited at for ever. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0 &&
	    connect(fd, (struct sockaddr *)&p->addr, sizeof(p->addr)) == 0)
		return fd;
	rc = errno == EAGAIN ? -ETIMEDOUT : -errno;
	(void)close(fd); /* nothing went through it */
	return rc;
}

/* Until the end, or a whole message of some size and then silence. */
static int receive(struct peer *p, int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t have = 0;
	int64_t wait;
	ssize_t n;

	do {
		wait = left_ms(p);
		if ((have == wire_size(WIRE_XEN42) ||
		     have == wire_size(WIRE_TAP2)) &&
		    wait > QUIET_MS)
			wait = QUIET_MS;
		n = poll(&pfd, 1, (int)wait);
		if (n == 0 && have)
			return (int)have;
		if (n == 0)
			return -ETIMEDOUT;
		n = recv(fd, p->buf + have, WIRE_SIZE - have, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		/* Who hangs up with bytes unread resets the connection. */
		if (n > 0)
			have += (size_t)n;
		else
			return (int)have;
	} while (have < WIRE_SIZE);
	return (int)have;
}

/* The bytes of the answer in p->buf; 0: it hung up; -errno. */
static int ask(struct peer *p, const struct wire_msg *msg)
{
	const uint32_t nobody[] = { DOMID_LAST, UINT32_MAX };
	cleanup_fd int fd = connect_to(p);

	if (fd < 0)
		return fd;
	wire_encode(p->buf, msg);
	/* A number that is none of a domain's is not looked for. */
	if (msg->type == WIRE_DISK_INFO)
		memcpy(p->buf + 8, nobody, sizeof(nobody));
	/* Who hangs up before may have said why. */
	if (send(fd, p->buf, WIRE_SIZE, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	memset(p->buf, 0, sizeof(p->buf));
	return receive(p, fd);
}

static unsigned answer_type(const struct peer *p)
{
	return p->buf[0] | (unsigned)p->buf[1] << 8;
}

/* What an ERROR says, in all lineages in one place. */
static int answer_error(const struct peer *p)
{
	int32_t error;

	memcpy(&error, p->buf + 8, sizeof(error));
	return answer_type(p) == WIRE_ERROR ? error : 0;
}

/* Of two of the same size, the one that knows what is asked. */
static int choose(struct peer *p, unsigned size, enum wire_lineage *out)
{
	struct wire_msg msg = { .type = WIRE_DISK_INFO, .cookie = NOBODY };
	int n;

	if (size == wire_size(WIRE_XEN42))
		msg.type = WIRE_LIST;
	n = ask(p, &msg);
	if (n < 0)
		return n;
	if (size == wire_size(WIRE_XEN42))
		*out = answer_type(p) == WIRE_LIST_RSP ? WIRE_XEN42
						       : WIRE_XEN40;
	else if (size == wire_size(WIRE_TAP2))
		*out = answer_error(p) == ENODEV ? WIRE_EARLY3 : WIRE_TAP2;
	else
		*out = answer_error(p) == ENODEV ||
				       answer_type(p) == WIRE_DISK_INFO_RSP
			       ? WIRE_OURS
			       : WIRE_XS6;
	return 0;
}

static int identify(struct peer *p, enum wire_lineage *out, struct err *err)
{
	struct wire_msg msg = { .type = WIRE_HELLO, .cookie = NOBODY };
	int n = ask(p, &msg);

	*out = WIRE_OURS;
	if (n == WIRE_SIZE && answer_type(p) == WIRE_HELLO_RSP)
		return 0;
	msg.type = WIRE_PID;
	if (n >= 0)
		n = ask(p, &msg);
	if (n >= 0 &&
	    ((unsigned)n == wire_size(WIRE_XEN42) ||
	     (unsigned)n == wire_size(WIRE_TAP2) || n == WIRE_SIZE) &&
	    answer_type(p) == WIRE_PID_RSP)
		n = choose(p, (unsigned)n, out);
	else if (n >= 0)
		return err_set(err, -EPROTONOSUPPORT,
			       "%s: its messages are of no known lineage",
			       p->addr.sun_path);
	if (n == -ETIMEDOUT)
		return err_set(err, n, "no answer in time");
	if (n < 0)
		return err_set(err, n, "%s: %s", p->addr.sun_path,
			       strerror(-n));
	return 0;
}

int tapctl_lineage(enum wire_lineage *out, const char *dir, pid_t pid,
		   unsigned timeout_ms, struct err *err)
{
	struct peer p = { .addr.sun_family = AF_UNIX };
	int rc = tapctl_path(p.addr.sun_path, dir, "ctl%d", (int)pid);

	if (rc < 0)
		return err_set(err, rc, "%s: the name is too long", dir);
	p.end_ms = now_ms() + (timeout_ms ? timeout_ms : TAPCTL_TIMEOUT_MS);
	return identify(&p, out, err);
}
