/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worlds.c - which way the same disk line takes in which Xen version.
 */
#include "migrate/worlds.h"

#include <stddef.h>
#include <string.h>

struct ask {
	const struct conf_disk *disk;
	const struct worlds_host *host;
	const char *why;
};

static bool same(const char *a, const char *b)
{
	return a && !strcmp(a, b);
}

/* The chain of words before the path begins with these. */
static bool begins(const struct ask *ask, const char *words)
{
	const char *prefix = ask->disk->prefix;

	return prefix && !strncmp(prefix, words, strlen(words));
}

static bool is_tap(const struct ask *ask)
{
	return begins(ask, "tap:") || begins(ask, "tap2:");
}

static bool is_type(const struct ask *ask, const char *type)
{
	return same(ask->disk->type, type);
}

static bool is_qcow(const struct ask *ask)
{
	return is_type(ask, "qcow") || is_type(ask, "qcow2");
}

static enum worlds_path because(struct ask *ask, enum worlds_path path,
				const char *why)
{
	ask->why = why;
	return path;
}

static enum worlds_path if_module(struct ask *ask, enum worlds_path otherwise)
{
	if (ask->host->module)
		return WORLDS_TAPDISK;
	return because(ask, otherwise, "the blktap2 module is not loaded");
}

static enum worlds_path xend(struct ask *ask)
{
	const struct conf_disk *d = ask->disk;

	if (is_type(ask, "vhd") && !d->backendtype && !d->script)
		return WORLDS_TAPDISK;
	if (!d->prefix || !*d->prefix || d->backendtype || d->script)
		return because(ask, WORLDS_NONE, "xend has no such form");
	if (begins(ask, "phy:"))
		return WORLDS_BLKBACK;
	if (begins(ask, "file:"))
		return WORLDS_LOOP;
	if (begins(ask, "tap2:") || begins(ask, "tap:tapdisk:") ||
	    (is_tap(ask) && is_type(ask, "qcow")))
		return WORLDS_TAPDISK;
	return begins(ask, "tap:") ? WORLDS_BLKTAP1 : WORLDS_ERROR;
}

/* The prefix decides. */
static enum worlds_path xl_4_1(struct ask *ask)
{
	const struct conf_disk *d = ask->disk;

	if (!d->prefix || !*d->prefix || d->backendtype || d->script)
		return because(ask, WORLDS_NONE, "xl 4.1 has no such form");
	if (begins(ask, "phy:"))
		return WORLDS_BLKBACK;
	if (begins(ask, "file:"))
		return if_module(ask, WORLDS_QEMU);
	if (!is_tap(ask) || begins(ask, "tap:tapdisk:") ||
	    begins(ask, "tap:ioemu:"))
		return because(ask, WORLDS_ERROR, "xl 4.1 refuses this prefix");
	if (is_qcow(ask))
		return WORLDS_QEMU;
	if (is_type(ask, "raw") || is_type(ask, "vhd"))
		return if_module(ask, WORLDS_QEMU);
	return because(ask, WORLDS_ERROR, "xl 4.1 does not know the type");
}

static enum worlds_path written_tap(struct ask *ask, enum worlds_world world)
{
	if (!is_type(ask, "raw") && !is_type(ask, "vhd")) {
		if (ask->host->libvirt)
			return WORLDS_QEMU;
		return because(ask, WORLDS_ERROR,
			       "libxl's tap takes raw and vhd alone");
	}
	if (world >= WORLDS_4_19)
		return ask->host->hvm && ask->disk->cdrom
			       ? because(ask, WORLDS_ERROR,
					 "no tap for a cdrom of HVM")
			       : WORLDS_RING;
	if (world >= WORLDS_4_13)
		return because(ask, WORLDS_ERROR,
			       "no suitable backend: this libxl has no tap");
	return if_module(ask, WORLDS_ERROR);
}

/* A file without a script is none of PHY's until 4.6. */
static enum worlds_path kernel(struct ask *ask, enum worlds_world world)
{
	if (ask->host->device)
		return WORLDS_BLKBACK;
	return world >= WORLDS_4_6 ? WORLDS_LOOP : WORLDS_ERROR;
}

static enum worlds_path written(struct ask *ask, enum worlds_world world)
{
	const char *type = ask->disk->backendtype;

	if (same(type, "tap") || same(type, "tap2"))
		return written_tap(ask, world);
	if (same(type, "qdisk") || same(type, "file") || same(type, "qemu"))
		return WORLDS_QEMU;
	if (same(type, "phy"))
		return kernel(ask, world);
	return because(ask, WORLDS_ERROR, "no suitable backend");
}

