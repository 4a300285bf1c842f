/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain.c - opens and closes the images of a disk.
 *
 * A spec gives a group: filters and formats, one over the other's file, down
 * to a protocol. It is opened from the bottom up, so that each open() can
 * read what lies below. A format may then have named a parent, by a spec:
 * the next group. Closing goes the other way: an image is closed before what
 * it stands on. One job at a time on the workers; attach() and detach() in
 * between, on the loop.
 */
#include "tapdisk/chain.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/work.h"
#include "tapdisk/image.h"

#define GROUPS_MAX 256 /* a chain of more is taken for a mistake */
#define LAYERS_MAX 8   /* in one spec */

struct layer {
	const struct driver *drv;
	char *name;
	bool grows;
};

/* Lives from chain_open() to the end of chain_close(). */
struct chain {
	struct loop *loop;
	struct io *io;
	struct work *work;
	struct passed *passed;
	const struct keys *keys;
	bool readonly;
	bool cached;
	unsigned depth;
	struct job job;
	struct err err;

	/* Opening. */
	void (*opened)(void *arg, struct image *top, const struct err *err);
	void *arg;
	struct image *top;
	struct image *child; /* the group is to be its parent; NULL: the top */
	unsigned groups;
	struct layer layers[LAYERS_MAX]; /* of the group, top first */
	unsigned left;                   /* of them to open */
	struct image *below;             /* opened last in this group */
	struct image *img;               /* being opened or closed */
	int ret;                         /* of its open() */
	char *spec;
	char *parent_spec; /* instead of the leaf's own */
	char *second_spec;
	bool standby;
	bool at_second; /* the group is the second image */
	struct image *second;
	struct deferred later;

	/* Closing. */
	void (*closed)(void *arg);
	void *closed_arg;
	struct list doomed; /* in their order */
};

/* --- names ---------------------------------------------------------------- */

static bool called(const char *have, const char *name, size_t len)
{
	return strlen(have) == len && !memcmp(have, name, len);
}

const struct driver *chain_driver(const char *name, size_t len)
{
	const struct driver *const *drv;
	const struct driver_alias *alias;

	for (drv = drivers; *drv; drv++) {
		if (called((*drv)->name, name, len))
			return *drv;
	}
	for (alias = driver_aliases; alias->name; alias++) {
		if (called(alias->name, name, len))
			return alias->drv;
	}
	return NULL;
}

int chain_type_number(const struct driver *drv)
{
	const struct driver_alias *alias;

	for (alias = driver_aliases; alias->name; alias++) {
		if (alias->drv == drv)
			return alias->type;
	}
	return -1;
}

/* The driver that spec begins with, and where its colon is; else NULL. */
static const struct driver *prefix(const char *spec, const char **colon)
{
	*colon = strchr(spec, ':');
	return *colon ? chain_driver(spec, (size_t)(*colon - spec)) : NULL;
}

static void forget_layers(struct chain *c)
{
	unsigned i;

	for (i = 0; i < LAYERS_MAX; i++) {
		free(c->layers[i].name);
		c->layers[i].name = NULL;
	}
	c->left = 0;
}

static int add_layer(struct chain *c, const struct driver *drv,
		     const char *name, size_t len)
{
	struct layer *layer;
	const struct layer *above;

	if (c->left == LAYERS_MAX)
		return err_set(&c->err, -EINVAL, "more than %d layers",
			       LAYERS_MAX);
	layer = &c->layers[c->left];
	layer->drv = drv;
	layer->name = strndup(name, len);
	if (!layer->name)
		return err_set(&c->err, -ENOMEM, "no memory");
	above = c->left ? layer - 1 : NULL;
	layer->grows =
		above && (above->grows || above->drv->kind == DRIVER_FORMAT);
	c->left++;
	return 0;
}

