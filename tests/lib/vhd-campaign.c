/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhd-campaign.c - power cuts and full disks under a change of images. */
#include "tests/lib/vhd-campaign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "tests/lib/test.h"
#include "vhd/format.h"

#define NONE    UINT32_MAX
#define NOW     (VHD_EPOCH + 100000)
#define SECTORS VHD_CAMPAIGN_SECTORS
#define BYTES   (SECTORS * 512)

struct trial {
	const struct vhd_campaign *s;
	struct vhd_mem before;
	struct vhd_mem log; /* the change, and what came of it */
	uint8_t content[BYTES];
	uint8_t after[BYTES];
	uint8_t old[BYTES]; /* of what was made over */
};

/* Images, in the order in which a parent is repaired before its child. */
static const char *const names[] = { "a", "longer", "b" };

int vhd_campaign_change(struct vhd_mem *m, const char *name,
			int (*fn)(struct vhd *vhd))
{
	struct vhd_io *io;
	struct vhd *vhd = vhd_kit_open(m, name, &io);
	int rc = vhd ? fn(vhd) : -EINVAL;

	vhd_kit_close(vhd, io);
	return rc;
}

static int mend(struct vhd *vhd)
{
	return vhd_repair(vhd, NULL, NULL);
}

/* What a storage manager does when it finds a journal. */
static void go_back(struct vhd_mem *m)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct vhd_io *io = vhd_mem_open(m, names[i]), *j;
		struct vhd *vhd = NULL;

		if (vhd_mem_file(m, names[i])->size &&
		    vhd_open(&vhd, io, false, NULL)) {
			j = vhd_mem_open(m, "j");
			assert_int_equal(vhd_revert(io, j, NULL), 0);
			j->close(j);
		}
		vhd_kit_close(vhd, io);
	}
}

/* A plain disk among the names is not for us to check. */
static bool is_image(struct vhd_mem *m, const char *name)
{
	struct vhd_mem_file *f = vhd_mem_file(m, name);

	return f->size && memcmp(f->data, "raw", 3) != 0;
}

static const char *whole(struct vhd_mem *m, const char *name, unsigned flags,
			 bool strict)
{
	static struct err err;

	if (!vhd_check(&m->files, name, flags, NOW, &err))
		return NULL;
	if (strict)
		return err.msg;
	/* Its parent may be the one that is to be repaired. */
	if (is_image(m, "a"))
		(void)vhd_campaign_change(m, "a", mend);
	(void)vhd_campaign_change(m, name, mend);
	return vhd_check(&m->files, name, flags, NOW, &err) ? err.msg : NULL;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return !*p && !memcmp(p, p + 1, len - 1);
}

static bool holds(const struct trial *t, const uint8_t *now)
{
	return !memcmp(now, t->content, BYTES) || !memcmp(now, t->after, BYTES);
}

/* Each sector is there, or is not yet. */
static bool holds_part(const struct trial *t, const uint8_t *now)
{
	for (size_t i = 0; i < BYTES; i += 512) {
		if (!is_zero(now + i, 512) &&
		    memcmp(now + i, t->content + i, 512) != 0)
			return false;
	}
	return true;
}

/* What was being made: nothing, the old image as it was, or the new one. */
static const char *judge_made(const struct trial *t, struct vhd_mem *m)
{
	const char *made = t->s->made;
	uint8_t now[BYTES];
	struct vhd_io *io;
	struct vhd *vhd = vhd_kit_open(m, made, &io);

	vhd_kit_close(vhd, io);
	if (!vhd)
		return NULL;
	if (!vhd_kit_read(m, made, now, SECTORS))
		return "what was made has no parent";
	if (!is_zero(now, BYTES) && memcmp(now, t->old, BYTES) &&
	    !holds(t, now) && !(t->s->partial && holds_part(t, now)))
		return "neither the old image nor the new";
	/* A bitmap that was to come later has data beside it. */
	return whole(m, made, t->s->partial ? 0 : VHD_CHECK_BITMAPS, false);
}