static enum worlds_path scripted(struct ask *ask, enum worlds_world world)
{
	const char *name = strrchr(ask->disk->script, '/');

	name = name ? name + 1 : ask->disk->script;
	if (!strcmp(name, "block-xenio"))
		return WORLDS_RING;
	if (strcmp(name, "block-tap") != 0)
		return because(ask, WORLDS_OTHER, "a script of its own");
	if (same(ask->disk->backendtype, "tap"))
		return world >= WORLDS_4_19
			       ? written_tap(ask, world)
			       : because(ask, WORLDS_ERROR,
					 "no tap with a script before 4.19");
	if (world < WORLDS_4_6)
		return because(ask, WORLDS_NONE,
			       "there is no block-tap script before 4.6");
	return if_module(ask, WORLDS_ERROR);
}

/* No backend is written: the first that does not refuse. */
static enum worlds_path chosen(struct ask *ask, enum worlds_world world)
{
	bool raw = is_type(ask, "raw");

	if (is_type(ask, "empty"))
		return because(ask, WORLDS_OTHER, "an empty drive");
	if (!raw && !is_type(ask, "vhd") && !is_qcow(ask) &&
	    !is_type(ask, "qed"))
		return because(ask, WORLDS_ERROR,
			       "libxl does not know the prefix");
	if (raw && ask->host->device)
		return WORLDS_BLKBACK;
	if (world == WORLDS_4_2 && (raw || is_type(ask, "vhd")) &&
	    !ask->disk->cdrom)
		return if_module(ask, WORLDS_QEMU);
	return raw && world >= WORLDS_4_6 ? WORLDS_LOOP : WORLDS_QEMU;
}

static enum worlds_path libxl(struct ask *ask, enum worlds_world world)
{
	const struct conf_disk *d = ask->disk;

	if (same(d->access, "w!"))
		return because(ask, WORLDS_ERROR,
			       "w! is xend's; xl knows r and w");
	if (d->backend && strcmp(d->backend, "0") != 0 &&
	    strcmp(d->backend, "Domain-0") != 0)
		return because(ask, WORLDS_OTHER, "a driver domain serves it");
	if (d->script)
		return scripted(ask, world);
	if (d->backendtype)
		return written(ask, world);
	return chosen(ask, world);
}

enum worlds_path worlds_path(enum worlds_world world,
			     const struct conf_disk *disk,
			     const struct worlds_host *host, const char **why)
{
	struct ask ask = { disk, host, NULL };
	enum worlds_path path;

	if (disk->problem)
		path = because(&ask, WORLDS_NONE,
			       "the entry is not understood");
	else if (world == WORLDS_XEND)
		path = xend(&ask);
	else if (world == WORLDS_4_1)
		path = xl_4_1(&ask);
	else
		path = libxl(&ask, world);
	if (why)
		*why = ask.why;
	return path;
}

enum worlds_world worlds_of(unsigned major, unsigned minor, bool xend)
{
	static const struct {
		unsigned minor;
		enum worlds_world world;
	} since[] = {
		{ 19, WORLDS_4_19 }, { 13, WORLDS_4_13 }, { 6, WORLDS_4_6 },
		{ 4, WORLDS_4_4 },   { 2, WORLDS_4_2 },   { 0, WORLDS_4_1 },
	};
	unsigned i = 0;

	if (xend || major < 4)
		return WORLDS_XEND;
	while (major == 4 && since[i].minor > minor)
		i++;
	return since[i].world;
}

const char *worlds_name(enum worlds_world world)
{
	static const char *const names[] = {
		[WORLDS_XEND] = "xend",    [WORLDS_4_1] = "4.1",
		[WORLDS_4_2] = "4.2-4.3",  [WORLDS_4_4] = "4.4-4.5",
		[WORLDS_4_6] = "4.6-4.12", [WORLDS_4_13] = "4.13-4.18",
		[WORLDS_4_19] = "4.19",
	};

	return world < WORLDS_COUNT ? names[world] : "?";
}

const char *worlds_path_name(enum worlds_path path)
{
	static const char *const names[] = {
		[WORLDS_NONE] = "-",
		[WORLDS_BLKBACK] = "blkback",
		[WORLDS_LOOP] = "loop",
		[WORLDS_BLKTAP1] = "blktap1",
		[WORLDS_TAPDISK] = "tapdisk",
		[WORLDS_QEMU] = "QEMU",
		[WORLDS_RING] = "ring",
		[WORLDS_ERROR] = "error",
		[WORLDS_OTHER] = "another way",
	};

	return path <= WORLDS_OTHER ? names[path] : "?";
}
