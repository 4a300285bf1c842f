/* SPDX-License-Identifier: GPL-2.0-or-later */
/* live-world.c - a host with a running guest's disk on blkback, in a folder. */
#include "tests/lib/live-world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/xen.h"
#include "tests/lib/test.h"

#define BACK    "/local/domain/0/backend/vbd/1/51712"
#define FRONT   "/local/domain/1/device/vbd/51712"
#define DRIVER  "/sys/bus/xen-backend/devices/vbd-1-51712/driver"
#define VBD     "/sys/bus/xen-backend/drivers/vbd"
#define LOCK    "/run/xenio-vbd3.lock"
#define OLD_PID 300
#define SECTORS 2048
#define PAUSED  0x2a
#define CLOSED  0x2

/* --- files ---------------------------------------------------------------- */

static void path_of(struct world *w, char out[256], const char *path)
{
	assert_true(snprintf(out, 256, "%s%s", w->root, path) < 256);
}

static void make_folders(char *path)
{
	for (char *p = path + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		(void)mkdir(path, 0700); /* most are there */
		*p = '/';
	}
}

void world_file(struct world *w, const char *path, const char *text)
{
	char full[256];
	FILE *f;

	path_of(w, full, path);
	if (!text) {
		(void)unlink(full); /* it may be gone */
		return;
	}
	make_folders(full);
	f = fopen(full, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

void world_link(struct world *w, const char *path, const char *to)
{
	char full[256];

	path_of(w, full, path);
	make_folders(full);
	(void)unlink(full); /* it may be gone */
	if (to)
		assert_int_equal(symlink(to, full), 0);
}

bool world_bound(struct world *w)
{
	char full[256], to[64];

	path_of(w, full, DRIVER);
	return readlink(full, to, sizeof(to)) >= 0;
}

void world_xenio(struct world *w, bool runs)
{
	char full[256];

	if (w->lock >= 0)
		(void)close(w->lock); /* a lock, nothing more */
	w->lock = -1;
	if (!runs)
		return;
	world_file(w, LOCK, "");
	path_of(w, full, LOCK);
	w->lock = open(full, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(w->lock, LOCK_EX), 0);
}

/* --- nodes ---------------------------------------------------------------- */

static void node_path(char out[256], const char *name)
{
	bool front = !strncmp(name, "F/", 2);

	if (name[0] == '/')
		(void)snprintf(out, 256, "%s", name);
	else
		(void)snprintf(out, 256, "%s/%s", front ? FRONT : BACK,
			       name + (front ? 2 : 0));
}

void world_node(struct world *w, const char *name, const char *value)
{
	char path[256];

	node_path(path, name);
	if (value)
		(void)xen_fake_write(w->fake, 0, path, value);
	else
		(void)xen_fake_remove(w->fake, 0, path);
}

char *world_read(struct world *w, const char *name)
{
	char path[256];

	node_path(path, name);
	return xen_fake_read(w->fake, 0, path);
}

unsigned world_changes(struct world *w)
{
	return w->puts + w->starts + w->syncs +
	       xen_fake_count(w->fake, XEN_FAKE_WRITE) +
	       xen_fake_count(w->fake, XEN_FAKE_REMOVE);
}

/* --- the kernel ----------------------------------------------------------- */

static void set_state(struct world *w, int state)
{
	char text[8];

	(void)snprintf(text, sizeof(text), "%d", state);
	world_node(w, "state", text);
}

/* Of the kernel and of tapdisk: what fails once is not meant for them. */
static int bind_port(struct world *w)
{
	cleanup_free char *port = world_read(w, "F/event-channel");
	uint32_t n = port ? (uint32_t)strtoul(port, NULL, 10) : 0;
	int rc = w->env.xen->bind(w->env.xen, WORLD_DOM, n);

	return rc == -ENOMEM ? w->env.xen->bind(w->env.xen, WORLD_DOM, n) : rc;
}

static void unbind_port(struct world *w)
{
	if (w->bound_port > 0)
		(void)w->env.xen->unbind(w->env.xen, w->bound_port);
	w->bound_port = 0;
}

static void blkback_lets_go(struct world *w)
{
	w->drained_ms = 0;
	unbind_port(w);
}

static void count_writers(struct world *w)
{
	unsigned n = 0;

	if (w->kind != LIVE_TAPDEV && (world_bound(w) || w->drained_ms))
		n++;
	for (unsigned i = 0; i < WORLD_TAPS; i++)
		n += w->tap[i].tap.pid && w->tap[i].writable;
	if (n > w->writers_most)
		w->writers_most = n;
}

static void kernel_unbinds(struct world *w)
{
	world_link(w, DRIVER, NULL);
	if (w->unbind_state != 4)
		set_state(w, w->unbind_state);
	w->drained_ms = w->now_ms + w->drain_ms;
	if (!w->drain_ms)
		blkback_lets_go(w);
}

static void kernel_binds(struct world *w)
{
	int port = bind_port(w);

	world_link(w, DRIVER, "../../drivers/vbd");
	if (port > 0)
		w->bound_port = port;
	set_state(w, port > 0 ? w->bind_state : 5);
}

static int put(void *arg, const char *path, const char *text)
{
	struct world *w = arg;
	int rc = w->put_error;

	w->puts++;
	if (strstr(path, "/hold_seconds")) {
		world_file(w, path + strlen(w->root), text);
		return 0;
	}
	assert_string_equal(text, "vbd-1-51712");
	w->put_error = 0;
	if (rc)
		return rc;
	if (strstr(path, VBD "/unbind"))
		kernel_unbinds(w);
	else if (strstr(path, VBD "/bind"))
		kernel_binds(w);
	else
		fail_msg("a write to %s", path);
	count_writers(w);
	return 0;
}

static int sync_device(void *arg, const char *path)
{
	struct world *w = arg;

	assert_true(strstr(path, "/dev/loop0") || strstr(path, "/dev/sdb"));
	w->syncs++;
	return 0;
}

/* --- tapdisks ------------------------------------------------------------- */

struct world_tap *world_minor(struct world *w, int minor)
{
	for (unsigned i = 0; i < WORLD_TAPS; i++)
		if (w->tap[i].tap.pid && w->tap[i].tap.minor == minor)
			return &w->tap[i];
	return NULL;
}

struct world_tap *world_old(struct world *w)
{
	for (unsigned i = 0; i < WORLD_TAPS; i++)
		if (w->tap[i].tap.pid == OLD_PID)
			return &w->tap[i];
	return NULL;
}

struct world_tap *world_ours(struct world *w)
{
	for (unsigned i = 0; i < WORLD_TAPS; i++)
		if (w->tap[i].tap.pid && w->tap[i].tap.pid != OLD_PID)
			return &w->tap[i];
	return NULL;
}

static int find(void *arg, struct live_tap *tap)
{
	struct world *w = arg;
	struct world_tap *t = world_minor(w, tap->minor);

	if (t)
		*tap = t->tap;
	else
		tap->pid = -1;
	return 0;
}

int world_start(void *arg, struct live_tap *tap, struct err *err)
{
	struct world *w = arg;
	struct world_tap *t = &w->tap[0];

	w->starts++;
	if (w->start_error)
		return err_set(err, w->start_error, "no tapdisk");
	while (t->tap.pid)
		assert_true(++t < w->tap + WORLD_TAPS);
	*t = (struct world_tap){ .tap = { .pid = 400 + (int)w->starts,
					  .minor = 10 + (int)w->starts,
					  .state = CLOSED },
				 .attached = true };
	*tap = t->tap;
	return 0;
}

static int stop(void *arg, const struct live_tap *tap, struct err *err)
{
	struct world_tap *t = world_minor(arg, tap->minor);

	if (t && t->tap.spec[0])
		return err_set(err, -EBUSY, "it is open");
	if (t)
		t->tap.pid = 0;
	return 0;
}

static int open_image(struct world *w, struct world_tap *t,
		      const struct wire_msg *msg, struct err *err)
{
	const struct world_tap *old = world_old(w);

	if (t->tap.spec[0])
		return err_set(err, -EALREADY, "open already");
	if (old && old != t && old->writable)
		return err_set(err, -EBUSY, "in use");
	memcpy(t->tap.spec, msg->u.params.path, sizeof(t->tap.spec));
	t->tap.state = 0;
	t->writable = !(msg->u.params.flags & WIRE_RDONLY);
	return 0;
}

static int disconnect(struct world *w, struct world_tap *t, struct err *err)
{
	if (!t->ring)
		return err_set(err, -ENODEV, "no ring");
	t->ring = false;
	unbind_port(w);
	return 0;
}

static int obey(struct world *w, struct world_tap *t, struct wire_msg *msg,
		struct err *err)
{
	switch ((int)msg->type) {
	case WIRE_OPEN:
		return open_image(w, t, msg, err);
	case WIRE_CLOSE:
		assert_false(t->ring);
		t->tap.spec[0] = '\0';
		t->tap.state = CLOSED;
		t->writable = false;
		return 0;
	case WIRE_PAUSE:
		t->tap.state = PAUSED;
		t->writable = false;
		return 0;
	case WIRE_RESUME:
		t->tap.state = 0;
		t->writable = true;
		return 0;
	case WIRE_DISCONNECT:
		return disconnect(w, t, err);
	case WIRE_DISK_INFO:
		if (t->old)
			return err_set(err, -EINVAL, "no such message");
		msg->u.image.sectors = w->sectors;
		msg->u.image.sector_size = 512;
		return 0;
	default:
		fail_msg("message %d", (int)msg->type);
		return -EINVAL;
	}
}

static int ask(void *arg, const struct live_tap *tap, struct wire_msg *msg,
	       struct err *err)
{
	struct world *w = arg;
	struct world_tap *t = world_minor(w, tap->minor);
	int rc = w->fail[msg->type];

	if (msg->type == WIRE_ATTACH)
		return rc ? err_set(err, rc, "as it was told")
			  : world_attach(w, tap, err);
	if (!t)
		return err_set(err, -ENOENT, "no such tapdisk");
	/* What fails is the real opening, not the trial of it. */
	if (msg->type == WIRE_OPEN && (msg->u.params.flags & WIRE_RDONLY))
		rc = w->fail[0];
	else if (msg->type == WIRE_OPEN && !rc && !t->old)
		rc = w->fail_ours_open;
	if (rc)
		return err_set(err, rc, "as it was told");
	rc = obey(w, t, msg, err);
	count_writers(w);
	return rc;
}

/* --- xenio, and time ------------------------------------------------------ */

static void take_ring(struct world *w)
{
	struct world_tap *ours = world_ours(w);
	int port;

	if (w->refusal) {
		world_node(w, "xenio-status", w->refusal);
		return;
	}
	port = bind_port(w);
	assert_true(port > 0);
	assert_non_null(ours);
	assert_true(ours->writable);
	ours->ring = true;
	w->bound_port = port;
	world_node(w, "kthread-pid", "401");
	world_node(w, "xenio-status", "bound");
}

static void drop_ring(struct world *w)
{
	struct world_tap *ours = world_ours(w);

	if (ours && ours->ring)
		(void)disconnect(w, ours, NULL);
	world_node(w, "kthread-pid", NULL);
}

static void xenio_looks(struct world *w)
{
	cleanup_free char *owner = world_read(w, "xenio-owner");
	cleanup_free char *status = world_read(w, "xenio-status");

	if (w->lock < 0 || !owner || status)
		return;
	if (!strcmp(owner, "takeover"))
		take_ring(w);
	else if (!strcmp(owner, "serve"))
		world_node(w, "xenio-status", "active");
	else if (!strcmp(owner, "release")) {
		drop_ring(w);
		world_node(w, "xenio-status", "released");
	}
}

static uint64_t now_ms(void *arg)
{
	return ((struct world *)arg)->now_ms;
}

static void sleep_ms(void *arg, unsigned ms)
{
	struct world *w = arg;

	w->now_ms += ms;
	if (w->drained_ms && w->now_ms >= w->drained_ms)
		blkback_lets_go(w);
	xenio_looks(w);
}

/* --- life ----------------------------------------------------------------- */

static const struct live_ops ops = {
	.put = put,
	.sync = sync_device,
	.find = find,
	.start = world_start,
	.stop = stop,
	.who = world_who,
	.spawn = world_spawn,
	.kill = world_kill,
	.ask = ask,
	.now_ms = now_ms,
	.sleep_ms = sleep_ms,
};

static void make_nodes(struct world *w, enum live_kind kind)
{
	static const char *const nodes[][2] = {
		{ "frontend", FRONT },
		{ "online", "1" },
		{ "mode", "w" },
		{ "state", "4" },
		{ "sectors", "2048" },
		{ "sector-size", "512" },
		{ "feature-max-indirect-segments", "256" },
		{ "max-ring-page-order", "4" },
		{ "physical-device-path", "/dev/x" },
		{ "F/backend", BACK },
		{ "F/state", "4" },
		{ "F/protocol", "x86_64-abi" },
		{ "F/ring-ref", "8" },
	};
	char port[16];

	for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		world_node(w, nodes[i][0], nodes[i][1]);
	world_node(w, "physical-device",
		   kind == LIVE_LOOP  ? "7:0"
		   : kind == LIVE_RAW ? "8:10"
				      : "fc:3");
	(void)snprintf(port, sizeof(port), "%u",
		       xen_fake_port(w->fake, WORLD_DOM));
	world_node(w, "F/event-channel", port);
	w->bound_port = bind_port(w);
	assert_true(w->bound_port > 0);
}

static void make_files(struct world *w)
{
	world_file(w, "/proc/sys/kernel/osrelease", "6.1.0-1-amd64\n");
	world_file(w, "/proc/devices", "Block devices:\n252 tapdev\n");
	world_file(w, "/proc/mounts", "/dev/sda1 / ext4 rw 0 0\n");
	world_file(w, VBD "/bind", "");
	world_file(w, VBD "/unbind", "");
	world_link(w, DRIVER, "../../drivers/vbd");
	world_file(w, "/sys/block/loop0/loop/backing_file", "/disks/a\n");
	world_file(w, "/sys/block/loop0/loop/offset", "0\n");
	world_file(w, "/sys/block/loop0/size", "2048\n");
	world_file(w, "/sys/block/sdb/size", "2048\n");
	world_file(w, "/sys/block/tdd/size", "2048\n");
	world_link(w, "/sys/dev/block/7:0", "../../block/loop0");
	world_link(w, "/sys/dev/block/8:16", "../../block/sdb");
	world_link(w, "/sys/dev/block/252:3", "../../block/tdd");
}

void world_new(struct world *w, enum live_kind kind)
{
	memset(w, 0, sizeof(*w));
	(void)snprintf(w->root, sizeof(w->root), "/tmp/live.XXXXXX");
	assert_non_null(mkdtemp(w->root));
	w->kind = kind;
	w->lock = -1;
	w->sectors = SECTORS;
	w->unbind_state = w->bind_state = 4;
	w->now_ms = 1000;
	w->fake = xen_fake_new();
	xen_fake_domain(w->fake, WORLD_DOM, 4);
	w->env = (struct live_env){ .root = w->root,
				    .xen = xen_fake_xen(w->fake),
				    .ops = &ops,
				    .arg = w };
	make_nodes(w, kind);
	make_files(w);
	world_xenio(w, true);
	if (kind == LIVE_TAPDEV)
		w->tap[0] = (struct world_tap){
			.tap = { .pid = OLD_PID,
				 .minor = 3,
				 .spec = "vhd:/disks/a.vhd" },
			.attached = true,
			.writable = true,
			.old = true,
		};
}

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void world_free(struct world *w)
{
	world_xenio(w, false);
	(void)nftw(w->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	xen_fake_free(w->fake);
}
