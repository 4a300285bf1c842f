/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen-fake-tree.c - one list of nodes, sorted by their whole path.
 */
#include "tests/lib/xen-fake-tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
	assert(p);
	return p;
}

struct node *tree_node(struct list *link)
{
	return container_of(link, struct node, link);
}

bool tree_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	if (!strcmp(top, "/"))
		return true;
	return !strncmp(path, top, len) && (!path[len] || path[len] == '/');
}

struct node *tree_find(struct tree *t, const char *path)
{
	struct list *pos, *next;

	list_for_each (&t->nodes, pos, next) {
		if (!strcmp(tree_node(pos)->path, path))
			return tree_node(pos);
	}
	return NULL;
}

void tree_set(struct node *n, const void *value, size_t len)
{
	free(n->value);
	n->value = must(malloc(len + 1));
	memcpy(n->value, value, len);
	n->value[len] = '\0';
	n->len = len;
}

struct node *tree_add(struct tree *t, const char *path, uint32_t owner,
		      int reader)
{
	struct node *n = must(calloc(1, sizeof(*n)));
	struct list *pos;

	for (pos = t->nodes.prev; pos != &t->nodes; pos = pos->prev) {
		if (strcmp(tree_node(pos)->path, path) < 0)
			break;
	}
	n->path = must(strdup(path));
	n->owner = owner;
	n->reader = reader;
	tree_set(n, "", 0);
	list_add_head(pos, &n->link);
	return n;
}

void tree_drop(struct node *n)
{
	list_del(&n->link);
	free(n->path);
	free(n->value);
	free(n);
}

void tree_clear(struct tree *t)
{
	while (!list_empty(&t->nodes))
		tree_drop(tree_node(t->nodes.next));
}

void tree_copy(struct tree *to, struct tree *from)
{
	struct list *pos, *next;
	struct node *n, *c;

	list_init(&to->nodes);
	list_for_each (&from->nodes, pos, next) {
		n = tree_node(pos);
		c = tree_add(to, n->path, n->owner, n->reader);
		tree_set(c, n->value, n->len);
	}
}

struct node *tree_nearest(struct tree *t, const char *path)
{
	char *up = must(strdup(path)), *slash;
	struct node *n;

	while (!(n = tree_find(t, up))) {
		slash = strrchr(up, '/');
		slash[slash == up] = '\0';
	}
	free(up);
	return n;
}

struct node *tree_make(struct tree *t, const char *path, uint32_t domid)
{
	const struct node *from = tree_nearest(t, path);
	uint32_t owner = from->owner ? from->owner : domid;
	int reader = from->reader;
	size_t at = strcmp(from->path, "/") ? strlen(from->path) : 0;
	struct node *n = tree_find(t, path);
	char *part;

	while (!n) {
		at += 1 + strcspn(path + at + 1, "/");
		part = must(strndup(path, at));
		n = tree_find(t, part);
		if (!n)
			n = tree_add(t, part, owner, reader);
		free(part);
		if (path[at])
			n = NULL;
	}
	return n;
}

bool tree_may_read(const struct node *n, uint32_t domid)
{
	return domid == 0 || n->owner == domid || n->reader == (int)domid;
}

bool tree_may_write(const struct node *n, uint32_t domid)
{
	return domid == 0 || n->owner == domid;
}
