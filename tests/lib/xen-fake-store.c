/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen-fake-store.c - the fake Xen's xenstore.
 *
 * Nodes lie in one list, sorted by their whole path.  A transaction is a copy
 * of that list; it is committed by taking the list's place, which fails if
 * anybody has written since it began.  That is coarser than the real one, so
 * more has to be done again than there, never less.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/list.h"
#include "tests/lib/xen-fake-int.h"
#include "tests/lib/xen-fake-tree.h"

struct tx {
	struct list link;
	uint32_t id;
	uint64_t began;
	struct tree tree;
	struct list changed; /* struct event: paths to be told of at commit */
};

/* A watch, or something that a watch shall be told. */
struct event {
	struct list link;
	bool removed;
	char *path;
	char *token;
};

struct fake_store {
	struct tree tree;
	uint64_t generation; /* of the tree: writes so far */
	uint32_t last_id;
	unsigned conflicts;
	struct list txs;
	struct list watches;
	struct list events;
};

static void *must(void *p)
{
	assert(p);
	return p;
}

/* --- watches ------------------------------------------------------------ */

static struct event *event_of(struct list *link)
{
	return container_of(link, struct event, link);
}

static void event_add(struct list *to, const char *path, const char *token,
		      bool removed)
{
	struct event *e = must(calloc(1, sizeof(*e)));

	e->path = must(strdup(path));
	e->token = must(strdup(token));
	e->removed = removed;
	list_add_tail(to, &e->link);
}

static void event_drop(struct event *e)
{
	list_del(&e->link);
	free(e->path);
	free(e->token);
	free(e);
}

static void events_clear(struct list *events)
{
	while (!list_empty(events))
		event_drop(event_of(events->next));
}

static void tell(struct xen_fake *fake, const char *path, const char *token)
{
	uint64_t one = 1;

	event_add(&fake->store->events, path, token, false);
	if (write(fake->xen.store_fd, &one, sizeof(one)) != sizeof(one))
		assert(!"write");
}

/* Who watches path hears of it; of a removed one, who watches below, too. */
static void changed(struct xen_fake *fake, const char *path, bool removed)
{
	struct list *pos, *next;
	const struct event *w;

	fake->store->generation++;
	list_for_each (&fake->store->watches, pos, next) {
		w = event_of(pos);
		if (tree_below(path, w->path))
			tell(fake, path, w->token);
		else if (removed && tree_below(w->path, path))
			tell(fake, w->path, w->token);
	}
}

void fake_store_release(struct xen_fake *fake)
{
	changed(fake, "@releaseDomain", false);
}

/* --- what both ends do -------------------------------------------------- */

static struct tx *tx_of(struct xen_fake *fake, uint32_t id)
{
	struct list *pos, *next;

	list_for_each (&fake->store->txs, pos, next) {
		if (container_of(pos, struct tx, link)->id == id)
			return container_of(pos, struct tx, link);
	}
	return NULL;
}

static struct tree *tree_of(struct xen_fake *fake, uint32_t id)
{
	struct tx *tx = tx_of(fake, id);

	assert(!id || tx); /* the real one says ENOENT: always a mistake */
	return id ? &tx->tree : &fake->store->tree;
}

static void note(struct xen_fake *fake, uint32_t id, const char *path,
		 bool removed)
{
	struct tx *tx = tx_of(fake, id);

	if (tx)
		event_add(&tx->changed, path, "", removed);
	else
		changed(fake, path, removed);
}

static int store_write(struct xen_fake *fake, uint32_t domid, uint32_t id,
		       const char *path, const void *value, size_t len)
{
	struct tree *t = tree_of(fake, id);

	assert(path[0] == '/');
	if (!tree_may_write(tree_nearest(t, path), domid))
		return -EACCES;
	tree_set(tree_make(t, path, domid), value, len);
	note(fake, id, path, false);
	return 0;
}

static int store_remove(struct xen_fake *fake, uint32_t domid, uint32_t id,
			const char *path)
{
	struct tree *t = tree_of(fake, id);
	struct node *n = tree_find(t, path);
	struct list *pos, *next;

	if (!n)
		return -ENOENT;
	if (!tree_may_write(n, domid))
		return -EACCES;
	list_for_each (&t->nodes, pos, next) {
		if (tree_below(tree_node(pos)->path, path))
			tree_drop(tree_node(pos));
	}
	note(fake, id, path, true);
	return 0;
}

static char *store_read(struct xen_fake *fake, uint32_t domid, uint32_t id,
			const char *path)
{
	struct node *n = tree_find(tree_of(fake, id), path);
	char *copy;

	if (!n || !tree_may_read(n, domid)) {
		errno = n ? EACCES : ENOENT;
		return NULL;
	}
	copy = must(malloc(n->len + 1));
	memcpy(copy, n->value, n->len + 1);
	return copy;
}

