/* SPDX-License-Identifier: GPL-2.0-or-later */
/* live-tap.c - the tapdisks of a takeover, ours and the old one. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/xen.h"
#include "migrate/live-impl.h"

#define STATE_PAUSED 0x20
#define LINEAGE_MS   2000
#define END_MS       10000

struct real {
	struct live_env env;
	const char *dir; /* of the control sockets */
};

/* --- what is the same for all worlds -------------------------------------- */

int live_tap_ours(const struct live *l, struct live_tap *tap)
{
	long pid = live_number(l, "pid");
	long minor = live_number(l, "minor");

	*tap = (struct live_tap){ .pid = -1, .minor = (int)minor };
	if (pid <= 0 || minor < 0)
		return 0;
	tap->pid = (pid_t)pid;
	return l->env->ops->find(l->env->arg, tap);
}

int live_tap_old(struct live *l, struct live_tap *tap)
{
	int rc;

	*tap = (struct live_tap){ .pid = l->old_pid, .minor = (int)l->minor };
	rc = l->env->ops->find(l->env->arg, tap);
	if (!rc && tap->pid > 0)
		l->old_pid = tap->pid;
	return rc;
}

bool live_tap_runs(const struct live_tap *tap)
{
	return tap->pid > 0 && tap->spec[0] && !tap->state;
}

bool live_tap_paused(const struct live_tap *tap)
{
	return tap->pid > 0 && tap->state > 0 && (tap->state & STATE_PAUSED);
}

int live_tap_simple(const struct live *l, const struct live_tap *tap,
		    enum wire_type type, struct err *err)
{
	struct wire_msg msg = { .type = type };

	return l->env->ops->ask(l->env->arg, tap, &msg, err);
}

static int check_size(const struct live *l, const struct live_tap *tap,
		      struct err *err)
{
	struct wire_msg msg = { .type = WIRE_DISK_INFO };
	int rc = l->env->ops->ask(l->env->arg, tap, &msg, err);

	if (rc < 0)
		return rc;
	if (msg.u.image.sectors != l->sectors ||
	    msg.u.image.sector_size != l->sector_size)
		return err_set(err, -EMEDIUMTYPE,
			       "%s: %llu sectors of %u, the guest's disk has "
			       "%llu of %u",
			       l->spec, (unsigned long long)msg.u.image.sectors,
			       msg.u.image.sector_size,
			       (unsigned long long)l->sectors, l->sector_size);
	return 0;
}

int live_tap_open_old(const struct live *l, const struct live_tap *tap,
		      bool readonly, struct err *err)
{
	struct wire_msg msg = { .type = WIRE_OPEN };

	if (snprintf(msg.u.params.path, sizeof(msg.u.params.path), "%s",
		     l->spec) >= (int)sizeof(msg.u.params.path))
		return err_set(err, -ENAMETOOLONG, "%s: too long", l->spec);
	msg.u.params.flags = readonly ? WIRE_RDONLY : 0;
	return l->env->ops->ask(l->env->arg, tap, &msg, err);
}

int live_tap_open(const struct live *l, const struct live_tap *tap,
		  bool readonly, struct err *err)
{
	int rc = live_tap_open_old(l, tap, readonly, err);

	if (rc < 0)
		return rc;
	rc = check_size(l, tap, err);
	if (rc < 0)
		(void)live_tap_simple(l, tap, WIRE_CLOSE, NULL); /* rc says */
	return rc;
}

/*
 * Found out while nothing has changed yet.  An image that another tapdisk
 * writes is locked; that it is there is enough.
 */
int live_tap_try(const struct live *l, const struct live_tap *tap,
		 struct err *err)
{
	struct err why = { .code = 0 };
	int rc = live_tap_open(l, tap, true, &why);

	if (rc == -EBUSY && l->kind == LIVE_TAPDEV)
		return 0;
	if (rc < 0) {
		*err = why;
		return rc;
	}
	return live_tap_simple(l, tap, WIRE_CLOSE, err);
}

/* --- this machine's ------------------------------------------------------- */

static int put(void *arg, const char *path, const char *text)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	(void)arg;
	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	return n < 0 ? -errno : 0;
}

static int sync_device(void *arg, const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	(void)arg;
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int find_of(const struct real *real, pid_t pid, struct live_tap *tap)
{
	struct tapctl_disks all;
	int rc = tapctl_list(&all, real->dir, pid, tap->minor, NULL);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < all.count; i++) {
		const struct tapctl_disk *d = &all.disk[i];

		if (d->minor != tap->minor || d->pid <= 0)
			continue;
		tap->pid = d->pid;
		tap->state = d->state;
		if (d->path)
			(void)snprintf(tap->spec, sizeof(tap->spec), "%s:%s",
				       d->type ? d->type : "",
				       d->path); /* as long as it came */
	}
	tapctl_list_free(&all);
	return 0;
}

/* While the guest waits not every tapdisk of the host is asked. */
static int find(void *arg, struct live_tap *tap)
{
	pid_t last = tap->pid;
	int rc = 0;

	tap->pid = -1;
	tap->spec[0] = '\0';
	if (last > 0)
		rc = find_of(arg, last, tap);
	if (rc < 0 || tap->pid > 0)
		return rc;
	return find_of(arg, -1, tap);
}

