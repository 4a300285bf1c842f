/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * driver.c - a disk that an NBD server has, by libnbd.
 *
 * The name is the absolute path of a unix socket, or address:port, or what a
 * connected socket was called when it was passed in.
 *
 * A server may go away. What it was asked and has not answered is then
 * answered -EAGAIN, which the core tries again each second, and each new
 * request tries to connect again, once a second. But not if the server was
 * given changes that it has not flushed since: it may have lost them, or may
 * yet carry out an old one over a new one. The image is poisoned then; pause
 * and resume, by somebody who knows what became of the server, end that. A
 * server that owes an answer for DEADLINE_NS has gone away.  To one whose
 * socket was passed in there is no way back but another socket.
 */
#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "drivers/nbd/job.h"
#include "lib/err.h"
#include "tapdisk/driver.h"

#define CONNECT_MS  10000
#define GOODBYE_MS  2000
#define DEADLINE_NS (30ull * 1000000000)
#define SECOND_NS   1000000000ull
#define COMMAND_MAX (32u << 20) /* of data, if the server says nothing */

struct nbd {
	struct image *img;
	struct nbd_handle *h;
	struct watch watch;
	uint32_t events;
	struct timer tick;
	uint64_t progress_ns; /* the last answer, or when there was none due */
	uint64_t tried_ns;    /* to connect */
	uint64_t command_max;
	bool up;
	bool poisoned;

	struct job *jobs;
	struct list idle;
	struct list finished;
	struct list waiting; /* requests, for a job */
	unsigned busy;       /* jobs not idle */

	uint64_t changes;  /* ever begun */
	uint64_t flushed;  /* of them, are on the server's disk */
	unsigned changing; /* at the server */
};

/* libnbd's word for what was wrong. */
static int nbd_err(struct err *err, const char *name)
{
	int code = nbd_get_errno();
	const char *why = nbd_get_error();

	return err_set(err, code > 0 ? -code : -EIO, "%s: %s", name,
		       why ? why : "no reason given");
}

/* --- connecting ----------------------------------------------------------- */

static int use_passed(struct nbd *nbd, struct err *err)
{
	const char *name = nbd->img->name;
	int fd = image_passed_fd(nbd->img, name);

	if (fd < 0)
		return err_set(err, -ENOENT,
			       "nbd:%s: no path, no address:port, and nothing "
			       "of this name was passed in",
			       name);
	/* It takes the descriptor, whatever comes of it. */
	return nbd_aio_connect_socket(nbd->h, fd) ? nbd_err(err, name) : 0;
}

/* Begin to connect; what can block here is looking up a name. */
static int dial_handle(struct nbd *nbd, struct err *err)
{
	const char *name = nbd->img->name, *colon = strrchr(name, ':');
	char host[256];
	size_t len;
	int ret;

	nbd->h = nbd_create();
	if (!nbd->h ||
	    nbd_add_meta_context(nbd->h, LIBNBD_CONTEXT_BASE_ALLOCATION))
		return nbd_err(err, name);
	if (*name == '/') {
		ret = nbd_aio_connect_unix(nbd->h, name);
		return ret ? nbd_err(err, name) : 0;
	}
	if (!colon)
		return use_passed(nbd, err);
	len = (size_t)(colon - name);
	if (!len || !colon[1] || len >= sizeof(host))
		return err_set(err, -EINVAL,
			       "nbd:%s: neither a path nor address:port", name);
	if (*name == '[' && colon[-1] == ']') { /* an IPv6 address */
		name++;
		len -= 2;
	}
	memcpy(host, name, len);
	host[len] = '\0';
	ret = nbd_aio_connect_tcp(nbd->h, host, colon + 1);
	return ret ? nbd_err(err, nbd->img->name) : 0;
}

static int dial(struct nbd *nbd, struct err *err)
{
	int ret = dial_handle(nbd, err);

	if (ret) {
		nbd_close(nbd->h);
		nbd->h = NULL;
	}
	return ret;
}

