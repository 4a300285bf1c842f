/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log.c - what a daemon has to say, a line at a time.
 *
 * The one file with variables of its own: where lines go is a property of
 * the process. They are set while it has one thread; a line itself is one
 * write(), so that lines of several threads do not mix.
 *
 * syslog(3) waits for a daemon that does not read. The disks of guests would
 * wait with it, so its socket is written to by ourselves: a line that does not
 * fit is counted, and the next one that fits is preceded by the count.
 */
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_ 1024

#define LIMIT_LINES  16
#define LIMIT_WINDOW (90 * UINT64_C(1000000000))

static struct {
	bool opened;
	int socket; /* descriptor + 1; 0: not to syslog */
	struct sockaddr_un syslog;
	atomic_uint lost; /* lines that syslog had no room for */
	char ident[64];
	char topics[256]; /* ",ring,vbd,"; "" for none */
	int file;         /* descriptor + 1; 0 for none */
	void (*fn)(enum log_level level, const char *line);
	bool trouble;
} state;

void log_open(const char *ident, bool foreground)
{
	(void)snprintf(state.ident, sizeof(state.ident), "%s",
		       ident); /* a name: cut is fine */
	state.opened = true;
	if (!foreground)
		log_syslog("/dev/log");
}

void log_syslog(const char *path)
{
	if (state.socket)
		(void)close(state.socket - 1); /* lines only */
	/* Without one, lines go to stderr. */
	state.socket = 1 + socket(AF_UNIX,
				  SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	state.syslog.sun_family = AF_UNIX;
	(void)snprintf(state.syslog.sun_path, sizeof(state.syslog.sun_path),
		       "%s", path); /* it fits, or names nothing */
}

void log_debug_topics(const char *topics)
{
	state.topics[0] = '\0';
	if (topics && *topics)
		(void)snprintf(state.topics, sizeof(state.topics), ",%s,",
			       topics); /* topics beyond it are not debugged */
}

bool log_debugs(const char *topic)
{
	const char *at = state.topics;
	size_t len = strlen(topic);

	if (!*at)
		return false;
	if (strstr(at, ",all,"))
		return true;
	while ((at = strstr(at, topic)) != NULL) {
		if (at[-1] == ',' && at[len] == ',')
			return true;
		at += len;
	}
	return false;
}

int log_file(const char *path)
{
	int fd = -1;

	if (path) {
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
			  0640);
		if (fd < 0)
			return -errno;
	}
	if (state.file)
		(void)close(state.file - 1); /* lines only */
	state.file = fd + 1;
	return 0;
}

bool log_trouble(void)
{
	return state.trouble;
}

void log_set(void (*fn)(enum log_level level, const char *line))
{
	state.fn = fn;
}

/* A log that cannot be written has nobody to be told. */
static void write_line(int fd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void write_line(int fd, const char *fmt, ...)
{
	char buf[LINE_MAX_ + 128];
	ssize_t done;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	if ((size_t)len >= sizeof(buf))
		len = sizeof(buf) - 1;
	do {
		done = write(fd, buf, (size_t)len);
	} while (done < 0 && errno == EINTR);
}

static void write_file(const char *line)
{
	struct timespec now;
	struct tm tm;
	char when[32];

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	if (!gmtime_r(&now.tv_sec, &tm) ||
	    !strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm))
		when[0] = '\0';
	write_line(state.file - 1, "%s.%03ldZ %s[%d]: %s\n", when,
		   now.tv_nsec / 1000000, state.ident, (int)getpid(), line);
}

/* Not connected: the daemon may come, go and come again. */
static bool send_line(enum log_level level, const char *line)
{
	char buf[LINE_MAX_ + 192], when[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	int len;

	/* As libc has it: in local time, without a year. */
	if (localtime_r(&now, &tm))
		(void)strftime(when, sizeof(when), "%h %e %T", &tm);
	len = snprintf(buf, sizeof(buf), "<%d>%s %s[%d]: %s",
		       LOG_DAEMON | (int)level, when, state.ident,
		       (int)getpid(), line);
	return sendto(state.socket - 1, buf, (size_t)len, MSG_NOSIGNAL,
		      (struct sockaddr *)&state.syslog,
		      sizeof(state.syslog)) >= 0;
}

static void write_syslog(enum log_level level, const char *line)
{
	unsigned lost = atomic_exchange(&state.lost, 0);
	char text[80];

	(void)snprintf(text, sizeof(text),
		       "%u lines were lost: syslog did not take them",
		       lost); /* it fits */
	if (lost && !send_line(LOG_LEVEL_WARN, text))
		(void)atomic_fetch_add(&state.lost, lost + 1);
	else if (!send_line(level, line))
		(void)atomic_fetch_add(&state.lost, 1);
}

static void say(enum log_level level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_];
	int saved = errno;
	char *c;

	(void)vsnprintf(line, sizeof(line), fmt, ap); /* cut is fine */
	for (c = line; *c; c++) {
		/* Names come from outside: a line stays one line. */
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	if (level <= LOG_LEVEL_WARN)
		state.trouble = true;
	if (state.fn)
		state.fn(level, line);
	else if (state.socket)
		write_syslog(level, line);
	else if (state.opened)
		write_line(STDERR_FILENO, "<%d>%s\n", (int)level, line);
	else
		write_line(STDERR_FILENO, "%s\n", line);
	if (state.file)
		write_file(line);
	errno = saved;
}

void log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_LEVEL_WARN, fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void log_debug(const char *topic, const char *fmt, ...)
{
	va_list ap;

	if (!log_debugs(topic))
		return;
	va_start(ap, fmt);
	say(LOG_LEVEL_DEBUG, fmt, ap);
	va_end(ap);
}

/* Whether there is room for one more. */
static bool within(struct log_limit *limit)
{
	struct timespec ts;
	uint64_t now;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
	now = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	if (!limit->lines || now - limit->window_ns >= LIMIT_WINDOW) {
		if (limit->dropped)
			log_warn("%u lines like the next were left out",
				 limit->dropped);
		*limit = (struct log_limit){ .window_ns = now };
	}
	if (limit->lines >= LIMIT_LINES) {
		limit->dropped++;
		return false;
	}
	limit->lines++;
	return true;
}

void log_limited(struct log_limit *limit, const char *fmt, ...)
{
	va_list ap;

	if (!within(limit))
		return;
	va_start(ap, fmt);
	say(LOG_LEVEL_WARN, fmt, ap);
	va_end(ap);
}

void log_limited_info(struct log_limit *limit, const char *fmt, ...)
{
	va_list ap;

	if (!within(limit))
		return;
	va_start(ap, fmt);
	say(LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}
