/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics.c - counters in shared memory, for the host's collectors.
 *
 * An end-of-turn hook sees whether a disk did anything; the first time arms a
 * timer, and the timer fills the files. So an idle process is not woken, and
 * a busy one fills them ten times a second.
 */
#include "tapdisk/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/err.h"
#include "lib/list.h"
#include "lib/loop.h"
#include "tapdisk/channel.h"
#include "tapdisk/metrics-ring.h"
#include "tapdisk/vbd.h"
#include "xenio/ring.h"

#define SHM       "/dev/shm"
#define PAGE      4096
#define PERIOD_NS 100000000u
#define RING_NS   UINT64_C(5000000000)

/* Of td3-<pid>/: 96 bytes. */
struct td3 {
	uint32_t version;
	uint32_t pad;
	uint64_t oo_reqs;
	struct {
		uint64_t submitted;
		uint64_t completed;
		uint64_t sectors;
		uint64_t usecs;
	} dir[2]; /* read, write */
	uint64_t io_errors;
	uint64_t flags;
};

_Static_assert(sizeof(struct td3) == 96, "collectors know this size");

/* Of vbd3-<domid>-<devid>/statistics: 14 numbers. */
struct vbd3 {
	uint64_t ds_req;
	uint64_t f_req;
	uint64_t oo_req;
	struct {
		uint64_t req;
		uint64_t cnt;
		uint64_t sect;
		uint64_t sum_usecs;
		uint64_t max_usecs;
	} dir[2];
	uint64_t flags;
};

_Static_assert(sizeof(struct vbd3) == 14 * 8, "collectors know this size");

struct page {
	char path[TAPCTL_PATH];
	bool made;
	int fd;
	void *mem;
};

/* A sum over channels that come and go, and yet never sinks. */
struct sum {
	struct vbd_counters gone;
	struct vbd_counters live;
};

struct guest {
	struct list link;
	uint32_t domid;
	uint32_t devid;
	char prefix[40];
	char dir[TAPCTL_PATH];
	struct page vbd;
	struct page statistics;
	struct metrics_ring io_ring;
	struct sum sum;
};

struct metrics_disk {
	struct list link;
	struct metrics *m;
	struct vbd *vbd;
	struct page vdi;
	struct page nbd;
	struct page nbd_old;
	struct sum nbd_sum;
	struct list guests;
	uint64_t seen; /* requests, when it was last filled */
};

struct metrics {
	struct loop *loop;
	struct hook hook;
	struct timer timer;
	struct timer ring_timer;
	char shm[TAPCTL_PATH];
	pid_t pid;
	char dir[TAPCTL_PATH];
	struct list disks;
};

static void page_close(struct page *page)
{
	struct stat ours, there;

	if (page->mem)
		(void)munmap(page->mem, PAGE); /* our own mapping */
	if (page->made) {
		/* A guest's may have become another process's. */
		if (!fstat(page->fd, &ours) && !lstat(page->path, &there) &&
		    ours.st_ino == there.st_ino)
			(void)unlink(page->path); /* another may have */
		(void)close(page->fd);            /* unlocks it */
	}
	memset(page, 0, sizeof(*page));
}

/* The lock says that a process lives which fills it. */
static int page_open(struct page *page, struct err *err)
{
	void *mem;

	(void)unlink(page->path); /* of a dead process, or none */
	page->fd =
		open(page->path,
		     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (page->fd < 0)
		return err_sys(err, "%s", page->path);
	page->made = true;
	if (ftruncate(page->fd, PAGE) < 0 || flock(page->fd, LOCK_SH) < 0)
		return err_sys(err, "%s", page->path);
	mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, page->fd, 0);
	if (mem == MAP_FAILED)
		return err_sys(err, "%s", page->path);
	page->mem = mem;
	return 0;
}

static void add(struct vbd_counters *to, const struct vbd_counters *c)
{
	for (int i = 0; i < 2; i++) {
		to->submitted[i] += c->submitted[i];
		to->completed[i] += c->completed[i];
		to->sectors[i] += c->sectors[i];
		to->usecs[i] += c->usecs[i];
		if (to->max_usecs[i] < c->max_usecs[i])
			to->max_usecs[i] = c->max_usecs[i];
	}
	to->flushes += c->flushes;
	to->discards += c->discards;
	to->errors += c->errors;
}

/* When a channel has left, what it had counted stays. */
static void sum_up(struct sum *sum, struct vbd *vbd, const char *prefix,
		   struct vbd_counters *out)
{
	struct vbd_counters live = { 0 };
	struct list *pos, *next;
	struct channel *ch;

