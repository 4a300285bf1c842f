/* SPDX-License-Identifier: GPL-2.0-or-later */
/* live-look.c - what there is: nodes of the disk, its device, its ring. */
#include "migrate/live-impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/blktap2/blktap2.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/parse.h"
#include "lib/xen.h"

#define NUMBER_MAX (1L << 40)

static char *node(const struct live *l, const char *dir, const char *name)
{
	char path[LIVE_PATH];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    (int)sizeof(path))
		return NULL;
	return l->env->xen->read(l->env->xen, 0, path);
}

char *live_node(const struct live *l, const char *name)
{
	return node(l, l->back, name);
}

char *live_front_node(const struct live *l, const char *name)
{
	return node(l, l->front, name);
}

static long number(const char *text)
{
	uint64_t n;

	if (!text || parse_uint(&n, text, 0, NUMBER_MAX) < 0)
		return -1;
	return (long)n;
}

long live_number(const struct live *l, const char *name)
{
	cleanup_free char *text = live_node(l, name);

	return number(text);
}

long live_front_number(const struct live *l, const char *name)
{
	cleanup_free char *text = live_front_node(l, name);

	return number(text);
}

static int below_root(const struct live *l, char out[LIVE_PATH],
		      const char *fmt, va_list args)
{
	int at = snprintf(out, LIVE_PATH, "%s", l->env->root);
	int n;

	if (at >= LIVE_PATH)
		return -ENAMETOOLONG;
	n = vsnprintf(out + at, (size_t)(LIVE_PATH - at), fmt, args);
	return n < LIVE_PATH - at ? 0 : -ENAMETOOLONG;
}

char *live_file(const struct live *l, const char *fmt, ...)
{
	char path[LIVE_PATH], line[LIVE_PATH];
	va_list args;
	FILE *f;
	int rc;

	va_start(args, fmt);
	rc = below_root(l, path, fmt, args);
	va_end(args);
	f = rc < 0 ? NULL : fopen(path, "re");
	if (!f)
		return NULL;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	(void)fclose(f); /* it was read from */
	line[strcspn(line, "\n")] = '\0';
	return strdup(line);
}

bool live_link(const struct live *l, char *out, size_t size, const char *fmt,
	       ...)
{
	char path[LIVE_PATH], to[LIVE_PATH];
	const char *last;
	va_list args;
	ssize_t n;
	int rc;

	va_start(args, fmt);
	rc = below_root(l, path, fmt, args);
	va_end(args);
	n = rc < 0 ? -1 : readlink(path, to, sizeof(to) - 1);
	if (n < 0)
		return false;
	to[n] = '\0';
	last = strrchr(to, '/');
	last = last ? last + 1 : to;
	return snprintf(out, size, "%s", last) < (int)size;
}

bool live_bound(const struct live *l)
{
	char driver[64];

	return live_link(l, driver, sizeof(driver),
			 "/sys/bus/xen-backend/devices/%s/driver", l->name);
}

int live_ring(const struct live *l, struct xenbus_ring *ring, struct err *err)
{
	static const struct xenbus_limits most = { XENBUS_ORDER_MAX,
						   XENBUS_QUEUES_MAX };
	struct xenbus_nodes nodes = { .value = { NULL } };
	char *values[XENBUS_KEYS] = { NULL };
	int rc;

	for (unsigned i = 0; i < XENBUS_KEYS; i++) {
		if (xenbus_key_names[i].front)
			values[i] =
				live_front_node(l, xenbus_key_names[i].name);
		nodes.value[i] = values[i];
	}
	rc = xenbus_ring_shape(ring, &nodes, &most, err);
	for (unsigned i = 0; i < XENBUS_KEYS; i++)
		free(values[i]);
	return rc;
}

int live_steady(const struct live *l, struct err *err)
{
	long back = live_number(l, "state");
	long front = live_front_number(l, "state");

	if (live_number(l, "online") != 1)
		return err_set(err, -EBUSY, "%s: the toolstack takes it away",
			       l->name);
	if (back != XENBUS_CONNECTED || front != XENBUS_CONNECTED)
		return err_set(err, -EBUSY,
			       "%s: backend in state %ld, frontend in %ld, not "
			       "both in 4",
			       l->name, back, front);
	return 0;
}

/* --- opening -------------------------------------------------------------- */

