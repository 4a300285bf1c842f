/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenio-host.c - the xenio daemon between a toolstack, guests and tapdisks.
 */
#include "tests/lib/xenio-host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
	if (getenv("HOST_LOG"))
		(void)fprintf(stderr, "# %s\n", line);
}

int host_setup(void **state)
{
	struct host *host = calloc(1, sizeof(*host));

	assert_non_null(host);
	host->type = "vbd3";
	host->limit_order = XENBUS_ORDER_MAX;
	host->only = SUPERVISE_ANY;
	(void)snprintf(host->dir, sizeof(host->dir), "/tmp/xenio-unit-XXXXXX");
	assert_non_null(mkdtemp(host->dir));
	assert_int_equal(loop_new(&host->loop, NULL), 0);
	host->now_ns = 1000000000;
	loop_set_now_ns(host->loop, host->now_ns);
	host->fake = xen_fake_new();
	log_set(no_log);
	if (getenv("HOST_LOG"))
		log_debug_topics("all");
	host_start(host);
	host_run(host);
	*state = host;
	return 0;
}

int host_teardown(void **state)
{
	struct host *host = *state;

	host_stop(host);
	for (unsigned i = 0; i < HOST_TAPDISKS; i++)
		stub_free(host->tap[i]);
	xen_fake_free(host->fake);
	loop_free(host->loop);
	(void)rmdir(host->dir);
	log_set(NULL);
	free(host);
	return 0;
}

void host_start(struct host *host)
{
	const struct supervise_options opt = {
		.env = {
			.loop = host->loop,
			.xen = xen_fake_xen(host->fake),
			.domid = host->domid,
			.control_dir = host->dir,
			.timeout_ms = HOST_TIMEOUT,
			.limits = { host->limit_order, 4 },
			.max_segs = 256,
			.barrier = true,
			.persistent = host->persistent,
			.kernel_dir = host->dir,
			.opener = host->opener,
		},
		.types = { "vbd3", "xenio", "vbd" },
		.ntypes = 3,
		.marked = { [2] = !host->opener },
		.only = host->only,
	};

	assert_int_equal(supervise_new(&host->sv, &opt, NULL), 0);
}

void host_stop(struct host *host)
{
	supervise_free(host->sv);
	host->sv = NULL;
}

void host_pass(struct host *host, unsigned ms)
{
	for (unsigned done = 0; done < ms; done += STEP) {
		for (int i = 0; i < 100 && loop_turn(host->loop); i++)
			;
		host->now_ns += STEP * 1000000ull;
		loop_set_now_ns(host->loop, host->now_ns);
	}
}

void host_run(struct host *host)
{
	host_pass(host, 300);
}

struct stub *host_tapdisk(struct host *host, unsigned n)
{
	if (!host->tap[n])
		host->tap[n] = stub_new(host->loop, host->dir);
	return host->tap[n];
}

static const char *back_path(const struct host *host, char out[PATH],
			     unsigned domid, unsigned dev)
{
	(void)snprintf(out, PATH, "/local/domain/%u/backend/%s/%u/%u",
		       host->domid, host->type, domid, dev);
	return out;
}

static const char *front_path(char out[PATH], unsigned domid, unsigned dev)
{
	(void)snprintf(out, PATH, "/local/domain/%u/device/vbd/%u", domid, dev);
	return out;
}

static void set(struct host *host, unsigned domid, const char *dir,
		const char *name, const char *value)
{
	char path[PATH + 64];
	int rc;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	rc = value ? xen_fake_write(host->fake, domid, path, value)
		   : xen_fake_remove(host->fake, domid, path);
	assert_int_equal(rc, 0);
}

void host_set_back(struct host *host, unsigned domid, unsigned dev,
		   const char *name, const char *value)
{
	char path[PATH];

	set(host, 0, back_path(host, path, domid, dev), name, value);
}

void host_set_front(struct host *host, unsigned domid, unsigned dev,
		    const char *name, const char *value)
{
	char path[PATH];

	set(host, domid, front_path(path, domid, dev), name, value);
}

void host_create(struct host *host, unsigned domid, unsigned dev,
		 const char *mode)
{
	char back[PATH], front[PATH], text[16];

	if (domid && !host->known[domid])
		xen_fake_domain(host->fake, domid, 1);
	host->known[domid] = true;
	back_path(host, back, domid, dev);
	front_path(front, domid, dev);
	assert_int_equal(xen_fake_write(host->fake, 0, front, ""), 0);
	xen_fake_perms(host->fake, front, domid, 0);
	assert_int_equal(xen_fake_write(host->fake, 0, back, ""), 0);
	xen_fake_perms(host->fake, back, host->domid, (int)domid);
	(void)snprintf(text, sizeof(text), "%u", domid);
	set(host, 0, back, "frontend", front);
	set(host, 0, back, "frontend-id", text);
	set(host, 0, back, "online", "1");
	set(host, 0, back, "mode", mode);
	set(host, 0, back, "device-type", "disk");
	set(host, 0, back, "state", "1");
	set(host, 0, front, "backend", back);
	set(host, 0, front, "protocol", "x86_64-abi");
	set(host, 0, front, "state", "1");
}