	list_for_each (vbd_channels(vbd), pos, next) {
		ch = channel_of(pos);
		if (!strncmp(ch->name, prefix, strlen(prefix)))
			add(&live, channel_counters(ch));
	}
	if (live.submitted[0] < sum->live.submitted[0] ||
	    live.submitted[1] < sum->live.submitted[1])
		add(&sum->gone, &sum->live);
	sum->live = live;
	*out = sum->gone;
	add(out, &live);
}

static void fill_td3(const struct page *page, const struct vbd_counters *c)
{
	struct td3 *td3 = page->mem;

	if (!td3)
		return;
	for (int i = 0; i < 2; i++) {
		td3->dir[i].submitted = c->submitted[i];
		td3->dir[i].completed = c->completed[i];
		td3->dir[i].sectors = c->sectors[i];
		td3->dir[i].usecs = c->usecs[i];
	}
	td3->io_errors = c->errors;
}

static void fill_vbd3(const struct page *page, const struct vbd_counters *c)
{
	struct vbd3 *v = page->mem;

	if (!v)
		return;
	v->ds_req = c->discards;
	v->f_req = c->flushes;
	for (int i = 0; i < 2; i++) {
		v->dir[i].req = c->submitted[i];
		v->dir[i].cnt = c->completed[i];
		v->dir[i].sect = c->sectors[i];
		v->dir[i].sum_usecs = c->usecs[i];
		v->dir[i].max_usecs = c->max_usecs[i];
	}
}

static uint64_t activity(struct vbd *vbd)
{
	const struct vbd_counters *c = vbd_counters(vbd);

	return c->submitted[0] + c->submitted[1] + c->completed[0] +
	       c->completed[1] + c->flushes + c->discards + c->errors;
}

static void update_disk(struct metrics_disk *disk)
{
	struct vbd_counters c;
	struct list *pos, *next;
	struct guest *g;

	disk->seen = activity(disk->vbd);
	fill_td3(&disk->vdi, vbd_counters(disk->vbd));
	sum_up(&disk->nbd_sum, disk->vbd, "nbd:", &c);
	fill_td3(&disk->nbd, &c);
	list_for_each (&disk->guests, pos, next) {
		g = container_of(pos, struct guest, link);
		sum_up(&g->sum, disk->vbd, g->prefix, &c);
		fill_td3(&g->vbd, &c);
		fill_vbd3(&g->statistics, &c);
	}
}

static void update(struct metrics *m)
{
	struct list *pos, *next;

	list_for_each (&m->disks, pos, next)
		update_disk(container_of(pos, struct metrics_disk, link));
}

/* The first of its rings; the text has no place for more. */
static void update_ring(const struct guest *g, struct vbd *vbd)
{
	struct ring_indices at;
	struct list *pos, *next;
	struct channel *ch;

	list_for_each (vbd_channels(vbd), pos, next) {
		ch = channel_of(pos);
		if (!ch->tr->indices ||
		    strncmp(ch->name, g->prefix, strlen(g->prefix)) != 0)
			continue;
		ch->tr->indices(ch, &at);
		metrics_ring_write(&g->io_ring, &at);
		return;
	}
}

static void update_rings(struct timer *t)
{
	struct metrics *m = container_of(t, struct metrics, ring_timer);
	struct metrics_disk *disk;
	struct list *pos, *next, *p, *n;

	list_for_each (&m->disks, pos, next) {
		disk = container_of(pos, struct metrics_disk, link);
		list_for_each (&disk->guests, p, n)
			update_ring(container_of(p, struct guest, link),
				    disk->vbd);
	}
}

static void fire(struct timer *t)
{
	update(container_of(t, struct metrics, timer));
}

static void end_of_turn(struct hook *h)
{
	struct metrics *m = container_of(h, struct metrics, hook);
	struct metrics_disk *disk;
	struct list *pos, *next;

	if (list_linked(&m->timer.link))
		return;
	list_for_each (&m->disks, pos, next) {
		disk = container_of(pos, struct metrics_disk, link);
		if (disk->seen != activity(disk->vbd)) {
			loop_timer(m->loop, &m->timer, PERIOD_NS);
			if (!list_linked(&m->ring_timer.link))
				loop_timer(m->loop, &m->ring_timer, RING_NS);
			return;
		}
	}
}

int metrics_new(struct metrics **out, struct loop *loop, const char *shm,
		pid_t pid, struct err *err)
{
	struct metrics *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return err_set(err, -ENOMEM, "metrics: no memory");
	m->loop = loop;
	m->pid = pid;
	m->hook.run = end_of_turn;
	m->timer.fire = fire;
	m->ring_timer.fire = update_rings;
	list_init(&m->timer.link);
	list_init(&m->ring_timer.link);
	list_init(&m->disks);
	(void)snprintf(m->shm, sizeof(m->shm), "%s", shm ? shm : SHM);
	(void)tapctl_path(m->dir, m->shm, "td3-%d", (int)pid); /* it fits */
	if (mkdir(m->dir, 0700) < 0 && errno != EEXIST) {
		rc = err_sys(err, "%s", m->dir);
		free(m);
		return rc;
	}
	loop_hook(loop, &m->hook);
	*out = m;
	return 0;
}

