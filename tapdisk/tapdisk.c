/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tapdisk.c - the process that serves disks.
 *
 * All that can fail happens before the path of the control socket is printed;
 * whoever reads it may rely on the socket. The first process waits for that,
 * and exits with what the second one, which serves, came to.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/parse.h"
#include "lib/work.h"
#include "tapdisk/control.h"
#include "tapdisk/driver.h"
#include "tapdisk/io.h"
#include "tapdisk/metrics.h"
#include "tapdisk/passed.h"
#include "tapdisk/server.h"
#include "tapdisk/transport.h"
#include "tapdisk/vbd.h"

#define LOG_DIR       "/var/log/blktap"
#define WORKERS       2
#define IO_DEPTH      256
#define IN_FLIGHT_MIN (1u << 20)
#define IN_FLIGHT_MAX (1u << 30)

struct options {
	bool foreground;
	const char *engine;
	const char *topics;
	uint64_t in_flight;
	const char *dir;
	const char *log_dir;
};

struct process {
	struct options opt;
	struct vbd_env env;
	struct server *server;
	struct metrics *metrics;
	struct control *control;
	struct watch signals;
	char log[256];
};

static const char usage[] =
	"usage: tapdisk [-D] [-h] [--io=ENGINE] [--in-flight=BYTES] "
	"[--debug=TOPIC,...]\n";

static void help(void)
{
	printf("%s\nimages:\n", usage);
	for (const struct driver *const *d = drivers; *d; d++)
		printf("  %-10s %s\n", (*d)->name, (*d)->summary);
	printf("transports:\n");
	for (const struct transport *const *t = transports; *t; t++)
		printf("  %-10s %s\n", (*t)->name, (*t)->summary);
}

/* "16777216", "16384K", "16M". */
static int parse_size(uint64_t *out, const char *text)
{
	char digits[24];
	size_t len = strlen(text);
	unsigned shift = 0;

	if (len && (text[len - 1] == 'K' || text[len - 1] == 'M'))
		shift = text[--len] == 'K' ? 10 : 20;
	if (len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (parse_uint(out, digits, 1, IN_FLIGHT_MAX) < 0)
		return -EINVAL;
	*out <<= shift;
	if (*out < IN_FLIGHT_MIN || *out > IN_FLIGHT_MAX || *out & (*out - 1))
		return -EINVAL;
	return 0;
}

/* 0, 1 when there is nothing more to do, -EINVAL. */
static int parse(struct options *opt, int argc, char **argv)
{
	enum {
		IO = 256,
		IN_FLIGHT,
		DEBUG
	};
	static const struct option names[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "io", required_argument, NULL, IO },
		{ "in-flight", required_argument, NULL, IN_FLIGHT },
		{ "debug", required_argument, NULL, DEBUG },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "Dh", names, NULL)) != -1) {
		switch (c) {
		case 'D':
			opt->foreground = true;
			break;
		case 'h':
			return 1;
		case IO:
			opt->engine = optarg;
			break;
		case IN_FLIGHT:
			if (parse_size(&opt->in_flight, optarg) < 0) {
				fprintf(stderr,
					"tapdisk: --in-flight=%s: a power of "
					"two from 1M to 1024M\n",
					optarg);
				return -EINVAL;
			}
			break;
		case DEBUG:
			opt->topics = optarg;
			break;
		default:
			return -EINVAL;
		}
	}
	return optind < argc ? -EINVAL : 0;
}

/*
 * A disk that is swapped out to itself hangs the host. Without leave to lock
 * it still serves: then it says so, and goes on.
 */
static void lock_memory(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit files;

	if ((setrlimit(RLIMIT_MEMLOCK, &all) < 0 && geteuid() != 0) ||
	    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		fprintf(stderr, "tapdisk: memory is not locked: %m\n");
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files); /* it had fewer */
	}
}

static void open_log(struct process *p)
{
	int n = snprintf(p->log, sizeof(p->log), "%s/tapdisk.%d.log",
			 p->opt.log_dir, (int)getpid());

	log_open("tapdisk", p->opt.foreground);
	log_debug_topics(p->opt.topics);
	(void)mkdir(p->opt.log_dir, 0755); /* mostly there is one */
	if (n < 0 || (size_t)n >= sizeof(p->log) || log_file(p->log) < 0) {
		p->log[0] = '\0';
		log_warn("%s: no log file there: %m", p->opt.log_dir);
	}
}

