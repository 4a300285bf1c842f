/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supervise.c - all of a daemon's disks.
 *
 * One watch a type on backend/TYPE of our own domain: it tells of every B.
 * Each device has one more, on its F's state.  A watch event only ever means
 * "look": at a directory, or by one device at its own nodes.
 */
#include "xenio/supervise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/list.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/parse.h"
#include "lib/xen.h"

#define RELEASE "@releaseDomain"
#define TOKEN   "back"

/*
 * Events taken at a time; between two such helpings others have their turn.
 * libxenstore keeps what is not taken, without a bound, so that this has to
 * be more than guests can cause while the devices of one turn are looked at.
 */
#define HELPING 16384

struct entry {
	struct list link;
	struct supervise *sv;
	struct device *dev;
	const char *type;
	unsigned domid;
	unsigned devid;
};

struct supervise {
	struct supervise_options opt;
	struct list entries;
	struct watch watch;
	struct timer more;
	bool watching;
	size_t count;
};

static void drop(struct entry *entry)
{
	list_del(&entry->link);
	entry->sv->count--;
	device_free(entry->dev);
	free(entry);
}

static void gone(void *arg)
{
	drop(arg);
}

static struct entry *find(struct supervise *sv, const char *type,
			  unsigned domid, unsigned devid)
{
	struct list *pos, *next;

	list_for_each (&sv->entries, pos, next) {
		struct entry *e = container_of(pos, struct entry, link);

		if (e->devid == devid && e->domid == domid && e->type == type)
			return e;
	}
	return NULL;
}

static void add(struct supervise *sv, const struct device_id *id)
{
	struct entry *entry = calloc(1, sizeof(*entry));
	int rc = -ENOMEM;

	if (entry) {
		entry->sv = sv;
		entry->type = id->type;
		entry->domid = id->domid;
		entry->devid = id->devid;
		rc = device_new(&entry->dev, &sv->opt.env, id, gone, entry);
	}
	if (rc < 0) {
		log_error("%s/%u/%u: %s", id->type, id->domid, id->devid,
			  strerror(-rc));
		free(entry);
		return;
	}
	list_add_tail(&sv->entries, &entry->link);
	sv->count++;
}

/* type/domid/devid[/...] and what follows; false: not one of ours. */
static bool parse_path(const struct supervise *sv, const char *path,
		       struct device_id *id, const char **rest)
{
	char text[96];
	char *part[4] = { NULL, NULL, NULL, NULL };
	char *at = text;
	uint64_t domid, devid;
	size_t n = strlen(path);

	*rest = NULL;
	if (n >= sizeof(text))
		return false;
	memcpy(text, path, n + 1);
	for (unsigned i = 0; i < 3 && at; i++)
		part[i] = strsep(&at, "/");
	if (!part[2] || parse_uint(&domid, part[1], 0, XENBUS_DOMID_MAX) < 0 ||
	    parse_uint(&devid, part[2], 0, INT32_MAX) < 0)
		return false;
	if (sv->opt.only != SUPERVISE_ANY && domid != sv->opt.only)
		return false;
	if (at)
		*rest = path + (at - text);
	id->domid = (unsigned)domid;
	id->devid = (unsigned)devid;
	for (unsigned i = 0; i < sv->opt.ntypes; i++) {
		if (strcmp(part[0], sv->opt.types[i]) == 0) {
			id->type = sv->opt.types[i];
			id->marked = sv->opt.marked[i];
			return true;
		}
	}
	return false;
}

/* Of a type that is the kernel's, only what somebody has made ours. */
static bool is_ours(struct supervise *sv, const struct device_id *id,
		    const char *rest)
{
	struct xen *xen = sv->opt.env.xen;
	cleanup_free char *owner = NULL;
	char path[128];

	if (!id->marked)
		return true;
	if (rest && strcmp(rest, XENBUS_OWNER) != 0)
		return false;
	(void)snprintf(path, sizeof(path),
		       "/local/domain/%u/backend/%s/%u/%u/" XENBUS_OWNER,
		       sv->opt.env.domid, id->type, id->domid,
		       id->devid); /* it fits */
	owner = xen->read(xen, 0, path);
	return owner;
}

static void touched(struct supervise *sv, const char *path, bool create)
{
	struct device_id id;
	struct entry *entry;
	const char *rest;

	if (!parse_path(sv, path, &id, &rest))
		return;
	entry = find(sv, id.type, id.domid, id.devid);
	if (!entry && create && is_ours(sv, &id, rest))
		add(sv, &id);
	else if (entry && (!rest || xenbus_cares(rest)))
		device_poke(entry->dev);
}

static void scan_domain(struct supervise *sv, const char *type,
			const char *domid)
{
	struct xen *xen = sv->opt.env.xen;
	cleanup_free char **names = NULL;
	char path[128];

	if (strlen(domid) > 8)
		return;
	(void)snprintf(path, sizeof(path), "/local/domain/%u/backend/%s/%s",
		       sv->opt.env.domid, type, domid); /* it fits */
	names = xen->list(xen, 0, path);
	for (unsigned i = 0; names && names[i]; i++) {
		if (strlen(names[i]) > 16)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s/%s", type, domid,
			       names[i]); /* it fits */
		touched(sv, path, true);
	}
}