void host_plug(struct host *host, unsigned domid, unsigned dev, unsigned n)
{
	char path[PATH];
	int pid = (int)stub_pid(host_tapdisk(host, n));

	(void)snprintf(path, sizeof(path), "%s/nbd%d.0", host->dir, pid);
	host_set_back(host, domid, dev, "physical-device-path", path);
	host_set_back(host, domid, dev, "hotplug-status", "connected");
}

void host_drive(struct host *host, unsigned domid, unsigned dev, bool on)
{
	char dir[PATH], path[PATH + 8];

	(void)snprintf(dir, sizeof(dir), "%s/vbd-%u-%u", host->dir, domid, dev);
	(void)snprintf(path, sizeof(path), "%s/driver", dir);
	if (on) {
		assert_int_equal(mkdir(dir, 0700), 0);
		assert_int_equal(mkdir(path, 0700), 0);
	} else {
		assert_int_equal(rmdir(path), 0);
		assert_int_equal(rmdir(dir), 0);
	}
}

void host_unplug(struct host *host, unsigned domid, unsigned dev)
{
	host_set_back(host, domid, dev, "online", "0");
	host_set_back(host, domid, dev, "state", "5");
}

static void remove_up(struct host *host, char *path)
{
	assert_int_equal(xen_fake_remove(host->fake, 0, path), 0);
	*strrchr(path, '/') = '\0';
	if (xen_fake_nodes(host->fake, path) == 1)
		assert_int_equal(xen_fake_remove(host->fake, 0, path), 0);
}

void host_remove(struct host *host, unsigned domid, unsigned dev)
{
	char path[PATH];

	front_path(path, domid, dev);
	if (xen_fake_nodes(host->fake, path))
		assert_int_equal(xen_fake_remove(host->fake, 0, path), 0);
	back_path(host, path, domid, dev);
	remove_up(host, path);
}

void host_ring(struct host *host, unsigned domid, unsigned dev, unsigned gref)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", gref);
	host_set_front(host, domid, dev, "ring-ref", text);
	host_set_front(host, domid, dev, "event-channel", "9");
	host_front(host, domid, dev, 3);
}

void host_front(struct host *host, unsigned domid, unsigned dev, int state)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", state);
	host_set_front(host, domid, dev, "state", text);
}

void host_connect(struct host *host, unsigned domid, unsigned dev, unsigned n)
{
	host_create(host, domid, dev, "w");
	host_plug(host, domid, dev, n);
	host_run(host);
	host_ring(host, domid, dev, 8 + domid);
	host_run(host);
	host_front(host, domid, dev, 4);
	host_run(host);
	assert_int_equal(host_back(host, domid, dev, "state"), 4);
}

long host_back(struct host *host, unsigned domid, unsigned dev,
	       const char *name)
{
	char path[PATH], full[PATH + 64];
	char *text;
	long n;

	(void)snprintf(full, sizeof(full), "%s/%s",
		       back_path(host, path, domid, dev), name);
	text = xen_fake_read(host->fake, 0, full);
	n = text ? strtol(text, NULL, 10) : -1;
	free(text);
	return n;
}

bool host_says(struct host *host, unsigned domid, unsigned dev,
	       const char *name, const char *value)
{
	char path[PATH], full[PATH + 64];
	char *text;
	bool same;

	(void)snprintf(full, sizeof(full), "%s/%s",
		       back_path(host, path, domid, dev), name);
	text = xen_fake_read(host->fake, 0, full);
	same = text && strncmp(text, value, strlen(value)) == 0;
	if (!same)
		print_error("%s: %s\n", name, text ? text : "none");
	free(text);
	return same;
}

int host_error(struct host *host, unsigned domid, unsigned dev)
{
	char path[PATH];
	char *text;
	int n;

	(void)snprintf(path, sizeof(path),
		       "/local/domain/%u/error/backend/%s/%u/%u/error",
		       host->domid, host->type, domid, dev);
	text = xen_fake_read(host->fake, 0, path);
	n = text ? (int)strtol(text, NULL, 10) : 0;
	free(text);
	return n;
}
