/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenio-rig.c - the xenio daemon between a toolstack, guests and tapdisks.
 */
#include "tests/lib/xenio-rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/loop.h"
#include "tests/lib/test.h"
#include "xenio/supervise.h"

#define PATH 256
#define STEP 10u /* ms */

static void no_log(enum log_level level, const char *line)
{
	(void)level;
	if (getenv("RIG_LOG"))
		(void)fprintf(stderr, "# %s\n", line);
}

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->type = "vbd3";
	rig->limit_order = XENBUS_ORDER_MAX;
	(void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/xenio-unit-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	assert_int_equal(loop_new(&rig->loop, NULL), 0);
	rig->now_ns = 1000000000;
	loop_set_now_ns(rig->loop, rig->now_ns);
	rig->fake = xen_fake_new();
	log_set(no_log);
	if (getenv("RIG_LOG"))
		log_debug_topics("all");
	rig_start(rig);
	rig_run(rig);
	*state = rig;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;

	rig_stop(rig);
	for (unsigned i = 0; i < RIG_TAPDISKS; i++)
		stub_free(rig->tap[i]);
	xen_fake_free(rig->fake);
	loop_free(rig->loop);
	(void)rmdir(rig->dir);
	log_set(NULL);
	free(rig);
	return 0;
}

void rig_start(struct rig *rig)
{
	const struct supervise_options opt = {
		.env = {
			.loop = rig->loop,
			.xen = xen_fake_xen(rig->fake),
			.domid = rig->domid,
			.control_dir = rig->dir,
			.timeout_ms = RIG_TIMEOUT,
			.limits = { rig->limit_order, 4 },
			.max_segs = 256,
			.barrier = true,
		},
		.types = { "vbd3", "xenio" },
		.ntypes = 2,
		.only = SUPERVISE_ANY,
	};

	assert_int_equal(supervise_new(&rig->sv, &opt, NULL), 0);
}

void rig_stop(struct rig *rig)
{
	supervise_free(rig->sv);
	rig->sv = NULL;
}

void rig_pass(struct rig *rig, unsigned ms)
{
	for (unsigned done = 0; done < ms; done += STEP) {
		for (int i = 0; i < 100 && loop_turn(rig->loop); i++)
			;
		rig->now_ns += STEP * 1000000ull;
		loop_set_now_ns(rig->loop, rig->now_ns);
	}
}

void rig_run(struct rig *rig)
{
	rig_pass(rig, 300);
}

struct stub *rig_tapdisk(struct rig *rig, unsigned n)
{
	if (!rig->tap[n])
		rig->tap[n] = stub_new(rig->loop, rig->dir);
	return rig->tap[n];
}

static const char *back_path(const struct rig *rig, char out[PATH],
			     unsigned domid, unsigned dev)
{
	(void)snprintf(out, PATH, "/local/domain/%u/backend/%s/%u/%u",
		       rig->domid, rig->type, domid, dev);
	return out;
}

static const char *front_path(char out[PATH], unsigned domid, unsigned dev)
{
	(void)snprintf(out, PATH, "/local/domain/%u/device/vbd/%u", domid, dev);
	return out;
}

static void set(struct rig *rig, unsigned domid, const char *dir,
		const char *name, const char *value)
{
	char path[PATH + 64];
	int rc;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	rc = value ? xen_fake_write(rig->fake, domid, path, value)
		   : xen_fake_remove(rig->fake, domid, path);
	assert_int_equal(rc, 0);
}

void rig_set_back(struct rig *rig, unsigned domid, unsigned dev,
		  const char *name, const char *value)
{
	char path[PATH];

	set(rig, 0, back_path(rig, path, domid, dev), name, value);
}

void rig_set_front(struct rig *rig, unsigned domid, unsigned dev,
		   const char *name, const char *value)
{
	char path[PATH];

	set(rig, domid, front_path(path, domid, dev), name, value);
}

