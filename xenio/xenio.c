/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenio.c - the daemon between XenStore and the tapdisks: main().
 *
 * It holds no guest data and no ring: when it ends, however that happens,
 * rings go on, and the next one finds in XenStore and from the tapdisks all
 * that this one knew.  So a signal ends it at once.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/parse.h"
#include "lib/xen.h"
#include "xenio/check.h"
#include "xenio/daemon.h"
#include "xenio/supervise.h"

#define PIDFILE    "/run/xenio.pid"
#define TAPBACK    "/run/tapback.pid"
#define BLKBACK    "/sys/bus/xen-backend/drivers/vbd"
#define OPENER     "/etc/xen/scripts/block-xenio"
#define MAX_QUEUES 4

struct options {
	struct supervise_options sv;
	const char *pidfile;
	const char *debug;
	bool foreground;
	bool check;
	bool all;
};

static void usage(FILE *out)
{
	(void)fputs(
		"usage: xenio [-bdDfhvV] [-m ORDER] [-n NAME] [-p FILE] "
		"[-x DOMID]\n"
		"  -b, --nobarrier           do not advertise write barriers\n"
		"      --all                 serve all disks, as on a host "
		"without xen-blkback\n"
		"      --check               say what of Xen is missing, exit\n"
		"      --control-dir DIR     where tapdisks listen\n"
		"  -d, -D, --debug           stay in the foreground, log to "
		"stderr\n"
		"  -f, --foreground          the same\n"
		"  -h, --help                this text\n"
		"      --max-indirect N      segments of an indirect request "
		"(0..256)\n"
		"      --max-queues N        rings a disk may have (1..16)\n"
		"  -m, --max-ring-order N    pages of a ring, as a power of two "
		"(0..4)\n"
		"  -n, --name NAME           serve backend/NAME; may be "
		"repeated\n"
		"      --no-persistent       do not advertise persistent "
		"grants\n"
		"      --persistent          advertise them: the default\n"
		"  -p, --pidfile FILE        where to write the process id\n"
		"  -v, --verbose             log all topics\n"
		"  -V, --version             say the version\n"
		"  -x, --domain DOMID        serve this domain's disks alone\n",
		out);
}

static _Noreturn void help(int status)
{
	usage(status ? stderr : stdout);
	exit(status);
}

enum {
	OPT_ALL = 256,
	OPT_CHECK,
	OPT_CONTROL_DIR,
	OPT_MAX_INDIRECT,
	OPT_MAX_QUEUES,
	OPT_NO_PERSISTENT,
	OPT_PERSISTENT
};

static const struct option long_options[] = {
	{ "nobarrier", no_argument, NULL, 'b' },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "control-dir", required_argument, NULL, OPT_CONTROL_DIR },
	{ "debug", no_argument, NULL, 'd' },
	{ "foreground", no_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ "max-indirect", required_argument, NULL, OPT_MAX_INDIRECT },
	{ "max-queues", required_argument, NULL, OPT_MAX_QUEUES },
	{ "max-ring-order", required_argument, NULL, 'm' },
	{ "name", required_argument, NULL, 'n' },
	{ "no-persistent", no_argument, NULL, OPT_NO_PERSISTENT },
	{ "persistent", no_argument, NULL, OPT_PERSISTENT },
	{ "pidfile", required_argument, NULL, 'p' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ "domain", required_argument, NULL, 'x' },
	{ NULL, 0, NULL, 0 },
};

static unsigned number(const char *what, const char *text, unsigned min,
		       unsigned max)
{
	uint64_t n;

	if (parse_uint(&n, text, min, max) < 0) {
		(void)fprintf(stderr, "xenio: %s: %s is not within %u..%u\n",
			      what, text, min, max);
		exit(2);
	}
	return (unsigned)n;
}

static void add_type(struct options *opt, const char *name)
{
	if (opt->sv.ntypes == SUPERVISE_TYPES ||
	    strlen(name) >= SUPERVISE_TYPE_MAX || !*name || strchr(name, '/')) {
		(void)fprintf(stderr,
			      "xenio: %s: not a name, or one too many\n", name);
		exit(2);
	}
	opt->sv.types[opt->sv.ntypes++] = name;
}