void metrics_free(struct metrics *m)
{
	struct list *pos, *next;

	if (!m)
		return;
	list_for_each (&m->disks, pos, next)
		metrics_remove_disk(
			container_of(pos, struct metrics_disk, link));
	loop_unhook(&m->hook);
	loop_untimer(&m->timer);
	loop_untimer(&m->ring_timer);
	(void)rmdir(m->dir); /* another may have */
	free(m);
}

int metrics_add_disk(struct metrics_disk **out, struct metrics *m,
		     struct vbd *vbd, struct err *err)
{
	unsigned minor = vbd_minor(vbd);
	struct metrics_disk *disk;
	int rc;

	*out = NULL;
	if (!m)
		return 0;
	disk = calloc(1, sizeof(*disk));
	if (!disk)
		return err_set(err, -ENOMEM, "metrics: no memory");
	list_init(&disk->guests);
	list_add_tail(&m->disks, &disk->link);
	disk->m = m;
	disk->vbd = vbd;
	(void)tapctl_path(disk->vdi.path, m->dir, "vdi-%u", minor);
	(void)tapctl_path(disk->nbd.path, m->dir, "nbd-%u", minor);
	(void)tapctl_path(disk->nbd_old.path, m->dir, "nbd-old-%u", minor);
	rc = page_open(&disk->vdi, err);
	if (!rc)
		rc = page_open(&disk->nbd, err);
	if (!rc)
		rc = page_open(&disk->nbd_old, err);
	if (rc < 0) {
		metrics_remove_disk(disk);
		return rc;
	}
	*out = disk;
	return 0;
}

static void guest_free(struct guest *g)
{
	page_close(&g->vbd);
	page_close(&g->statistics);
	metrics_ring_close(&g->io_ring);
	if (g->dir[0])
		(void)rmdir(g->dir); /* another's files may be in it */
	list_del(&g->link);
	free(g);
}

void metrics_remove_disk(struct metrics_disk *disk)
{
	struct list *pos, *next;

	if (!disk)
		return;
	list_for_each (&disk->guests, pos, next)
		guest_free(container_of(pos, struct guest, link));
	page_close(&disk->vdi);
	page_close(&disk->nbd);
	page_close(&disk->nbd_old);
	list_del(&disk->link);
	free(disk);
}

static struct guest *find_guest(struct metrics_disk *disk, uint32_t domid,
				uint32_t devid)
{
	struct list *pos, *next;
	struct guest *g;

	list_for_each (&disk->guests, pos, next) {
		g = container_of(pos, struct guest, link);
		if (g->domid == domid && g->devid == devid)
			return g;
	}
	return NULL;
}

int metrics_add_guest(struct metrics_disk *disk, uint32_t domid, uint32_t devid,
		      struct err *err)
{
	struct guest *g;
	int rc;

	if (!disk || find_guest(disk, domid, devid))
		return 0;
	g = calloc(1, sizeof(*g));
	if (!g)
		return err_set(err, -ENOMEM, "metrics: no memory");
	list_add_tail(&disk->guests, &g->link);
	g->domid = domid;
	g->devid = devid;
	(void)snprintf(g->prefix, sizeof(g->prefix), "xenio:%u/%u.", domid,
		       devid); /* it fits */
	(void)tapctl_path(g->dir, disk->m->shm, "vbd3-%u-%u", domid, devid);
	if (mkdir(g->dir, 0700) < 0 && errno != EEXIST) {
		rc = err_sys(err, "%s", g->dir);
		guest_free(g);
		return rc;
	}
	(void)tapctl_path(g->vbd.path, disk->m->dir, "vbd-%u-%u", domid, devid);
	(void)tapctl_path(g->statistics.path, g->dir, "statistics");
	rc = page_open(&g->vbd, err);
	if (!rc)
		rc = page_open(&g->statistics, err);
	if (!rc)
		rc = metrics_ring_open(&g->io_ring, g->dir, err);
	if (rc < 0) {
		guest_free(g);
		return rc;
	}
	((struct td3 *)g->vbd.mem)->version = 1;
	update_ring(g, disk->vbd);
	return 0;
}

void metrics_remove_guest(struct metrics_disk *disk, uint32_t domid,
			  uint32_t devid)
{
	struct guest *g = disk ? find_guest(disk, domid, devid) : NULL;

	if (g)
		guest_free(g);
}