static uint64_t clock_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* On a worker: until connected, for CONNECT_MS at most. */
static int await(struct nbd *nbd, struct err *err)
{
	uint64_t now = clock_ms(), end = now + CONNECT_MS;
	const char *name = nbd->img->name;

	while (!nbd_aio_is_ready(nbd->h)) {
		if (nbd_aio_is_dead(nbd->h) || nbd_aio_is_closed(nbd->h))
			return err_set(err, -ECONNRESET,
				       "%s: it is no NBD server, or not now",
				       name);
		if (now >= end)
			return err_set(err, -ETIMEDOUT, "%s: no answer", name);
		if (nbd_poll(nbd->h, (int)(end - now)) < 0)
			return nbd_err(err, name);
		now = clock_ms();
	}
	return 0;
}

/* What the server offers, as an image. */
static int look(struct nbd *nbd, struct image_info *info, struct err *err)
{
	int64_t size = nbd_get_size(nbd->h), min, max;
	const char *name = nbd->img->name;

	if (size < 0)
		return nbd_err(err, name);
	min = nbd_get_block_size(nbd->h, LIBNBD_SIZE_MINIMUM);
	max = nbd_get_block_size(nbd->h, LIBNBD_SIZE_MAXIMUM);
	if (min > 512)
		return err_set(err, -EINVAL,
			       "%s: takes no less than %lld bytes, not 512",
			       name, (long long)min);
	if (size == 0 || size % 512)
		return err_set(err, -EINVAL,
			       "%s: size %lld is no multiple of 512", name,
			       (long long)size);
	if (nbd_is_read_only(nbd->h) == 1 && !nbd->img->readonly)
		return err_set(err, -EROFS, "%s: the server's is read-only",
			       name);
	nbd->command_max =
		max >= 4096 ? (uint64_t)max / 512 * 512 : COMMAND_MAX;
	if (nbd->command_max > COMMAND_MAX)
		nbd->command_max = COMMAND_MAX;
	info->size = (uint64_t)size;
	info->block_size = 512;
	info->phys_block_size = 4096;
	info->caps = (nbd_can_flush(nbd->h) == 1 ? IMAGE_CAN_FLUSH : 0) |
		     (nbd_can_fua(nbd->h) == 1 ? IMAGE_CAN_FUA : 0) |
		     (nbd_can_zero(nbd->h) == 1 ? IMAGE_CAN_ZERO : 0) |
		     (nbd_can_trim(nbd->h) == 1 ? IMAGE_CAN_DISCARD : 0);
	if (nbd_can_meta_context(nbd->h, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1)
		info->caps |= IMAGE_CAN_EXTENTS;
	return 0;
}

static bool changes(const struct req *req)
{
	return req->op == REQ_WRITE || req->op == REQ_ZERO ||
	       req->op == REQ_DISCARD;
}

/* --- answers -------------------------------------------------------------- */

static void finish(struct nbd *nbd, struct job *job)
{
	struct req *req = job->req;
	int err = job->err;

	if (changes(req))
		nbd->changing--;
	if (req->op == REQ_FLUSH && !err && job->covers > nbd->flushed)
		nbd->flushed = job->covers;
	if (err == -ENOTCONN)
		err = nbd->poisoned ? -EIO : -EAGAIN;
	nbd->busy--;
	nbd->progress_ns = loop_now_ns(nbd->img->loop);
	list_add_head(&nbd->idle, &job->link);
	req_done(req, err);
}

static void lost(struct nbd *nbd)
{
	nbd->up = false;
	if (nbd->changing || nbd->flushed != nbd->changes) {
		nbd->poisoned = true;
		image_poison(nbd->img, -EIO,
			     "the NBD server is gone, and with it perhaps "
			     "what it had not flushed");
	}
}

/* Connected again: to the same disk, as far as can be told. */
static void found(struct nbd *nbd)
{
	struct image_info info = { 0 }, *was = &nbd->img->info;

	if (!look(nbd, &info, NULL) && info.size == was->size &&
	    !(was->caps & ~info.caps)) {
		nbd->up = true;
		return;
	}
	nbd->poisoned = true;
	image_poison(nbd->img, -EIO,
		     "the NBD server is back with another disk");
}

static bool connecting(const struct nbd *nbd)
{
	return !nbd->up && nbd->h && !nbd_aio_is_dead(nbd->h) &&
	       !nbd_aio_is_closed(nbd->h);
}

static void watch(struct nbd *nbd)
{
	unsigned dir = 0;
	uint32_t events = 0;
	int fd = -1;

	if (nbd->up || connecting(nbd)) {
		fd = nbd_aio_get_fd(nbd->h);
		dir = nbd_aio_get_direction(nbd->h);
	}
	if (dir & LIBNBD_AIO_DIRECTION_READ)
		events |= EPOLLIN;
	if (dir & LIBNBD_AIO_DIRECTION_WRITE)
		events |= EPOLLOUT;
	if (fd == nbd->watch.fd && events == nbd->events)
		return;
	if (nbd->events && (fd != nbd->watch.fd || !events))
		loop_unwatch(nbd->img->loop, &nbd->watch);
	nbd->watch.fd = fd;
	nbd->events = events;
	/* If it cannot be watched, the deadline finds it. */
	if (events)
		(void)loop_watch(nbd->img->loop, &nbd->watch, events);
}

/* What has become of the server, and of what it was asked. */
static void look_around(struct nbd *nbd)
{
	struct list *link;
	struct job *job;

	if (nbd->up && (nbd_aio_is_dead(nbd->h) || nbd_aio_is_closed(nbd->h)))
		lost(nbd);
	else if (!nbd->up && !nbd->poisoned && nbd->h &&
		 nbd_aio_is_ready(nbd->h))
		found(nbd);
	while ((link = list_pop(&nbd->finished))) {
		job = container_of(link, struct job, link);
		if (nbd->up && job_goes_on(job))
			job_issue(job);
		else
			finish(nbd, job);
	}
}

/* --- a server that is away ------------------------------------------------ */

static void start_tick(struct nbd *nbd)
{
	if (!list_linked(&nbd->tick.link))
		loop_timer(nbd->img->loop, &nbd->tick, SECOND_NS);
}

/* Another try, unless one is under way or was just now. */
static void redial(struct nbd *nbd)
{
	uint64_t now = loop_now_ns(nbd->img->loop);

	if (nbd->poisoned || connecting(nbd) ||
	    (nbd->tried_ns && now - nbd->tried_ns < SECOND_NS))
		return;
	nbd->tried_ns = now;
	if (nbd->events)
		loop_unwatch(nbd->img->loop, &nbd->watch);
	nbd->watch.fd = -1;
	nbd->events = 0;
	nbd_close(nbd->h);
	nbd->h = NULL;
	/* If it fails at once, there is the next second. */
	(void)dial(nbd, NULL);
	start_tick(nbd);
}

static void start(struct nbd *nbd, struct req *req)
{
	struct job *job;

	if (!nbd->up) {
		req_done(req, nbd->poisoned ? -EIO : -EAGAIN);
		redial(nbd);
		return;
	}
	job = container_of(list_pop(&nbd->idle), struct job, link);
	*job = (struct job){ .req = req,
			     .h = nbd->h,
			     .finished = &nbd->finished,
			     .command_max = nbd->command_max };
	list_init(&job->link);
	if (req->op == REQ_FLUSH && !nbd->changing)
		job->covers = nbd->changes;
	if (changes(req)) {
		nbd->changes++;
		nbd->changing++;
	}
	if (!nbd->busy++)
		nbd->progress_ns = loop_now_ns(nbd->img->loop);
	start_tick(nbd);
	job_issue(job);
}

/* After each call into libnbd: what has come of it. */
static void settle(struct nbd *nbd)
{
	look_around(nbd);
	while (!list_empty(&nbd->waiting) && !list_empty(&nbd->idle)) {
		start(nbd, container_of(list_pop(&nbd->waiting), struct req,
					answer.link));
		look_around(nbd);
	}
	watch(nbd);
}

static void ready(struct watch *w, uint32_t events)
{
	struct nbd *nbd = container_of(w, struct nbd, watch);
	unsigned dir = nbd_aio_get_direction(nbd->h);

	/* What goes wrong shows in the handle's state. */
	if (dir & LIBNBD_AIO_DIRECTION_READ && events & ~(uint32_t)EPOLLOUT)
		(void)nbd_aio_notify_read(nbd->h);
	else if (dir & LIBNBD_AIO_DIRECTION_WRITE)
		(void)nbd_aio_notify_write(nbd->h);
	settle(nbd);
}

static void tick(struct timer *t)
{
	struct nbd *nbd = container_of(t, struct nbd, tick);
	uint64_t now = loop_now_ns(nbd->img->loop);
	uint64_t limit = DEADLINE_NS, since = nbd->progress_ns;

	if (connecting(nbd)) {
		limit = CONNECT_MS * 1000000ull;
		since = nbd->tried_ns;
	} else if (!nbd->busy) {
		return;
	}
	loop_timer(nbd->img->loop, t, SECOND_NS);
	if (now - since < limit || nbd->watch.fd < 0)
		return;
	/* libnbd finds the end and gives back all it was asked. */
	(void)shutdown(nbd->watch.fd, SHUT_RDWR); /* or it is gone already */
	ready(&nbd->watch, EPOLLIN);
}

static void nbd_submit(struct image *img, struct req *req)
{
	struct nbd *nbd = img->state;

	list_add_tail(&nbd->waiting, &req->answer.link);
	settle(nbd);
}

/* --- opening and closing -------------------------------------------------- */

static void nbd_driver_close(struct image *img)
{
	struct nbd *nbd = img->state;
	uint64_t now = clock_ms(), end = now + GOODBYE_MS;

	if (nbd->h && nbd_aio_is_ready(nbd->h) &&
	    !nbd_aio_disconnect(nbd->h, 0)) {
		while (now < end && !nbd_aio_is_closed(nbd->h) &&
		       !nbd_aio_is_dead(nbd->h) &&
		       nbd_poll(nbd->h, (int)(end - now)) > 0)
			now = clock_ms();
	}
	nbd_close(nbd->h);
	free(nbd->jobs);
}

static int nbd_open(struct image *img, struct err *err)
{
	struct nbd *nbd = img->state;
	unsigned i;
	int ret;

	nbd->img = img;
	nbd->watch.fd = -1;
	nbd->watch.ready = ready;
	nbd->tick.fire = tick;
	list_init(&nbd->tick.link);
	list_init(&nbd->idle);
	list_init(&nbd->finished);
	list_init(&nbd->waiting);
	nbd->jobs = calloc(img->depth, sizeof(*nbd->jobs));
	if (!nbd->jobs)
		return err_set(err, -ENOMEM, "nbd: no memory");
	for (i = 0; i < img->depth; i++)
		list_add_tail(&nbd->idle, &nbd->jobs[i].link);
	ret = dial(nbd, err);
	if (!ret)
		ret = await(nbd, err);
	if (!ret)
		ret = look(nbd, &img->info, err);
	if (ret)
		nbd_driver_close(img);
	nbd->up = !ret;
	return ret;
}

static int nbd_attach(struct image *img, struct err *err)
{
	struct nbd *nbd = img->state;

	settle(nbd);
	return nbd->up ? 0
		       : err_set(err, -ECONNRESET,
				 "%s: the server is gone again", img->name);
}

static void nbd_detach(struct image *img)
{
	struct nbd *nbd = img->state;

	loop_untimer(&nbd->tick);
	if (nbd->events)
		loop_unwatch(img->loop, &nbd->watch);
	nbd->events = 0;
}

const struct driver nbd_driver = {
	.name = "nbd",
	.summary = "what an NBD server has: a socket's path, or address:port",
	.kind = DRIVER_PROTOCOL,
	.state_size = sizeof(struct nbd),
	.open = nbd_open,
	.close = nbd_driver_close,
	.attach = nbd_attach,
	.detach = nbd_detach,
	.submit = nbd_submit,
};
