/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log_test.c - lines stay lines, topics are exact, limits limit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"
#include "tests/lib/test.h"

static char last[1200];
static enum log_level last_level;
static int lines;

static void hear(enum log_level level, const char *line)
{
	(void)snprintf(last, sizeof(last), "%s", line);
	last_level = level;
	lines++;
}

static int setup(void **state)
{
	(void)state;
	lines = 0;
	last[0] = '\0';
	log_set(hear);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_set(NULL);
	log_debug_topics(NULL);
	return 0;
}

static void levels_and_errno_are_kept(void **state)
{
	(void)state;
	errno = ENOENT;
	log_error("vbd %d: %m", 3);
	assert_int_equal(errno, ENOENT);
	assert_string_equal(last, "vbd 3: No such file or directory");
	assert_int_equal(last_level, LOG_LEVEL_ERROR);
	log_warn("w");
	assert_int_equal(last_level, LOG_LEVEL_WARN);
	log_info("i");
	assert_int_equal(last_level, LOG_LEVEL_INFO);
}

static void a_line_stays_one_line(void **state)
{
	char name[3000];

	(void)state;
	log_info("%s", "a\nb\tc\x7f");
	assert_string_equal(last, "a?b?c?");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	log_info("%s", name);
	assert_int_equal(strlen(last), 1023);
}

static void only_topics_asked_for_are_debugged(void **state)
{
	(void)state;
	log_debug("ring", "x");
	assert_int_equal(lines, 0);
	log_debug_topics("ring,vbd");
	assert_true(log_debugs("ring"));
	assert_true(log_debugs("vbd"));
	assert_false(log_debugs("rin"));
	assert_false(log_debugs("ing"));
	assert_false(log_debugs("vb"));
	log_debug("vbd", "x%d", 1);
	assert_string_equal(last, "x1");
	assert_int_equal(last_level, LOG_LEVEL_DEBUG);
	log_debug_topics("all");
	assert_true(log_debugs("anything"));
	log_debug_topics("");
	assert_false(log_debugs("ring"));
}

static void a_client_can_cause_only_so_many_lines(void **state)
{
	struct log_limit limit = { 0 };
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		log_limited(&limit, "line %d", i);
	assert_int_equal(lines, 16);
	assert_string_equal(last, "line 15");
	assert_int_equal(limit.dropped, 84);
	limit.window_ns -= UINT64_C(90000000000);
	log_limited(&limit, "later");
	assert_int_equal(lines, 18); /* with one that counts the dropped */
	assert_string_equal(last, "later");
	assert_int_equal(limit.dropped, 0);
}

static void lines_also_go_to_a_file(void **state)
{
	char path[] = "/tmp/log_test.XXXXXX";
	char buf[256] = "";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(log_file(path), 0);
	log_warn("to the file");
	assert_int_equal(log_file(NULL), 0);
	log_warn("not to the file");
	assert_true(read(fd, buf, sizeof(buf) - 1) > 0);
	assert_non_null(strstr(buf, "]: to the file\n"));
	assert_null(strstr(buf, "not to"));
	close(fd);
	unlink(path);
	assert_int_equal(log_file("/nowhere/at/all"), -ENOENT);
}

/* The next line that the daemon gets, or "". */
static const char *heard(int fd)
{
	static char buf[2048];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void a_syslog_that_does_not_read_is_not_waited_for(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/blktap-log-XXXXXX";
	unsigned n, told;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/log",
		       dir); /* it fits */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	log_set(NULL);
	log_open("prog", true);
	log_syslog(addr.sun_path);
	log_info("nobody is there yet");
	assert_int_equal(bind(fd, (void *)&addr, sizeof(addr)), 0);
	log_warn("one\ntwo");
	/* <daemon|warning>Mmm dd hh:mm:ss prog[pid]: */
	assert_non_null(strstr(heard(fd), "1 lines were lost"));
	assert_int_equal(strncmp(heard(fd), "<28>", 4), 0);
	for (unsigned i = 0; i < 5000; i++)
		log_info("line %u", i);
	for (n = 0; strstr(heard(fd), ": line "); n++)
		;
	assert_in_range(n, 1, 4999);
	log_info("again");
	assert_int_equal(sscanf(strstr(heard(fd), "]: "), "]: %u lines", &told),
			 1);
	assert_int_equal(told, 5000 - n);
	assert_non_null(strstr(heard(fd), "]: again"));
	(void)close(fd); /* it was a test's */
	(void)unlink(addr.sun_path);
	(void)rmdir(dir);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(levels_and_errno_are_kept),
		test(a_line_stays_one_line),
		test(only_topics_asked_for_are_debugged),
		test(a_client_can_cause_only_so_many_lines),
		test(lines_also_go_to_a_file),
		test(a_syslog_that_does_not_read_is_not_waited_for),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