static void signalled(struct watch *w, uint32_t events)
{
	struct process *p = container_of(w, struct process, signals);
	struct signalfd_siginfo si;

	(void)events;
	if (read(w->fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGUSR1) {
		control_dump(p->control);
	} else if (si.ssi_signo == SIGHUP) {
		if (p->log[0] && log_file(p->log) < 0)
			log_error("%s: cannot be opened again: %m", p->log);
	} else if (si.ssi_signo != SIGUSR2) {
		log_info("tapdisk: signal %u: ending", si.ssi_signo);
		control_stop(p->control);
	}
}

/* Before there are threads: they inherit the mask. */
static int block_signals(sigset_t *set)
{
	static const int taken[] = { SIGTERM, SIGINT, SIGUSR1, SIGUSR2,
				     SIGHUP };

	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail */
	(void)signal(SIGXFSZ, SIG_IGN); /* cannot fail */
	(void)sigemptyset(set);         /* cannot fail */
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		(void)sigaddset(set, taken[i]); /* cannot fail */
	return sigprocmask(SIG_BLOCK, set, NULL);
}

static int watch_signals(struct process *p, struct err *err)
{
	sigset_t set;

	if (block_signals(&set) < 0)
		return err_sys(err, "signals");
	p->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	p->signals.ready = signalled;
	if (p->signals.fd < 0 ||
	    loop_watch(p->env.loop, &p->signals, EPOLLIN) < 0)
		return err_sys(err, "signals");
	return 0;
}

static void stopped(void *arg)
{
	struct process *p = arg;

	loop_stop(p->env.loop);
}

static void ended(void *arg)
{
	struct process *p = arg;

	server_stop(p->server, stopped, p);
}

static int start(struct process *p, struct err *err)
{
	struct control_env env = { .vbd = &p->env,
				   .dir = p->opt.dir,
				   .pid = getpid(),
				   .ended = ended,
				   .arg = p };
	struct err why = { 0 };
	int rc;

	p->env.in_flight = p->opt.in_flight;
	p->env.dir = p->opt.dir;
	rc = loop_new(&p->env.loop, err);
	if (!rc)
		rc = watch_signals(p, err);
	if (!rc)
		rc = work_new(&p->env.work, p->env.loop, WORKERS, err);
	if (!rc)
		rc = io_new(&p->env.io, p->env.loop, p->opt.engine, IO_DEPTH,
			    err);
	if (!rc)
		rc = server_new(&p->server, p->env.loop, p->opt.dir, env.pid,
				err);
	if (!rc)
		rc = passed_new(&p->env.passed, p->env.loop, p->opt.dir,
				env.pid, err);
	if (rc < 0)
		return rc;
	tapctl_clean_all(p->opt.dir);
	if (metrics_new(&p->metrics, p->env.loop, NULL, env.pid, &why) < 0)
		log_warn("tapdisk: no metrics: %s", why.msg);
	env.server = p->server;
	env.metrics = p->metrics;
	return control_new(&p->control, &env, err);
}

static void finish(struct process *p)
{
	control_free(p->control);
	server_free(p->server);
	passed_free(p->env.passed);
	metrics_free(p->metrics);
	if (p->env.io)
		io_free(p->env.io);
	if (p->env.work)
		work_free(p->env.work);
	if (p->env.loop)
		loop_free(p->env.loop);
}

/* Nobody is there any more to read what is printed. */
static void leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 3 && null >= 0; fd++)
		(void)dup2(null, fd); /* onto one that is open */
	if (null > 2)
		(void)close(null); /* it has copies */
}

/* ready is where to tell that it serves; -1: nobody waits. */
static int serve(const struct options *opt, int ready)
{
	struct process p = { .opt = *opt };
	struct err err = { 0 };
	int rc;

	(void)umask(077);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* since Linux 3.5 */
	lock_memory();
	open_log(&p);
	rc = start(&p, &err);
	if (rc < 0) {
		fprintf(stderr, "tapdisk: %s\n", err.msg);
		finish(&p);
		return 1;
	}
	log_info("tapdisk: %s serves %s/ctl%d", VERSION, opt->dir,
		 (int)getpid());
	printf("%s/ctl%d\n", opt->dir, (int)getpid());
	(void)fflush(stdout); /* who wanted to read it may be gone */
	if (ready >= 0) {
		leave_terminal();
		(void)!write(ready, "", 1); /* likewise */
		(void)close(ready);         /* it was told */
	}
	loop_run(p.env.loop);
	log_info("tapdisk: ends");
	finish(&p);
	if (p.log[0] && !log_trouble())
		(void)unlink(p.log); /* an administrator may have */
	return 0;
}

/* What the one in the background came to. */
static int wait_ready(int ready, pid_t child)
{
	int status = 0;
	char byte;

	if (read(ready, &byte, 1) == 1)
		return 0;
	if (waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	    WEXITSTATUS(status))
		return WEXITSTATUS(status);
	fprintf(stderr, "tapdisk: ended before it could serve\n");
	return 1;
}

static int serve_behind(const struct options *opt)
{
	int ready[2];
	sigset_t set;
	pid_t child;

	if (pipe2(ready, O_CLOEXEC) < 0 || block_signals(&set) < 0) {
		fprintf(stderr, "tapdisk: %m\n");
		return 1;
	}
	child = fork();
	if (child < 0) {
		fprintf(stderr, "tapdisk: fork: %m\n");
		return 1;
	}
	if (child) {
		(void)close(ready[1]); /* the child's */
		return wait_ready(ready[0], child);
	}
	(void)close(ready[0]); /* the parent's */
	(void)setsid();        /* a child leads no group */
	if (chdir("/") < 0)
		fprintf(stderr, "tapdisk: /: %m\n");
	return serve(opt, ready[1]);
}

static const char *setting(const char *name, const char *usual)
{
	const char *value = getenv(name);

	return value && *value ? value : usual;
}

int main(int argc, char **argv)
{
	struct options opt = {
		.in_flight = VBD_IN_FLIGHT_DEFAULT,
		.dir = setting("BLKTAP_CONTROL_DIR", TAPCTL_DIR),
		.log_dir = setting("BLKTAP_LOG_DIR", LOG_DIR),
	};
	int rc = parse(&opt, argc, argv);

	if (rc) {
		if (rc > 0)
			help();
		else
			fputs(usage, stderr);
		return rc > 0 ? 0 : EINVAL;
	}
	if (opt.dir[0] != '/') {
		fprintf(stderr, "tapdisk: %s: not an absolute path\n", opt.dir);
		return EINVAL;
	}
	return opt.foreground ? serve(&opt, -1) : serve_behind(&opt);
}
