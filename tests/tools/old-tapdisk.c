/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * old-tapdisk.c - a tapdisk that speaks the control messages of an older
 * lineage, and no others.
 *
 * It is a real tapdisk behind a socket of its own: what comes in is put into
 * today's words, what goes out into the old ones. Tables and offsets are
 * written down here once more, so that a mistake of ours is not made twice.
 * Like the old ones it reads exactly one message of its size, answers
 * and hangs up, one connection at a time; a wrong number is an error 22 with
 * cookie 0. It is started as a tapdisk is: it prints its socket's name and
 * goes to the background, and ends when its last disk is detached. Disks are
 * on the kernel device where the minor has one.
 *
 * $OLD_LINEAGE is xen40, xen42, tap2, early3 or xs6; $OLD_TAPDISK the tapdisk
 * behind; $BLKTAP_CONTROL_DIR as always.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define TODAY   544
#define ERROR   1
#define PID     3
#define ATTACH  5
#define OPEN    7
#define RESUME  11
#define DETACH  15
#define LIST    19
#define STATS   21
#define READ_MS 2000

struct lineage {
	const char *name;
	size_t size;
	struct {
		uint8_t old, today;
	} number[32]; /* requests; an answer is one more, but for 0x80 */
};

/* What all but the oldest call by the number it has today. */
#define ALIKE                                                                  \
	SAME(3), SAME(5), SAME(7), SAME(9), SAME(11), SAME(13), SAME(15),      \
		SAME(19)
#define SAME(n)                                                                \
	{                                                                      \
		n, n                                                           \
	}

/* With 0x80: answered as a close is. */
static const struct lineage lineages[] = {
	{ "xen40",
	  280,
	  { { 3, 3 }, { 5, 7 }, { 7, 9 }, { 9, 11 }, { 11, 13 } } },
	{ "xen42", 280, { ALIKE, { 21, 0x80 | 23 } } },
	{ "tap2", 536, { ALIKE, { 21, 21 }, { 23, 0x80 | 23 } } },
	{ "early3",
	  536,
	  { ALIKE,
	    { 21, 21 },
	    { 23, 0x80 | 23 },
	    { 24, 28 },
	    { 26, 24 },
	    { 28, 26 } } },
	{ "xs6", 544, { ALIKE, { 21, 21 }, { 23, 0x80 | 23 } } },
	{ .name = NULL },
};

