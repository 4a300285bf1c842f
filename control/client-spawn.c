/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client-spawn.c - start a tapdisk.
 *
 * The child prints the name of its control socket when it serves it, then
 * goes to the background: its first process exits, with 0. What it printed
 * on stderr until then tells why it could not.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/parse.h"

#ifndef LIBEXECDIR
#define LIBEXECDIR "/usr/libexec"
#endif

#define SPAWN_MS 30000
#define TEXT     512
#define TRIES    5

/* What one of the child's pipes has brought. */
struct stream {
	int fd[2];
	char text[TEXT];
	size_t len;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * $TAPDISK; beside the running program, or in the libexec beside its folder,
 * so that what was built or installed together stays together; else where it
 * was meant to be installed.
 */
static void find_program(char path[PATH_MAX])
{
	static const char *const places[] = { "tapdisk", "../libexec/tapdisk" };
	const char *wanted = getenv("TAPDISK");
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	(void)snprintf(path, PATH_MAX, "%s",
		       wanted && *wanted ? wanted
					 : LIBEXECDIR "/tapdisk"); /* fits */
	if ((wanted && *wanted) || n < 0)
		return;
	self[n] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(*places); i++) {
		char at[PATH_MAX];

		n = snprintf(at, sizeof(at), "%.*s/%s", (int)(slash - self),
			     self, places[i]);
		if (n > 0 && (size_t)n < sizeof(at) && !access(at, X_OK)) {
			memcpy(path, at, (size_t)n + 1);
			return;
		}
	}
}

static void run_child(const char *dir, struct stream *out, struct stream *err)
{
	int null = open("/dev/null", O_RDWR);
	char path[PATH_MAX];
	sigset_t none;

	(void)sigemptyset(&none);                    /* cannot fail */
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail */
	if (null < 0 || dup2(null, 0) < 0 || dup2(out->fd[1], 1) < 0 ||
	    dup2(err->fd[1], 2) < 0 ||
	    (dir && setenv("BLKTAP_CONTROL_DIR", dir, 1) < 0))
		_exit(1);
	if (close_range(3, ~0u, 0) < 0) {
		for (int fd = 3; fd < 1024; fd++)
			(void)close(fd); /* most are not open */
	}
	find_program(path);
	execl(path, "tapdisk", (char *)NULL);
	dprintf(2, "%s: %s\n", path, strerror(errno));
	_exit(errno == ENOENT ? ENOENT : 1);
}

/* Whether there may be more. What does not fit is dropped. */
static bool take(struct stream *s)
{
	char more[TEXT];
	ssize_t n = read(s->fd[0], more, sizeof(more));
	size_t room = sizeof(s->text) - 1 - s->len;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (!n)
		return false;
	room = room < (size_t)n ? room : (size_t)n;
	memcpy(s->text + s->len, more, room);
	s->len += room;
	s->text[s->len] = '\0';
	return true;
}

/* Until both pipes are closed at their other ends, or a line is on out. */
static int gather(struct stream *out, struct stream *err)
{
	struct pollfd fds[2] = { { .fd = out->fd[0], .events = POLLIN },
				 { .fd = err->fd[0], .events = POLLIN } };
	int64_t end = now_ms() + SPAWN_MS, left;

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		left = end - now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents && !take(out))
			fds[0].fd = -1;
		if (fds[1].revents && !take(err))
			fds[1].fd = -1;
	}
	return 0;
}

static int wait_for(pid_t child, int *status)
{
	int64_t end = now_ms() + SPAWN_MS;
	pid_t rc;

	while ((rc = waitpid(child, status, WNOHANG)) != child) {
		if (rc < 0 && errno != EINTR)
			return -errno;
		if (now_ms() >= end)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, 1); /* just wait */
	}
	return 0;
}

/* The number in ".../ctl<pid>\n". */
static int parse_id(const char *line, pid_t *pid)
{
	const char *slash = strrchr(line, '/');
	char digits[16];
	int64_t n;

	if (!slash || sscanf(slash, "/ctl%15[0-9]\n", digits) != 1 ||
	    parse_int(&n, digits, 1, INT32_MAX) < 0)
		return -EPROTO;
	*pid = (pid_t)n;
	return 0;
}

/* What came of the child; -EAGAIN: by no fault of its own, nothing. */
static int judge(int status, struct stream *out, struct stream *errs,
		 pid_t *pid, struct err *err)
{
	errs->text[strcspn(errs->text, "\n")] = '\0';
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1)
		return -EAGAIN; /* asked for a dump before it could tell */
	if (WIFSIGNALED(status))
		return err_set(err, -EINTR, "tapdisk: killed by signal %d",
			       WTERMSIG(status));
	if (!WIFEXITED(status))
		return -EAGAIN;
	if (WEXITSTATUS(status))
		return err_set(err, -WEXITSTATUS(status), "%s",
			       errs->len ? errs->text
					 : "tapdisk: could not start");
	if (parse_id(out->text, pid) < 0)
		return err_set(err, -EPROTO,
			       "tapdisk: does not name its socket");
	return err_set(err, 0, "%s", errs->text); /* a warning, mostly none */
}

static int try_spawn(const char *dir, pid_t *pid, struct err *err)
{
	struct stream out = { .fd = { -1, -1 } }, errs = { .fd = { -1, -1 } };
	cleanup_fd int out_end = -1, errs_end = -1;
	int rc, status = 0;
	pid_t child;

	if (pipe2(out.fd, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	out_end = out.fd[0];
	if (pipe2(errs.fd, O_CLOEXEC) < 0) {
		(void)close(out.fd[1]); /* a pipe */
		return err_sys(err, "pipe");
	}
	errs_end = errs.fd[0];
	child = fork();
	if (!child)
		run_child(dir, &out, &errs);
	(void)close(out.fd[1]);  /* the child's */
	(void)close(errs.fd[1]); /* the child's */
	if (child < 0)
		return err_sys(err, "fork");
	rc = gather(&out, &errs);
	if (!rc)
		rc = wait_for(child, &status);
	if (rc < 0) {
		(void)kill(child, SIGKILL);    /* it may be gone */
		(void)waitpid(child, NULL, 0); /* our own child */
		return err_set(err, rc, "tapdisk: does not start");
	}
	return judge(status, &out, &errs, pid, err);
}

int tapctl_spawn(const char *dir, pid_t *pid, struct err *err)
{
	int rc = -EAGAIN;

	for (int i = 0; i < TRIES && rc == -EAGAIN; i++)
		rc = try_spawn(dir, pid, err);
	return rc;
}