/* A filter's parameter, if it has one, ends at the next colon. */
static int add_filter(struct chain *c, const struct driver *drv,
		      const char **spec)
{
	const char *colon, *param = *spec;

	if (prefix(param, &colon))
		return add_layer(c, drv, "", 0);
	if (!colon)
		return err_set(&c->err, -EINVAL, "nothing below the filter");
	*spec = colon + 1;
	return add_layer(c, drv, param, (size_t)(colon - param));
}

static int parse(struct chain *c, const char *spec)
{
	const struct driver *drv, *raw = chain_driver("raw", 3);
	const char *colon;
	int err = 0;

	while ((drv = prefix(spec, &colon)) && !err) {
		spec = colon + 1;
		if (drv->kind == DRIVER_PROTOCOL)
			return add_layer(c, drv, spec, strlen(spec));
		if (drv->kind == DRIVER_FILTER)
			err = add_filter(c, drv, &spec);
		else
			err = add_layer(c, drv, spec, strlen(spec));
	}
	if (err)
		return err;
	/* Of a format, a plain path is a file. */
	if (c->left && c->layers[c->left - 1].drv->kind == DRIVER_FORMAT && raw)
		return add_layer(c, raw, spec, strlen(spec));
	if (colon)
		return err_set(&c->err, -ENOENT, "no driver is called %.*s",
			       (int)(colon - spec), spec);
	return err_set(&c->err, -EINVAL, "%s: no type before it", spec);
}

/* --- closing -------------------------------------------------------------- */

static void close_next(struct chain *c);

/* An image, then what it stands on, then what is behind it. */
static void doom(struct chain *c, struct image *img)
{
	for (; img; img = img->parent) {
		list_add_tail(&c->doomed, &image_box(img)->link);
		doom(c, img->file); /* a group is not deep */
	}
}

static void close_run(struct job *job)
{
	struct chain *c = container_of(job, struct chain, job);

	c->img->drv->close(c->img);
}

static void close_done(struct job *job)
{
	struct chain *c = container_of(job, struct chain, job);

	image_free(c->img);
	close_next(c);
}

static void close_end(struct chain *c)
{
	if (c->opened) /* the open failed */
		c->opened(c->arg, NULL, &c->err);
	else
		c->closed(c->closed_arg);
	forget_layers(c);
	free(c->spec);
	free(c->parent_spec);
	free(c->second_spec);
	free(c);
}

/* Behind which are all the others. */
static struct image *head(const struct chain *c, struct image *top)
{
	return c->standby && c->second ? c->second : top;
}

static void close_next(struct chain *c)
{
	struct list *link;

	while ((link = list_pop(&c->doomed))) {
		c->img = &container_of(link, struct image_box, link)->img;
		if (image_box(c->img)->attached && c->img->drv->detach)
			c->img->drv->detach(c->img);
		if (c->img->drv->close) {
			c->job.run = close_run;
			c->job.done = close_done;
			work_submit(c->work, &c->job);
			return;
		}
		image_free(c->img);
	}
	close_end(c);
}

static void close_deferred(struct deferred *d)
{
	close_next(container_of(d, struct chain, later));
}

void chain_close(struct image *top, struct work *work, void (*done)(void *arg),
		 void *arg)
{
	struct chain *c = image_box(top)->chain;

	assert(c->work == work);
	c->closed = done;
	c->closed_arg = arg;
	doom(c, head(c, top));
	c->later.run = close_deferred;
	loop_defer(c->loop, &c->later);
}

/* --- opening -------------------------------------------------------------- */

static void open_next(struct chain *c);

/* What was opened is closed; then err is told. */
static void give_up(struct chain *c)
{
	doom(c, c->below);
	doom(c, head(c, c->top));
	close_next(c);
}

static void give_up_layer(struct chain *c)
{
	(void)err_wrap(&c->err, "%s:%s", c->img->drv->name, c->img->name);
	image_free(c->img);
	give_up(c);
}