/* --- the backend's end -------------------------------------------------- */

static int fake_begin(struct xen *xen, uint32_t *id)
{
	struct xen_fake *fake = fake_of(xen);
	int err = fake_call(fake, XEN_FAKE_BEGIN);
	struct tx *tx;

	if (err)
		return err;
	tx = must(calloc(1, sizeof(*tx)));
	tx->id = ++fake->store->last_id;
	tx->began = fake->store->generation;
	tree_copy(&tx->tree, &fake->store->tree);
	list_init(&tx->changed);
	list_add_tail(&fake->store->txs, &tx->link);
	*id = tx->id;
	return 0;
}

static void tx_drop(struct tx *tx)
{
	list_del(&tx->link);
	tree_clear(&tx->tree);
	events_clear(&tx->changed);
	free(tx);
}

static void tx_commit(struct xen_fake *fake, struct tx *tx)
{
	struct list *pos, *next;

	tree_clear(&fake->store->tree);
	tree_copy(&fake->store->tree, &tx->tree);
	list_for_each (&tx->changed, pos, next)
		changed(fake, event_of(pos)->path, event_of(pos)->removed);
}

static int fake_end(struct xen *xen, uint32_t id, bool commit)
{
	struct xen_fake *fake = fake_of(xen);
	int err = fake_call(fake, XEN_FAKE_END);
	struct tx *tx = tx_of(fake, id);

	assert(tx); /* ended twice, or never begun */
	if (!err && commit && fake->store->conflicts) {
		fake->store->conflicts--;
		err = -EAGAIN;
	}
	if (!err && commit && tx->began != fake->store->generation &&
	    !list_empty(&tx->changed))
		err = -EAGAIN;
	if (!err && commit && !list_empty(&tx->changed))
		tx_commit(fake, tx);
	tx_drop(tx);
	return err;
}

static char *fake_read(struct xen *xen, uint32_t id, const char *path)
{
	int err = fake_call(fake_of(xen), XEN_FAKE_READ);

	if (!err)
		return store_read(fake_of(xen), 0, id, path);
	errno = -err;
	return NULL;
}

/* The last part of a node's path if it is a direct child, else NULL. */
static const char *child_name(const struct node *n, const char *path)
{
	size_t len = strcmp(path, "/") ? strlen(path) : 0;

	if (strncmp(n->path, path, len) || n->path[len] != '/' ||
	    !n->path[len + 1] || strchr(n->path + len + 1, '/'))
		return NULL;
	return n->path + len + 1;
}

static char **fake_list(struct xen *xen, uint32_t id, const char *path)
{
	struct tree *t = tree_of(fake_of(xen), id);
	int err = fake_call(fake_of(xen), XEN_FAKE_LIST);
	size_t count = 0, bytes = 0;
	struct list *pos, *next;
	const char *name;
	char **out, *to;

	if (err || !tree_find(t, path)) {
		errno = err ? -err : ENOENT;
		return NULL;
	}
	list_for_each (&t->nodes, pos, next) {
		name = child_name(tree_node(pos), path);
		count += name != NULL;
		bytes += name ? strlen(name) + 1 : 0;
	}
	out = must(malloc((count + 1) * sizeof(*out) + bytes));
	to = (char *)(out + count + 1);
	count = 0;
	list_for_each (&t->nodes, pos, next) {
		name = child_name(tree_node(pos), path);
		if (!name)
			continue;
		out[count++] = to;
		to = stpcpy(to, name) + 1;
	}
	out[count] = NULL;
	return out;
}

static int fake_write(struct xen *xen, uint32_t id, const char *path,
		      const char *value)
{
	int err = fake_call(fake_of(xen), XEN_FAKE_WRITE);

	return err ? err
		   : store_write(fake_of(xen), 0, id, path, value,
				 strlen(value));
}

static int fake_remove(struct xen *xen, uint32_t id, const char *path)
{
	int err = fake_call(fake_of(xen), XEN_FAKE_REMOVE);

	return err ? err : store_remove(fake_of(xen), 0, id, path);
}

static struct event *watch_of(struct xen_fake *fake, const char *path,
			      const char *token)
{
	struct list *pos, *next;
	struct event *w;

	list_for_each (&fake->store->watches, pos, next) {
		w = event_of(pos);
		if (!strcmp(w->path, path) && !strcmp(w->token, token))
			return w;
	}
	return NULL;
}

static int fake_watch(struct xen *xen, const char *path, const char *token)
{
	struct xen_fake *fake = fake_of(xen);
	int err = fake_call(fake, XEN_FAKE_WATCH);

	if (err)
		return err;
	if (watch_of(fake, path, token))
		return -EEXIST;
	event_add(&fake->store->watches, path, token, false);
	tell(fake, path, token);
	return 0;
}