void rig_create(struct rig *rig, unsigned domid, unsigned dev, const char *mode)
{
	char back[PATH], front[PATH], text[16];

	if (domid && !rig->known[domid])
		xen_fake_domain(rig->fake, domid, 1);
	rig->known[domid] = true;
	back_path(rig, back, domid, dev);
	front_path(front, domid, dev);
	assert_int_equal(xen_fake_write(rig->fake, 0, front, ""), 0);
	xen_fake_perms(rig->fake, front, domid, 0);
	assert_int_equal(xen_fake_write(rig->fake, 0, back, ""), 0);
	xen_fake_perms(rig->fake, back, rig->domid, (int)domid);
	(void)snprintf(text, sizeof(text), "%u", domid);
	set(rig, 0, back, "frontend", front);
	set(rig, 0, back, "frontend-id", text);
	set(rig, 0, back, "online", "1");
	set(rig, 0, back, "mode", mode);
	set(rig, 0, back, "device-type", "disk");
	set(rig, 0, back, "state", "1");
	set(rig, 0, front, "backend", back);
	set(rig, 0, front, "protocol", "x86_64-abi");
	set(rig, 0, front, "state", "1");
}

void rig_plug(struct rig *rig, unsigned domid, unsigned dev, unsigned n)
{
	char path[PATH];
	int pid = (int)stub_pid(rig_tapdisk(rig, n));

	(void)snprintf(path, sizeof(path), "%s/nbd%d.0", rig->dir, pid);
	rig_set_back(rig, domid, dev, "physical-device-path", path);
	rig_set_back(rig, domid, dev, "hotplug-status", "connected");
}

void rig_unplug(struct rig *rig, unsigned domid, unsigned dev)
{
	rig_set_back(rig, domid, dev, "online", "0");
	rig_set_back(rig, domid, dev, "state", "5");
}

static void remove_up(struct rig *rig, char *path)
{
	assert_int_equal(xen_fake_remove(rig->fake, 0, path), 0);
	*strrchr(path, '/') = '\0';
	if (xen_fake_nodes(rig->fake, path) == 1)
		assert_int_equal(xen_fake_remove(rig->fake, 0, path), 0);
}

void rig_remove(struct rig *rig, unsigned domid, unsigned dev)
{
	char path[PATH];

	front_path(path, domid, dev);
	if (xen_fake_nodes(rig->fake, path))
		assert_int_equal(xen_fake_remove(rig->fake, 0, path), 0);
	back_path(rig, path, domid, dev);
	remove_up(rig, path);
}

void rig_ring(struct rig *rig, unsigned domid, unsigned dev, unsigned gref)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", gref);
	rig_set_front(rig, domid, dev, "ring-ref", text);
	rig_set_front(rig, domid, dev, "event-channel", "9");
	rig_front(rig, domid, dev, 3);
}

void rig_front(struct rig *rig, unsigned domid, unsigned dev, int state)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", state);
	rig_set_front(rig, domid, dev, "state", text);
}

void rig_connect(struct rig *rig, unsigned domid, unsigned dev, unsigned n)
{
	rig_create(rig, domid, dev, "w");
	rig_plug(rig, domid, dev, n);
	rig_run(rig);
	rig_ring(rig, domid, dev, 8 + domid);
	rig_run(rig);
	rig_front(rig, domid, dev, 4);
	rig_run(rig);
	assert_int_equal(rig_back(rig, domid, dev, "state"), 4);
}

long rig_back(struct rig *rig, unsigned domid, unsigned dev, const char *name)
{
	char path[PATH], full[PATH + 64];
	char *text;
	long n;

	(void)snprintf(full, sizeof(full), "%s/%s",
		       back_path(rig, path, domid, dev), name);
	text = xen_fake_read(rig->fake, 0, full);
	n = text ? strtol(text, NULL, 10) : -1;
	free(text);
	return n;
}

int rig_error(struct rig *rig, unsigned domid, unsigned dev)
{
	char path[PATH];
	char *text;
	int n;

	(void)snprintf(path, sizeof(path),
		       "/local/domain/%u/error/backend/%s/%u/%u/error",
		       rig->domid, rig->type, domid, dev);
	text = xen_fake_read(rig->fake, 0, path);
	n = text ? (int)strtol(text, NULL, 10) : 0;
	free(text);
	return n;
}