/* An image whose parent is named and not there yet. */
static struct image *orphan(struct image *img)
{
	struct image *found;

	for (; img; img = img->parent) {
		if (image_box(img)->parent_spec && !img->parent)
			return img;
		found = orphan(img->file); /* a group is not deep */
		if (found)
			return found;
	}
	return NULL;
}

/* Whether an image has this file already: then it is its own ancestor. */
static bool loops(const struct image *img, const struct layer *layer)
{
	for (; img; img = img->parent) {
		if (img->drv == layer->drv && !strcmp(img->name, layer->name))
			return true;
		if (loops(img->file, layer)) /* a group is not deep */
			return true;
	}
	return false;
}

static void begin_group(struct chain *c, const char *spec)
{
	int err;

	forget_layers(c);
	c->below = NULL;
	err = parse(c, spec);
	if (!err && ++c->groups > GROUPS_MAX)
		err = err_set(&c->err, -ELOOP, "more than %d images deep",
			      GROUPS_MAX);
	if (!err && (c->child || c->at_second) &&
	    loops(c->top, &c->layers[c->left - 1]))
		err = err_set(&c->err, -ELOOP, "the chain leads back to it");
	if (err) {
		(void)err_wrap(&c->err, "%s", spec);
		give_up(c);
		return;
	}
	open_next(c);
}

static bool ready(struct chain *c, struct image *img)
{
	for (; img; img = img->parent) {
		if (image_ready(img, &c->err) || !ready(c, img->file))
			return false;
	}
	return true;
}

static void begin_second(struct chain *c, struct image *child)
{
	c->child = child;
	c->at_second = true;
	begin_group(c, c->second_spec);
}

static void open_end(struct chain *c)
{
	c->child = orphan(c->top);
	if (c->child) {
		begin_group(c, image_box(c->child)->parent_spec);
		return;
	}
	if (c->second_spec && !c->second) {
		begin_second(c, NULL);
		return;
	}
	if (!ready(c, head(c, c->top))) {
		give_up(c);
		return;
	}
	forget_layers(c);
	image_box(c->top)->chain = c;
	c->opened(c->arg, c->top, &c->err);
	c->opened = NULL;
}

/* Behind the leaf, and with its parent; or in front of all there is. */
static int place_second(struct chain *c, struct image *second)
{
	struct image_box *box = image_box(second);
	struct image_box *leaf = image_box(c->top);
	char *spec = box->parent_spec;
	int err;

	if (!spec)
		return err_set(&c->err, -EINVAL, "it has no parent");
	if (second->info.size != c->top->info.size)
		return err_set(&c->err, -EINVAL, "%llu bytes, not %llu",
			       (unsigned long long)second->info.size,
			       (unsigned long long)c->top->info.size);
	box->parent_known = false;
	if (c->standby) {
		err = image_join(second, c->top, &c->err);
	} else {
		box->parent_spec = leaf->parent_spec;
		box->parent_known = leaf->parent_known;
		memcpy(box->parent_id, leaf->parent_id, sizeof(box->parent_id));
		leaf->parent_spec = spec; /* is never opened */
		leaf->parent_known = false;
		err = image_join(c->top, second, &c->err);
	}
	if (!err)
		c->second = second;
	return err;
}

static void second_done(struct chain *c)
{
	struct image *img = c->below;

	c->at_second = false;
	if (place_second(c, img)) {
		(void)err_wrap(&c->err, "%s:%s", img->drv->name, img->name);
		give_up(c);
		return;
	}
	c->below = NULL;
	open_end(c);
}

