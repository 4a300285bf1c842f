/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon_test.c - who may serve, and who is told of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "tests/lib/test.h"
#include "xenio/daemon.h"

static int setup(void **state)
{
	char *dir = strdup("/tmp/daemon-unit-XXXXXX");

	assert_non_null(mkdtemp(dir));
	*state = dir;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "xenio-a.lock",
					     "xenio-a-5.lock",
					     "xenio-a-6.lock",
					     "xenio-b.lock",
					     "pid",
					     "sock" };
	char path[128];

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", (char *)*state,
			       names[i]);
		(void)unlink(path);
	}
	(void)rmdir(*state);
	free(*state);
	return 0;
}

static void write_file(const char *dir, const char *text, char path[128])
{
	FILE *f;

	(void)snprintf(path, 128, "%s/pid", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* Locks of one process do not exclude it: ask from another. */
static int lock_elsewhere(const char *dir, const char *type, long only)
{
	pid_t pid = fork();
	int status, fd;

	if (pid == 0)
		_exit(-daemon_lock(&fd, dir, type, only, NULL));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return -WEXITSTATUS(status);
}

static void a_name_is_served_once(void **state)
{
	int fd;

	assert_int_equal(daemon_lock(&fd, *state, "a", -1, NULL), 0);
	assert_int_equal(lock_elsewhere(*state, "a", -1), -EBUSY);
	assert_int_equal(lock_elsewhere(*state, "a", 5), -EBUSY);
	assert_int_equal(lock_elsewhere(*state, "b", -1), 0);
	(void)close(fd);
	assert_int_equal(lock_elsewhere(*state, "a", -1), 0);
}

static void domains_can_be_served_one_by_one(void **state)
{
	int fd;

	assert_int_equal(daemon_lock(&fd, *state, "a", 5, NULL), 0);
	assert_int_equal(lock_elsewhere(*state, "a", 5), -EBUSY);
	assert_int_equal(lock_elsewhere(*state, "a", 6), 0);
	assert_int_equal(lock_elsewhere(*state, "a", -1), -EBUSY);
	(void)close(fd);
}

static void the_holder_is_named(void **state)
{
	struct err err = { .code = 0 };
	char wanted[64];
	int fd, again;

	assert_int_equal(daemon_lock(&fd, *state, "a", -1, NULL), 0);
	assert_int_equal(daemon_lock(&again, *state, "a", -1, &err), -EBUSY);
	(void)snprintf(wanted, sizeof(wanted),
		       "backend/a: process %d serves it", (int)getpid());
	assert_non_null(strstr(err.msg, wanted));
	(void)close(fd);
}

static void another_daemon_is_known_by_pid_and_name(void **state)
{
	char path[128], text[32], name[17] = "";
	struct err err = { .code = 0 };

	/* Under valgrind this process has another name. */
	assert_int_equal(prctl(PR_GET_NAME, name), 0);
	(void)snprintf(text, sizeof(text), "%d\n", (int)getpid());
	write_file(*state, text, path);
	assert_int_equal(daemon_other(path, name, &err), -EBUSY);
	(void)snprintf(text, sizeof(text), "%s runs", name);
	assert_non_null(strstr(err.msg, text));
	assert_int_equal(daemon_other(path, "tapback", &err), 0);
}

static void a_stale_pid_file_is_nobody(void **state)
{
	static const char *const texts[] = { "", "0\n", "-1\n", "x\n",
					     "99999999999\n" };
	char path[128];

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_file(*state, texts[i], path);
		assert_int_equal(daemon_other(path, "daemon_test", NULL), 0);
	}
	assert_int_equal(daemon_other("/nonexistent", "daemon_test", NULL), 0);
}

static void the_service_manager_is_told(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char text[32] = "";
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/sock",
		       (char *)*state);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", addr.sun_path, 1), 0);
	daemon_ready(-1);
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_string_equal(text, "READY=1");
	(void)close(fd);
}

/* The caller's process ends as the new one does, or when it is ready. */
static void the_caller_ends_when_the_daemon_is_ready(void **state)
{
	for (int fails = 0; fails < 2; fails++) {
		pid_t pid = fork();
		int status, ready;

		if (pid == 0) {
			if (daemon_detach(&ready, NULL) < 0)
				_exit(99);
			if (fails)
				_exit(3);
			daemon_ready(ready);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), fails ? 3 : 0);
	}
	(void)state;
}

#define in_dir(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_dir(a_name_is_served_once),
		in_dir(domains_can_be_served_one_by_one),
		in_dir(the_holder_is_named),
		in_dir(another_daemon_is_known_by_pid_and_name),
		in_dir(a_stale_pid_file_is_nobody),
		in_dir(the_service_manager_is_told),
		cmocka_unit_test(the_caller_ends_when_the_daemon_is_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