/* As the real library does, what it had to tell is dropped with it. */
static int fake_unwatch(struct xen *xen, const char *path, const char *token)
{
	struct xen_fake *fake = fake_of(xen);
	int err = fake_call(fake, XEN_FAKE_UNWATCH);
	struct event *w = watch_of(fake, path, token);

	if (err || !w)
		return err ? err : -ENOENT;
	event_drop(w);
	return 0;
}

static char **fake_next_watch(struct xen *xen)
{
	struct xen_fake *fake = fake_of(xen);
	int err = fake_call(fake, XEN_FAKE_NEXT_WATCH);
	struct event *e;
	uint64_t drain;
	char **out, *to;

	if (err || list_empty(&fake->store->events)) {
		if (read(fake->xen.store_fd, &drain, sizeof(drain)) < 0)
			assert(errno == EAGAIN);
		errno = err ? -err : EAGAIN;
		return NULL;
	}
	e = event_of(fake->store->events.next);
	out = must(malloc(2 * sizeof(*out) + strlen(e->path) +
			  strlen(e->token) + 2));
	to = (char *)(out + 2);
	out[0] = to;
	to = stpcpy(to, e->path) + 1;
	out[1] = to;
	(void)stpcpy(to, e->token); /* there is room */
	event_drop(e);
	return out;
}

static int fake_alive(struct xen *xen, uint32_t domid)
{
	struct xen_fake *fake = fake_of(xen);
	int err = fake_call(fake, XEN_FAKE_ALIVE);

	return err ? err : domid < FAKE_DOMAINS && fake->domains[domid].alive;
}

void fake_store_new(struct xen_fake *fake)
{
	struct fake_store *s = must(calloc(1, sizeof(*s)));

	fake->store = s;
	list_init(&s->tree.nodes);
	list_init(&s->txs);
	list_init(&s->watches);
	list_init(&s->events);
	(void)tree_add(&s->tree, "/", 0, -1); /* the root; found by its name */
	fake->xen.store_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(fake->xen.store_fd >= 0);
	fake->xen.begin = fake_begin;
	fake->xen.end = fake_end;
	fake->xen.read = fake_read;
	fake->xen.list = fake_list;
	fake->xen.write = fake_write;
	fake->xen.remove = fake_remove;
	fake->xen.watch = fake_watch;
	fake->xen.unwatch = fake_unwatch;
	fake->xen.next_watch = fake_next_watch;
	fake->xen.alive = fake_alive;
}

void fake_store_free(struct xen_fake *fake)
{
	struct fake_store *s = fake->store;

	while (!list_empty(&s->txs))
		tx_drop(container_of(s->txs.next, struct tx, link));
	tree_clear(&s->tree);
	events_clear(&s->watches);
	events_clear(&s->events);
	(void)close(fake->xen.store_fd); /* an eventfd */
	free(s);
}

/* --- the other end ------------------------------------------------------ */

int xen_fake_write(struct xen_fake *fake, uint32_t domid, const char *path,
		   const char *value)
{
	return store_write(fake, domid, 0, path, value, strlen(value));
}

int xen_fake_write_raw(struct xen_fake *fake, uint32_t domid, const char *path,
		       const void *value, size_t len)
{
	return store_write(fake, domid, 0, path, value, len);
}

int xen_fake_remove(struct xen_fake *fake, uint32_t domid, const char *path)
{
	return store_remove(fake, domid, 0, path);
}

char *xen_fake_read(struct xen_fake *fake, uint32_t domid, const char *path)
{
	return store_read(fake, domid, 0, path);
}

void xen_fake_perms(struct xen_fake *fake, const char *path, uint32_t owner,
		    int reader)
{
	struct node *n = tree_find(&fake->store->tree, path);

	assert(n);
	n->owner = owner;
	n->reader = reader;
}

void xen_fake_conflicts(struct xen_fake *fake, unsigned n)
{
	fake->store->conflicts = n;
}

unsigned xen_fake_nodes(struct xen_fake *fake, const char *path)
{
	struct list *pos, *next;
	unsigned n = 0;

	list_for_each (&fake->store->tree.nodes, pos, next)
		n += tree_below(tree_node(pos)->path, path);
	return n;
}

static unsigned length(const struct list *head)
{
	const struct list *pos;
	unsigned n = 0;

	for (pos = head->next; pos != head; pos = pos->next)
		n++;
	return n;
}

unsigned xen_fake_watches(const struct xen_fake *fake)
{
	return length(&fake->store->watches);
}

unsigned xen_fake_transactions(const struct xen_fake *fake)
{
	return length(&fake->store->txs);
}
