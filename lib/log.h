/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log.h - what a daemon has to say, a line at a time.
 *
 * error: somebody must act; warn: it was survived; info: a disk came, went
 * or paused; debug: the rest, by topic.  A line names its object first
 * ("vbd 3: ..."), has no newline at its end and no function names; %m is
 * the errno.  Libraries do not log: they fill a struct err.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR = 3, /* as sd-daemon and syslog number them */
	LOG_LEVEL_WARN = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/*
 * Start logging as ident. With foreground, to stderr with "<N>" prefixes;
 * else to syslog, which is never waited for. Without this call, lines go to
 * stderr as they are.
 */
void log_open(const char *ident, bool foreground);

/* For tests: where syslog listens. */
void log_syslog(const char *path);

/* Comma-separated topics, or "all"; NULL for none. */
void log_debug_topics(const char *topics);
bool log_debugs(const char *topic);

/* Also append every line to this file; NULL to stop. -errno if it fails. */
int log_file(const char *path);

/* Whether an error or a warning was logged: the file is worth keeping. */
bool log_trouble(void);

/* For tests: where lines go instead. NULL for the usual place. */
void log_set(void (*fn)(enum log_level level, const char *line));

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *topic, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * For lines that a guest or a client can cause: at most 16 in 90 seconds,
 * then a count of those left out. Zeroed memory is a fresh limit.
 */
struct log_limit {
	uint64_t window_ns;
	unsigned lines;
	unsigned dropped;
};

void log_limited(struct log_limit *limit, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The same, of what is no trouble. */
void log_limited_info(struct log_limit *limit, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* LIB_LOG_H */