static int look_front(struct live *l, struct err *err)
{
	cleanup_free char *front = live_node(l, "frontend");

	if (!front)
		return err_set(err, -ENOENT, "%s: there is no such disk",
			       l->back);
	if (snprintf(l->front, sizeof(l->front), "%s", front) >=
	    (int)sizeof(l->front))
		return err_set(err, -ENAMETOOLONG,
			       "%s: frontend's name is "
			       "too long",
			       l->name);
	return 0;
}

/* "fd:3", both in hexadecimal. */
static int look_device(struct live *l, struct err *err)
{
	cleanup_free char *text = live_node(l, "physical-device");
	unsigned tapdev;
	char end;

	if (!text || sscanf(text, "%x:%x%c", &l->major, &l->minor, &end) != 2)
		return err_set(err, -ENXIO,
			       "%s: no block device is named by "
			       "physical-device",
			       l->name);
	if (!live_link(l, l->device, sizeof(l->device), "/sys/dev/block/%u:%u",
		       l->major, l->minor))
		l->device[0] = '\0';
	l->kind = LIVE_RAW;
	if (!strncmp(l->device, "loop", 4))
		l->kind = LIVE_LOOP;
	else if (!blktap2_disk_major(&tapdev, l->env->root, NULL) &&
		 l->major == tapdev)
		l->kind = LIVE_TAPDEV;
	return 0;
}

static int look_disk(struct live *l, struct err *err)
{
	cleanup_free char *mode = live_node(l, "mode");
	long sectors = live_number(l, "sectors");
	long size = live_number(l, "sector-size");

	l->readonly = !mode || !strchr(mode, 'w');
	if (sectors <= 0 || size <= 0)
		return err_set(err, -ENXIO, "%s: its size is not known",
			       l->name);
	l->sectors = (uint64_t)sectors;
	l->sector_size = (uint32_t)size;
	return 0;
}

static char *spec_of_tapdev(struct live *l)
{
	char *spec = live_node(l, "tapdisk-params");
	struct live_tap tap;

	if (spec || live_tap_old(l, &tap) < 0)
		return spec;
	return tap.spec[0] ? strdup(tap.spec) : NULL;
}

static char *prefixed(const char *path)
{
	char spec[WIRE_PATH];

	if (!path ||
	    snprintf(spec, sizeof(spec), "aio:%s", path) >= (int)sizeof(spec))
		return NULL;
	return strdup(spec);
}

static char *spec_of(struct live *l)
{
	cleanup_free char *path = NULL;
	char name[sizeof(l->device) + 8];

	if (l->kind == LIVE_TAPDEV)
		return spec_of_tapdev(l);
	if (l->kind == LIVE_LOOP) {
		path = live_file(l, "/sys/block/%s/loop/backing_file",
				 l->device);
		return prefixed(path);
	}
	path = live_node(l, "physical-device-path");
	if (path && *path)
		return prefixed(path);
	(void)snprintf(name, sizeof(name), "/dev/%s", l->device); /* it fits */
	return l->device[0] ? prefixed(name) : NULL;
}

static int look(struct live *l, const char *spec, struct err *err)
{
	int rc = look_front(l, err);

	if (!rc)
		rc = look_device(l, err);
	if (!rc)
		rc = look_disk(l, err);
	if (rc < 0)
		return rc;
	l->spec = spec ? strdup(spec) : spec_of(l);
	if (!l->spec)
		return err_set(err, -ENXIO, "%s: its image is not known",
			       l->name);
	return 0;
}

int live_open(struct live **out, const struct live_env *env,
	      const struct live_request *req, struct err *err)
{
	struct live *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return err_set(err, -ENOMEM, "no memory");
	l->env = env;
	l->domid = req->domid;
	l->devid = req->devid;
	l->limit_ms = req->limit_ms ? req->limit_ms : LIVE_LIMIT_MS;
	(void)snprintf(l->name, sizeof(l->name), "vbd-%u-%u", req->domid,
		       req->devid); /* it fits */
	(void)snprintf(l->back, sizeof(l->back),
		       "/local/domain/%u/backend/vbd/%u/%u", env->domid,
		       req->domid, req->devid); /* it fits */
	rc = look(l, req->spec, err);
	if (rc < 0) {
		live_close(l);
		return rc;
	}
	*out = l;
	return 0;
}

void live_close(struct live *l)
{
	if (!l)
		return;
	free(l->spec);
	free(l);
}

enum live_kind live_kind(const struct live *l)
{
	return l->kind;
}

const char *live_spec(const struct live *l)
{
	return l->spec;
}