static void take_option(struct options *opt, int c)
{
	struct device_env *env = &opt->sv.env;

	switch (c) {
	case 'b':
		env->barrier = false;
		break;
	case OPT_ALL:
		opt->all = true;
		break;
	case OPT_CHECK:
		opt->check = true;
		break;
	case OPT_CONTROL_DIR:
		env->control_dir = optarg;
		break;
	case 'd':
	case 'D':
	case 'f':
		opt->foreground = true;
		break;
	case 'h':
		help(0);
	case OPT_MAX_INDIRECT:
		env->max_segs =
			number("--max-indirect", optarg, 0, RING_SEGS_INDIRECT);
		break;
	case OPT_MAX_QUEUES:
		env->limits.queues =
			number("--max-queues", optarg, 1, XENBUS_QUEUES_MAX);
		break;
	case 'm':
		env->limits.order =
			number("--max-ring-order", optarg, 0, XENBUS_ORDER_MAX);
		break;
	case 'n':
		add_type(opt, optarg);
		break;
	case OPT_NO_PERSISTENT:
	case OPT_PERSISTENT:
		env->persistent = c == OPT_PERSISTENT;
		break;
	case 'p':
		opt->pidfile = optarg;
		break;
	case 'v':
		opt->debug = "all";
		break;
	case 'V':
		(void)printf("xenio %s\n", VERSION);
		exit(0);
	case 'x':
		opt->sv.only = number("--domain", optarg, 0, XENBUS_DOMID_MAX);
		break;
	default:
		help(2);
	}
}

static void take_options(struct options *opt, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "bdDfhm:n:p:vVx:", long_options,
				NULL)) != -1)
		take_option(opt, c);
	if (optind < argc)
		help(2);
	if (opt->all)
		opt->sv.env.opener = OPENER;
	if (!opt->sv.ntypes) {
		add_type(opt, "vbd3");
		add_type(opt, "xenio");
		add_type(opt, "vbd");
		opt->sv.marked[opt->sv.ntypes - 1] = !opt->all;
	}
	if (!opt->pidfile && !opt->foreground)
		opt->pidfile = PIDFILE;
}

/* Nobody else may serve what we are to serve. */
static int alone(const struct options *opt, struct err *err)
{
	long only = opt->sv.only == SUPERVISE_ANY ? -1 : (long)opt->sv.only;
	int lock, rc;

	rc = daemon_other(TAPBACK, "tapback", err);
	for (unsigned i = 0; i < opt->sv.ntypes && rc >= 0; i++) {
		if (strcmp(opt->sv.types[i], "vbd") == 0 &&
		    !opt->sv.marked[i] && access(BLKBACK, F_OK) == 0)
			return err_set(err, -EBUSY,
				       "backend/vbd is the kernel's while "
				       "xen-blkback is loaded");
		/* Held to the end of the process. */
		rc = daemon_lock(&lock, DAEMON_RUN_DIR, opt->sv.types[i], only,
				 err);
	}
	return rc;
}

static void told_to_end(struct watch *w, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		log_info("xenio: ended by signal %u; rings go on",
			 info.ssi_signo);
	exit(0);
}

static int watch_signals(struct loop *loop, struct watch *w, struct err *err)
{
	sigset_t set;
	int rc;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)signal(SIGPIPE, SIG_IGN);
	/* Before libxenstore starts its thread, which inherits it. */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(err, "signals");
	w->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (w->fd < 0)
		return err_sys(err, "signals");
	w->ready = told_to_end;
	rc = loop_watch(loop, w, EPOLLIN);
	return rc < 0 ? err_set(err, rc, "signals: %s", strerror(-rc)) : 0;
}

static int serve(struct options *opt, int ready, struct err *err)
{
	struct device_env *env = &opt->sv.env;
	struct supervise *sv = NULL;
	struct watch signals;
	int rc;

	rc = loop_new(&env->loop, err);
	if (rc >= 0)
		rc = watch_signals(env->loop, &signals, err);
	if (rc >= 0)
		rc = xen_open(&env->xen, XEN_STORE, err);
	if (rc < 0)
		return rc;
	env->domid = supervise_domid(env->xen);
	rc = supervise_new(&sv, &opt->sv, err);
	if (rc >= 0 && opt->pidfile)
		rc = daemon_pidfile(opt->pidfile, err);
	if (rc < 0)
		return rc;
	log_info("xenio: version %s serves backend/%s%s of domain %u", VERSION,
		 opt->sv.types[0], opt->sv.ntypes > 1 ? " and others" : "",
		 env->domid);
	daemon_ready(ready);
	loop_run(env->loop);
	return 0;
}

int main(int argc, char **argv)
{
	struct options opt = {
		.sv.only = SUPERVISE_ANY,
		.sv.env = {
			.limits = { XENBUS_ORDER_MAX, MAX_QUEUES },
			.max_segs = RING_SEGS_INDIRECT,
			.barrier = true,
			.persistent = true,
		},
	};
	struct err err = { .code = 0 };
	int ready = -1;
	int rc;

	take_options(&opt, argc, argv);
	if (opt.check)
		return check_print(stdout) ? 0 : 1;
	rc = opt.foreground ? 0 : daemon_detach(&ready, &err);
	if (rc >= 0)
		rc = alone(&opt, &err);
	if (rc >= 0) {
		log_open("xenio", opt.foreground);
		log_debug_topics(opt.debug);
		rc = serve(&opt, ready, &err);
	}
	if (rc < 0)
		(void)fprintf(stderr, "xenio: %s\n", err.msg);
	return rc < 0 ? 1 : 0;
}