struct old {
	const struct lineage *lineage;
	char dir[64]; /* of the tapdisk behind */
	pid_t behind;
	struct sockaddr_un addr; /* ours */
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int connect_behind(const struct old *o)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/ctl%d", o->dir,
		       (int)o->behind); /* it fits */
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* All of it, or false; ms is the patience with each piece. */
static bool read_all(int fd, void *buf, size_t len, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t have = 0;
	ssize_t n;

	while (have < len) {
		if (poll(&pfd, 1, ms) == 0)
			return false;
		n = read(fd, (char *)buf + have, len - have);
		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	return true;
}

static bool send_all(int fd, const void *buf, size_t len)
{
	return send(fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

/* Of a request; 0: it is none. */
static unsigned todays(const struct old *o, unsigned old)
{
	for (unsigned i = 0; i < 32; i++)
		if (o->lineage->number[i].old &&
		    o->lineage->number[i].old == old)
			return o->lineage->number[i].today;
	return 0;
}

static void make_request(const struct old *o, uint8_t out[TODAY],
			 const uint8_t *in)
{
	unsigned type = todays(o, in[0]) & 0x7f;

	memset(out, 0, TODAY);
	memcpy(out, in, o->lineage->size);
	if (type == OPEN || type == RESUME) {
		if (o->lineage->size == 280) {
			memset(out + 8, 0, TODAY - 8);
			out[8] = in[8];
			memcpy(out + 20, in + 22, 256);
		} else if (o->lineage->size == 536) {
			memset(out + 280, 0, TODAY - 280);
			memcpy(out + 282, in + 280, 256);
		}
	}
	put16(out, type);
}

/* A minor without a kernel device has a marker; its tapdisk's own one. */
static void make_marker(const struct old *o, unsigned minor)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/dev/xen/blktap-2/blktap%u",
		       minor); /* it fits */
	if (access(path, F_OK) == 0)
		return;
	(void)snprintf(path, sizeof(path), "%s/tapdisk/tapdisk-%u", o->dir,
		       minor); /* it fits */
	close(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
}

/* Ask the one behind; the first of its answers, and where more come from. */
static int ask_behind(const struct old *o, uint8_t msg[TODAY])
{
	int fd = connect_behind(o);

	if (fd >= 0 && send_all(fd, msg, TODAY) && read_all(fd, msg, TODAY, -1))
		return fd;
	memset(msg, 0, TODAY);
	put16(msg, ERROR);
	msg[8] = EIO;
	return fd;
}

static void pass_text(int from, int to, const uint8_t *msg)
{
	uint64_t left;
	char buf[4096];
	ssize_t n;

	memcpy(&left, msg + 16, sizeof(left));
	while (left && (n = read(from, buf, sizeof(buf))) > 0) {
		if (!send_all(to, buf, (size_t)n))
			return;
		left -= (uint64_t)n;
	}
}

static void answer(const struct old *o, int fd, const uint8_t *in)
{
	unsigned type = todays(o, in[0]), old = in[0] + 1u;
	unsigned minor = in[2] | (unsigned)in[3] << 8;
	uint8_t msg[TODAY];
	int32_t count;
	int behind;

	if (type == ATTACH)
		make_marker(o, minor);
	if (type == OPEN && !todays(o, ATTACH)) {
		/* It has none: a disk is there from its open on. */
		make_marker(o, minor);
		memset(msg, 0, sizeof(msg));
		put16(msg, ATTACH);
		put16(msg + 2, minor);
		close(ask_behind(o, msg));
	}
	make_request(o, msg, in);
	behind = ask_behind(o, msg);
	if (type & 0x80)
		old = 14;
	do {
		if (msg[0] != ERROR)
			put16(msg, old);
		memcpy(&count, msg + 8, sizeof(count));
		if (!send_all(fd, msg, o->lineage->size))
			break;
	} while (type == LIST && count && read_all(behind, msg, TODAY, -1));
	if (type == STATS && msg[0] != ERROR)
		pass_text(behind, fd, msg);
	close(behind);
}

static void serve_one(const struct old *o, int fd)
{
	uint8_t in[TODAY] = { 0 }, out[TODAY] = { 0 };
	int32_t pid = getpid();

	if (!read_all(fd, in, o->lineage->size, READ_MS))
		return;
	if (in[1] || !todays(o, in[0])) {
		put16(out, ERROR);
		out[8] = EINVAL;
		(void)send_all(fd, out, o->lineage->size); /* as it may */
	} else if (in[0] == PID) {
		put16(out, PID + 1);
		memcpy(out + 2, in + 2, 2);
		memcpy(out + 8, &pid, sizeof(pid));
		(void)send_all(fd, out, o->lineage->size); /* as it may */
	} else {
		answer(o, fd, in);
	}
}

static void start_behind(struct old *o)
{
	const char *program = getenv("OLD_TAPDISK");
	pid_t self = getpid();
	int fd;

	(void)snprintf(o->dir, sizeof(o->dir), "/tmp/old-tapdisk.XXXXXX");
	if (!mkdtemp(o->dir))
		die(o->dir);
	o->behind = fork();
	if (o->behind == 0) {
		fd = open("/dev/null", O_RDWR);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv("BLKTAP_CONTROL_DIR", o->dir, 1);
		if (getppid() == self && dup2(fd, 1) >= 0 && dup2(fd, 2) >= 0)
			execl(program ? program : "tapdisk", "tapdisk", "-D",
			      (char *)NULL);
		_exit(1);
	}
	while ((fd = connect_behind(o)) < 0) {
		if (waitpid(o->behind, NULL, WNOHANG) == o->behind) {
			fprintf(stderr, "%s: does not start\n", program);
			exit(1);
		}
		usleep(10000);
	}
	close(fd);
}

static int listen_as(struct old *o)
{
	const char *dir = getenv("BLKTAP_CONTROL_DIR");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	o->addr.sun_family = AF_UNIX;
	(void)snprintf(o->addr.sun_path, sizeof(o->addr.sun_path), "%s/ctl%d",
		       dir ? dir : "/run/blktap-control",
		       (int)getpid()); /* it fits */
	unlink(o->addr.sun_path);
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&o->addr, sizeof(o->addr)) < 0 ||
	    listen(fd, 32) < 0)
		die(o->addr.sun_path);
	return fd;
}

static void clean(const struct old *o)
{
	char command[128];

	unlink(o->addr.sun_path);
	(void)snprintf(command, sizeof(command), "rm -rf %s", o->dir);
	if (system(command) != 0) /* NOLINT(cert-env33-c): a test's own */
		perror(o->dir);
}

static int serve(struct old *o, int ready)
{
	int listener, fd, behind;

	start_behind(o);
	listener = listen_as(o);
	dprintf(1, "%s\n", o->addr.sun_path);
	if (write(ready, "", 1) != 1)
		return 1;
	close(ready);
	fd = open("/dev/null", O_RDWR);
	dup2(fd, 1);
	dup2(fd, 2);
	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		serve_one(o, fd);
		/* Who has the answer must not find us, if it was the end. */
		behind = connect_behind(o);
		if (behind < 0) {
			waitpid(o->behind, NULL, 0);
			clean(o);
			return 0;
		}
		close(behind);
		close(fd);
	}
	return 1;
}

int main(void)
{
	const char *name = getenv("OLD_LINEAGE");
	struct old o = { .lineage = lineages };
	int fds[2];
	char c;

	while (name && o.lineage->name && strcmp(o.lineage->name, name) != 0)
		o.lineage++;
	if (!name || !o.lineage->name) {
		fprintf(stderr, "OLD_LINEAGE: not one of the lineages\n");
		return 1;
	}
	if (pipe(fds) < 0)
		die("pipe");
	if (fork() == 0) {
		close(fds[0]);
		setsid();
		return serve(&o, fds[1]);
	}
	close(fds[1]);
	return read(fds[0], &c, 1) == 1 ? 0 : 1;
}