/* The leaf is there, and what was asked for beside it is to be done. */
static void leaf_done(struct chain *c)
{
	struct image *leaf = c->top;
	bool asked = c->parent_spec || c->second_spec;

	if (asked && !image_box(leaf)->parent_spec) {
		(void)err_set(&c->err, -EINVAL,
			      "%s:%s: it has no parent, which -2 and -e need",
			      leaf->drv->name, leaf->name); /* told */
		give_up(c);
	} else if (c->parent_spec &&
		   image_set_parent(leaf, c->parent_spec, NULL)) {
		(void)err_set(&c->err, -ENOMEM, "no memory"); /* told */
		give_up(c);
	} else if (c->second_spec && !c->standby) {
		begin_second(c, leaf);
	} else {
		open_end(c);
	}
}

static void group_done(struct chain *c)
{
	struct image *img = c->below;

	if (c->at_second) {
		second_done(c);
		return;
	}
	if (!c->child) {
		c->top = img;
		c->below = NULL;
		leaf_done(c);
		return;
	}

	if (c->child && image_join(c->child, img, &c->err)) {
		(void)err_wrap(&c->err, "%s:%s", c->child->drv->name,
			       c->child->name);
		give_up(c);
		return;
	}
	c->below = NULL;
	open_end(c);
}

static void open_run(struct job *job)
{
	struct chain *c = container_of(job, struct chain, job);

	c->ret = c->img->drv->open(c->img, &c->err);
	if (c->ret && !c->err.code) /* it gave no sentence */
		(void)err_set(&c->err, c->ret, "refused with error %d",
			      -c->ret);
}

static void open_done(struct job *job)
{
	struct chain *c = container_of(job, struct chain, job);
	struct image *img = c->img;
	const struct driver *drv = img->drv;

	if (c->ret) {
		give_up_layer(c);
		return;
	}
	c->below = img;
	if (drv->attach)
		c->ret = drv->attach(img, &c->err);
	image_box(img)->attached = drv->attach && !c->ret;
	if (c->ret || image_check(img, &c->err)) {
		(void)err_wrap(&c->err, "%s:%s", drv->name, img->name);
		give_up(c);
	} else if (c->left) {
		open_next(c);
	} else {
		group_done(c);
	}
}

static void open_next(struct chain *c)
{
	struct layer *layer = &c->layers[--c->left];
	struct image *img;

	if (image_new(&img, layer->drv, layer->name)) {
		(void)err_set(&c->err, -ENOMEM, "%s: no memory", layer->name);
		give_up(c);
		return;
	}
	img->loop = c->loop;
	img->io = c->io;
	img->keys = c->keys;
	image_box(img)->passed = c->passed;
	img->file = c->below;
	img->readonly = c->child && !c->at_second ? true : c->readonly;
	img->cached = c->cached;
	img->grows = layer->grows;
	img->depth = c->depth;
	c->img = img;
	c->job.run = open_run;
	c->job.done = open_done;
	work_submit(c->work, &c->job);
}

static void begin(struct deferred *d)
{
	struct chain *c = container_of(d, struct chain, later);

	begin_group(c, c->spec);
}

struct image *chain_second(const struct image *top)
{
	return image_box(top)->chain->second;
}

static bool copy(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

int chain_open(const struct chain_args *args,
	       void (*done)(void *arg, struct image *top,
			    const struct err *err),
	       void *arg)
{
	struct chain *c = calloc(1, sizeof(*c));
	bool ok = false;

	if (c)
		ok = copy(&c->spec, args->spec) &&
		     copy(&c->parent_spec, args->parent) &&
		     copy(&c->second_spec, args->second);
	if (!ok) {
		if (c) {
			free(c->spec);
			free(c->parent_spec);
		}
		free(c);
		return -ENOMEM;
	}
	c->standby = args->standby;
	c->loop = args->loop;
	c->io = args->io;
	c->work = args->work;
	c->passed = args->passed;
	c->keys = args->keys;
	c->readonly = args->readonly;
	c->cached = args->cached;
	c->depth = args->depth;
	c->opened = done;
	c->arg = arg;
	list_init(&c->doomed);
	c->later.run = begin;
	loop_defer(c->loop, &c->later);
	return 0;
}
