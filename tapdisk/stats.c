/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats.c - the statistics of a disk, as JSON.
 */
#include "tapdisk/stats.h"

#include <stdio.h>
#include <string.h>

#include "tapdisk/chain.h"
#include "tapdisk/channel.h"
#include "tapdisk/driver.h"
#include "tapdisk/vbd.h"

#define POOL "td-xenio-default" /* there never was another */

static void add_pair(struct json *json, const char *key, const uint64_t pair[2])
{
	json_array(json, key);
	json_uint(json, NULL, pair[0]);
	json_uint(json, NULL, pair[1]);
	json_end(json);
}

/* What old tools call a driver: "aio" for raw. */
static const char *old_name(const struct driver *drv)
{
	for (const struct driver_alias *a = driver_aliases; a->name; a++) {
		if (a->drv == drv && a->type == chain_type_number(drv))
			return a->name;
	}
	return drv->name;
}

/* A raw image's has always been there; of others, what they tell. */
static void add_status(struct json *json, const struct image *img,
		       struct vbd *vbd)
{
	bool raw = chain_type_number(img->drv) == 0;

	if (!raw && !img->drv->stats) {
		json_null(json, "status");
		return;
	}
	json_object(json, "status");
	if (raw) {
		json_object(json, "reqs");
		json_uint(json, "max", img->depth);
		json_uint(json, "pending",
			  img == vbd_image(vbd) ? vbd_outstanding(vbd) : 0);
		json_end(json);
	}
	if (img->drv->stats)
		img->drv->stats(img, json);
	json_end(json);
}

static void add_image(struct json *json, const struct image *img,
		      struct vbd *vbd)
{
	json_object(json, NULL);
	json_string(json, "name", img->name);
	add_pair(json, "hits", img->counters.hits);
	add_pair(json, "fail", img->counters.fail);
	json_object(json, "driver");
	json_int(json, "type", chain_type_number(img->drv));
	json_string(json, "name", old_name(img->drv));
	add_status(json, img, vbd);
	json_end(json);
	json_end(json);
}

/* The next layer: what shows through, or what a filter is in front of. */
static const struct image *next(const struct image *img)
{
	if (img->drv->kind == DRIVER_FILTER)
		return img->file;
	return img->parent;
}

static bool is_ring(const struct channel *ch)
{
	return !strcmp(ch->tr->name, "xenio");
}

/* What a channel has asked for, and has been answered. */
static void add_reqs(struct json *json, const struct channel *ch)
{
	const struct vbd_counters *c = channel_counters(ch);
	uint64_t pair[2] = { 0, 0 };

	pair[0] = c->submitted[0] + c->submitted[1] + c->flushes + c->discards;
	pair[1] = pair[0] - channel_in_flight(ch);
	add_pair(json, "reqs", pair);
}

static void add_ring(struct json *json, const char *key,
		     const struct channel *ch)
{
	unsigned domid = 0, devid = 0, queue = 0;

	(void)sscanf(ch->name, "xenio:%u/%u.%u", &domid, &devid,
		     &queue); /* control.c named it so */
	json_object(json, key);
	json_string(json, "pool", POOL);
	json_uint(json, "domid", domid);
	json_uint(json, "devid", devid);
	add_reqs(json, ch);
	if (ch->tr->stats)
		ch->tr->stats(ch, json);
	json_uint(json, "queue", queue);
	json_end(json);
}

static void add_rings(struct json *json, const char *key, struct vbd *vbd,
		      bool first_only)
{
	struct list *pos, *after;
	struct channel *ch;

	list_for_each (vbd_channels(vbd), pos, after) {
		ch = channel_of(pos);
		if (!is_ring(ch))
			continue;
		add_ring(json, key, ch);
		if (first_only)
			return;
	}
}

static void add_others(struct json *json, struct vbd *vbd)
{
	struct list *pos, *after;
	struct channel *ch;

	json_array(json, "channels");
	list_for_each (vbd_channels(vbd), pos, after) {
		ch = channel_of(pos);
		if (is_ring(ch))
			continue;
		json_object(json, NULL);
		json_string(json, "name", ch->name);
		json_string(json, "transport", ch->tr->name);
		add_reqs(json, ch);
		if (ch->tr->stats)
			ch->tr->stats(ch, json);
		json_end(json);
	}
	json_end(json);
}

static const char *state_name(enum vbd_state state)
{
	switch (state) {
	case VBD_CLOSED:
		return "closed";
	case VBD_OPENING:
		return "opening";
	case VBD_RUNNING:
		return "running";
	case VBD_DRAINING:
		return "draining";
	case VBD_PAUSED:
		return "paused";
	case VBD_DEAD:
		return "dead";
	}
	return "unknown";
}

void stats_add(struct json *json, struct vbd *vbd)
{
	const struct vbd_counters *c = vbd_counters(vbd);
	const struct image *top = vbd_image(vbd);

	json_object(json, NULL);
	json_string(json, "name", vbd_name(vbd) ? vbd_name(vbd) : "(null)");
	add_pair(json, "secs", c->sectors);
	json_array(json, "images");
	for (const struct image *img = top; img; img = next(img))
		add_image(json, img, vbd);
	json_end(json);
	add_rings(json, "xenbus", vbd, true);
	json_uint(json, "FIXME_enospc_redirect_count", vbd_redirected(vbd));
	json_uint(json, "nbd_mirror_failed", vbd_mirror_failed(vbd));
	json_uint(json, "reqs_outstanding", vbd_outstanding(vbd));
	json_string(json, "read_caching",
		    top && top->cached ? "true" : "false");

	/* From here on ours. */
	json_string(json, "state", state_name(vbd_state(vbd)));
	json_bool(json, "write_through", top && top->write_through);
	json_uint(json, "flushes", c->flushes);
	json_uint(json, "discards", c->discards);
	json_uint(json, "errors", c->errors);
	json_uint(json, "retries", c->retries);
	json_uint(json, "late", c->late);
	add_pair(json, "usecs", c->usecs);
	add_pair(json, "max_usecs", c->max_usecs);
	json_array(json, "rings");
	add_rings(json, NULL, vbd, false);
	json_end(json);
	add_others(json, vbd);
	json_end(json);
}