static int ask(void *arg, const struct live_tap *tap, struct wire_msg *msg,
	       struct err *err)
{
	const struct real *real = arg;
	struct tapctl_request req = { .dir = real->dir, .pid = tap->pid };

	req.msg = *msg;
	req.msg.cookie = (uint16_t)tap->minor;
	return tapctl_exchange(&req, msg, err);
}

static int start(void *arg, struct live_tap *tap, struct err *err)
{
	const struct real *real = arg;
	struct wire_msg msg = { .type = WIRE_ATTACH };
	struct err ignored;
	int rc =
		tapctl_allocate(real->dir, TAPCTL_KIND_XENIO, &tap->minor, err);

	if (rc < 0)
		return rc;
	rc = tapctl_spawn(real->dir, &tap->pid, err);
	if (!rc) {
		rc = ask(arg, tap, &msg, err);
		if (rc < 0)
			(void)kill(tap->pid, SIGTERM); /* it has no disks */
	}
	if (rc < 0)
		(void)tapctl_free(real->dir, tap->minor,
				  &ignored); /* rc says */
	return rc;
}

static int stop(void *arg, const struct live_tap *tap, struct err *err)
{
	const struct real *real = arg;
	struct wire_msg msg = { .type = WIRE_DETACH };
	int rc = tap->pid > 0 ? ask(arg, tap, &msg, err) : 0;

	if (rc < 0 && rc != -ENOENT && rc != -ECONNREFUSED && rc != -ENODEV)
		return rc;
	rc = tapctl_free(real->dir, tap->minor, err);
	return rc == -ENOENT ? 0 : rc;
}

static int who(void *arg, const struct live_tap *tap, struct live_who *who)
{
	const struct real *real = arg;
	struct tapctl_disks all;
	enum wire_lineage lineage;
	char path[32];
	ssize_t n;
	int rc =
		tapctl_lineage(&lineage, real->dir, tap->pid, LINEAGE_MS, NULL);

	if (!rc)
		rc = tapctl_list(&all, real->dir, tap->pid, -1, NULL);
	if (rc < 0)
		return rc;
	who->ours = lineage == WIRE_OURS;
	who->disks = (unsigned)all.count;
	tapctl_list_free(&all);
	(void)snprintf(path, sizeof(path), "/proc/%d/exe",
		       (int)tap->pid); /* it fits */
	n = readlink(path, who->program, sizeof(who->program) - 1);
	who->program[n < 0 ? 0 : n] = '\0';
	return 0;
}

static int spawn(void *arg, const char *program, pid_t *pid, struct err *err)
{
	const struct real *real = arg;
	const char *value = getenv("TAPDISK");
	cleanup_free char *was = value ? strdup(value) : NULL;
	int rc;

	if (program && setenv("TAPDISK", program, 1) < 0)
		return err_sys(err, "%s", program);
	rc = tapctl_spawn(real->dir, pid, err);
	if (program && was)
		(void)setenv("TAPDISK", was, 1); /* it was there before */
	else if (program)
		(void)unsetenv("TAPDISK"); /* cannot fail */
	return rc;
}

/* Its descriptors, the ring's among them, are closed before this ends. */
static void end_process(void *arg, const struct live_tap *tap)
{
	const struct real *real = arg;
	struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, tap->pid, 0),
			    .events = POLLIN };

	(void)kill(tap->pid, SIGKILL); /* it may be gone */
	if (p.fd >= 0) {
		(void)poll(&p, 1, END_MS); /* attaching asks again */
		(void)close(p.fd);         /* of a process, no file */
	}
	(void)tapctl_clean(real->dir, tap->pid); /* its socket's name */
}

static uint64_t now_ms(void *arg)
{
	struct timespec t;

	(void)arg;
	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* it is there */
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void sleep_ms(void *arg, unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
			      .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)arg;
	(void)nanosleep(&t, NULL); /* shorter is fine */
}

const struct live_ops live_tap_ops = {
	.put = put,
	.sync = sync_device,
	.find = find,
	.start = start,
	.stop = stop,
	.who = who,
	.spawn = spawn,
	.kill = end_process,
	.ask = ask,
	.now_ms = now_ms,
	.sleep_ms = sleep_ms,
};

int live_env_open(struct live_env **out, const char *dir, struct err *err)
{
	struct real *real = calloc(1, sizeof(*real));
	char *domid;
	int rc;

	if (!real)
		return err_set(err, -ENOMEM, "no memory");
	real->dir = dir;
	real->env = (struct live_env){ .root = "",
				       .ops = &live_tap_ops,
				       .arg = real };
	rc = xen_open(&real->env.xen, XEN_STORE | XEN_RINGS, err);
	if (rc < 0) {
		free(real);
		return rc;
	}
	domid = real->env.xen->read(real->env.xen, 0, "domid");
	if (domid)
		real->env.domid = (unsigned)strtoul(domid, NULL, 10);
	free(domid);
	*out = &real->env;
	return 0;
}

void live_env_close(struct live_env *env)
{
	if (!env)
		return;
	env->xen->free(env->xen);
	free(env->arg);
}