static void scan_type(struct supervise *sv, const char *type)
{
	struct xen *xen = sv->opt.env.xen;
	cleanup_free char **names = NULL;
	char path[128];

	(void)snprintf(path, sizeof(path), "/local/domain/%u/backend/%s",
		       sv->opt.env.domid, type); /* it fits */
	names = xen->list(xen, 0, path);
	for (unsigned i = 0; names && names[i]; i++)
		scan_domain(sv, type, names[i]);
}

static void poke_type(struct supervise *sv, const char *type, bool domain)
{
	struct list *pos, *next;

	list_for_each (&sv->entries, pos, next) {
		struct entry *e = container_of(pos, struct entry, link);

		if (domain)
			device_poke_domain(e->dev);
		else if (e->type == type)
			device_poke(e->dev);
	}
}

/* path is relative to our backend directory. */
static void back_event(struct supervise *sv, const char *path)
{
	for (unsigned i = 0; i < sv->opt.ntypes; i++) {
		const char *type = sv->opt.types[i];
		size_t n = strlen(type);

		if (strncmp(path, type, n) != 0 ||
		    (path[n] != '/' && path[n] != '\0'))
			continue;
		if (path[n] && strchr(path + n + 1, '/')) {
			touched(sv, path, true);
			return;
		}
		/* A whole directory came or went. */
		poke_type(sv, type, false);
		scan_type(sv, type);
		return;
	}
}

static void event(struct supervise *sv, const char *path, const char *token)
{
	char base[64];
	int n = snprintf(base, sizeof(base), "/local/domain/%u/backend/",
			 sv->opt.env.domid);

	if (strcmp(path, RELEASE) == 0)
		poke_type(sv, NULL, true);
	else if (strncmp(token, DEVICE_TOKEN, strlen(DEVICE_TOKEN)) == 0)
		touched(sv, token + strlen(DEVICE_TOKEN), false);
	else if (strncmp(path, base, (size_t)n) == 0)
		back_event(sv, path + n);
}

static void take_events(struct supervise *sv)
{
	struct xen *xen = sv->opt.env.xen;

	for (int i = 0; i < HELPING; i++) {
		cleanup_free char **pair = xen->next_watch(xen);

		if (!pair)
			return;
		event(sv, pair[0], pair[1]);
	}
	loop_timer(sv->opt.env.loop, &sv->more, 0);
}

static void store_ready(struct watch *w, uint32_t events)
{
	(void)events;
	take_events(container_of(w, struct supervise, watch));
}

static void more_ready(struct timer *t)
{
	take_events(container_of(t, struct supervise, more));
}

unsigned supervise_domid(struct xen *xen)
{
	cleanup_free char *text = xen->read(xen, 0, "domid");
	uint64_t n;

	if (!text || parse_uint(&n, text, 0, XENBUS_DOMID_MAX) < 0)
		return 0;
	return (unsigned)n;
}

static void type_path(const struct supervise *sv, unsigned i, char *out,
		      size_t size)
{
	(void)snprintf(out, size, "/local/domain/%u/backend/%s",
		       sv->opt.env.domid, sv->opt.types[i]); /* it fits */
}

static int watch_all(struct supervise *sv, struct err *err)
{
	const struct device_env *env = &sv->opt.env;
	char path[128];
	int rc;

	rc = loop_watch(env->loop, &sv->watch, EPOLLIN);
	if (rc < 0)
		return err_set(err, rc, "xenstore: %s", strerror(-rc));
	sv->watching = true;
	/* Not given to every driver domain; F's end is seen without it. */
	(void)env->xen->watch(env->xen, RELEASE, TOKEN);
	for (unsigned i = 0; i < sv->opt.ntypes; i++) {
		type_path(sv, i, path, sizeof(path));
		rc = env->xen->watch(env->xen, path, TOKEN);
		if (rc < 0)
			return err_set(err, rc, "xenstore: watch %s: %s", path,
				       strerror(-rc));
	}
	return 0;
}

int supervise_new(struct supervise **out,
		  const struct supervise_options *options, struct err *err)
{
	struct supervise *sv = calloc(1, sizeof(*sv));
	int rc;

	if (!sv)
		return err_set(err, -ENOMEM, "no memory");
	sv->opt = *options;
	list_init(&sv->entries);
	list_init(&sv->more.link);
	sv->more.fire = more_ready;
	sv->watch.fd = options->env.xen->store_fd;
	sv->watch.ready = store_ready;
	rc = watch_all(sv, err);
	if (rc < 0) {
		supervise_free(sv);
		return rc;
	}
	/* Registering may have come with events that no poll tells of. */
	loop_timer(options->env.loop, &sv->more, 0);
	*out = sv;
	return 0;
}

void supervise_free(struct supervise *sv)
{
	struct list *link;
	struct xen *xen;
	char path[128];

	if (!sv)
		return;
	xen = sv->opt.env.xen;
	while ((link = sv->entries.next) != &sv->entries)
		drop(container_of(link, struct entry, link));
	loop_untimer(&sv->more);
	/* They may not be there; and the store ends them with us. */
	(void)xen->unwatch(xen, RELEASE, TOKEN);
	for (unsigned i = 0; i < sv->opt.ntypes; i++) {
		type_path(sv, i, path, sizeof(path));
		(void)xen->unwatch(xen, path, TOKEN);
	}
	if (sv->watching)
		loop_unwatch(sv->opt.env.loop, &sv->watch);
	free(sv);
}

size_t supervise_count(const struct supervise *sv)
{
	return sv->count;
}
