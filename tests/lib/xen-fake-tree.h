/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen-fake-tree.h - the nodes of the fake Xen's xenstore: values and rights.
 */
#ifndef TESTS_LIB_XEN_FAKE_TREE_H
#define TESTS_LIB_XEN_FAKE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/list.h"

struct node {
	struct list link;
	char *path;
	char *value;
	size_t len;
	uint32_t owner;
	int reader; /* a domain that may read it, -1: none */
};

struct tree {
	struct list nodes;
};

/* The node of a link in tree.nodes. */
struct node *tree_node(struct list *link);

/* Whether path is at or below top. */
bool tree_below(const char *path, const char *top);

struct node *tree_find(struct tree *t, const char *path);
void tree_set(struct node *n, const void *value, size_t len);
struct node *tree_add(struct tree *t, const char *path, uint32_t owner,
		      int reader);
void tree_drop(struct node *n);
void tree_clear(struct tree *t);
void tree_copy(struct tree *to, struct tree *from);

/* The nearest node at or above path; the root is always there. */
struct node *tree_nearest(struct tree *t, const char *path);

/* Make path and what is missing above it, with the rights from above. */
struct node *tree_make(struct tree *t, const char *path, uint32_t domid);

bool tree_may_read(const struct node *n, uint32_t domid);
bool tree_may_write(const struct node *n, uint32_t domid);

#endif /* TESTS_LIB_XEN_FAKE_TREE_H */