static const char *judge(const struct trial *t, struct vhd_mem *m, bool strict)
{
	const struct vhd_campaign *s = t->s;
	uint8_t now[BYTES];
	const char *why = NULL;

	go_back(m);
	if (s->leaf && !vhd_kit_read(m, s->leaf, now, SECTORS))
		return "the chain does not open";
	if (s->leaf && !holds(t, now))
		return "the content changed";
	for (unsigned i = 0; !why && i < sizeof(names) / sizeof(*names); i++) {
		if (is_image(m, names[i]) && !s->loose)
			why = whole(m, names[i], VHD_CHECK_BITMAPS, strict);
	}
	if (!why && s->made)
		why = judge_made(t, m);
	if (!why && s->always)
		why = s->always(m);
	if (why)
		return why;
	if (s->leaf &&
	    (!vhd_kit_read(m, s->leaf, now, SECTORS) || !holds(t, now)))
		return "the repair changed the content";
	return NULL;
}

static void fail_at(const struct trial *t, const char *what, unsigned n,
		    unsigned skip, const char *why)
{
	print_message("%s: %s %u (without %d): %s\n", t->s->name, what, n,
		      (int)skip, why);
	fail();
}

static int run(const struct vhd_campaign *s, struct vhd_mem *m)
{
	return s->run ? s->run(m) : vhd_campaign_change(m, s->on, s->fn);
}

static unsigned cut(const struct trial *t, unsigned n, unsigned skip)
{
	struct vhd_mem m;
	const char *why;

	vhd_mem_replay(&m, &t->before, &t->log, n, skip);
	why = judge(t, &m, t->s->strict && skip == NONE);
	vhd_mem_free(&m);
	if (why)
		fail_at(t, "cut after", n, skip, why);
	return 1;
}

static unsigned all_cuts(const struct trial *t)
{
	unsigned tried = 0, synced = 0;

	for (unsigned n = 0; n <= t->log.n; n++) {
		tried += cut(t, n, NONE);
		for (unsigned i = synced; i + 1 < n; i++) {
			if (t->log.op[i].what != MEM_SYNC)
				tried += cut(t, n, i);
		}
		if (n < t->log.n && t->log.op[n].what == MEM_SYNC)
			synced = n + 1;
	}
	return tried;
}

static unsigned all_fulls(const struct trial *t, bool on)
{
	unsigned tried = 0;
	const char *why;
	struct vhd_mem m;
	int rc;

	do {
		vhd_mem_copy(&m, &t->before);
		vhd_mem_fail(&m, ++tried, -ENOSPC, on);
		rc = run(t->s, &m);
		vhd_mem_fail(&m, 0, 0, false);
		why = judge(t, &m, t->s->strict && !on);
		vhd_mem_free(&m);
		if (why)
			fail_at(t, on ? "full from" : "no room for", tried, 0,
				why);
	} while (rc);
	return tried;
}

/* What there was, and is when nothing goes wrong. */
static void record(struct trial *t)
{
	const struct vhd_campaign *s = t->s;
	const char *why;
	bool known;

	vhd_mem_init(&t->before);
	s->prepare(&t->before);
	known = s->leaf &&
		vhd_kit_read(&t->before, s->leaf, t->content, SECTORS);
	if (s->made)
		(void)vhd_kit_read(&t->before, s->made, t->old, SECTORS);
	vhd_mem_copy(&t->log, &t->before);
	t->log.record = true;
	assert_int_equal(run(s, &t->log), 0);
	t->log.record = false;
	if (s->leaf)
		assert_true(vhd_kit_read(&t->log, s->leaf, t->after, SECTORS));
	/* Amid a change it does not open before. */
	if (!known)
		memcpy(t->content, t->after, BYTES);
	why = s->judge ? s->judge(&t->log, t->content) : NULL;
	if (why)
		fail_at(t, "when done", t->log.n, 0, why);
}

void vhd_campaign(const struct vhd_campaign *s)
{
	struct trial *t = calloc(1, sizeof(*t));
	unsigned cuts, fulls;

	assert_non_null(t);
	t->s = s;
	record(t);
	cuts = all_cuts(t);
	fulls = all_fulls(t, false) + all_fulls(t, true);
	print_message("# %s: %u cut points, %u full disks\n", s->name, cuts,
		      fulls);
	vhd_mem_free(&t->log);
	vhd_mem_free(&t->before);
	free(t);
}
