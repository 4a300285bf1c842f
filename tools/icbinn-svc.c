/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * icbinn-svc.c - serves folders to ICBINN clients.
 *
 * A process a connection, which runs as the folder's owner and cannot leave
 * it.  The protocol knows no authentication, so it listens on the loopback
 * unless told otherwise.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/parse.h"
#include "vhd/icbinn.h"

#define PORTS 16

/* As whoever owns the folder, if we may choose. */
static int drop_privilege(int root)
{
	struct stat st;

	if (fstat(root, &st))
		return -errno;
	if (geteuid() == 0 && st.st_uid &&
	    (setgroups(0, NULL) || setgid(st.st_gid) || setuid(st.st_uid)))
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

static int serve(int sock, const char *dir, uint32_t limit)
{
	int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || drop_privilege(root)) {
		(void)fprintf(stderr, "icbinn-svc: %s: %m\n", dir);
		return 1;
	}
	return vhd_icbinn_serve(sock, root, limit) != 0;
}

static int listen_on(const char *address, uint16_t port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
				    .sin6_port = htons(port) };
	struct sockaddr_in four = { .sin_family = AF_INET,
				    .sin_port = htons(port) };
	bool is_six = inet_pton(AF_INET6, address, &six.sin6_addr) == 1;
	int one = 1, fd;

	if (!is_six && inet_pton(AF_INET, address, &four.sin_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		return -1;
	if (bind(fd,
		 is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four,
		 is_six ? sizeof(six) : sizeof(four)) ||
	    listen(fd, 16))
		return -1;
	return fd;
}

static int usage(void)
{
	(void)fprintf(stderr, "usage: icbinn-svc [-b address] [-l limit] "
			      "-p port:folder [-p port:folder]...\n");
	return 2;
}

static void accept_one(struct pollfd *p, const char *dir, uint32_t limit)
{
	int sock = accept(p->fd, NULL, NULL);

	if (sock < 0)
		return;
	if (!fork())
		_exit(serve(sock, dir, limit));
	(void)close(sock); /* the child's */
}

struct service {
	const char *address;
	const char *dir[PORTS];
	struct pollfd p[PORTS];
	uint64_t port[PORTS], limit;
	nfds_t n;
};

static bool parse(struct service *s, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "b:l:p:h")) != -1) {
		char *colon = c == 'p' ? strchr(optarg, ':') : NULL;

		if (c == 'b') {
			s->address = optarg;
		} else if (c == 'l') {
			if (parse_uint(&s->limit, optarg, 512, 65536))
				return false;
		} else if (colon && s->n < PORTS) {
			*colon = '\0';
			s->dir[s->n] = colon + 1;
			if (parse_uint(&s->port[s->n++], optarg, 1, 65535))
				return false;
		} else {
			return false;
		}
	}
	return s->n && optind == argc;
}

int main(int argc, char **argv)
{
	struct service s = { .address = "127.0.0.1", .limit = VHD_ICBINN_DATA };

	if (!parse(&s, argc, argv))
		return usage();
	(void)signal(SIGCHLD, SIG_IGN); /* children leave nothing */
	(void)signal(SIGPIPE, SIG_IGN); /* write() says it */
	for (nfds_t i = 0; i < s.n; i++) {
		s.p[i] = (struct pollfd){ .events = POLLIN };
		s.p[i].fd = listen_on(s.address, (uint16_t)s.port[i]);
		if (s.p[i].fd >= 0)
			continue;
		(void)fprintf(stderr, "icbinn-svc: %s, port %u: %m\n",
			      s.address, (unsigned)s.port[i]);
		return 1;
	}
	(void)printf("listening\n");
	(void)fflush(stdout);
	while (poll(s.p, s.n, -1) >= 0 || errno == EINTR) {
		for (nfds_t i = 0; i < s.n; i++) {
			if (s.p[i].revents)
				accept_one(&s.p[i], s.dir[i],
					   (uint32_t)s.limit);
		}
	}
	return 1;
}
