/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vbd-tell.c - what a disk tells of itself.
 */
#include <string.h>

#include "tapdisk/mirror.h"
#include "tapdisk/vbd-core.h"

enum vbd_state vbd_state(const struct vbd *vbd)
{
	return vbd->state;
}

unsigned vbd_minor(const struct vbd *vbd)
{
	return vbd->minor;
}

const char *vbd_spec(const struct vbd *vbd)
{
	return vbd->spec;
}

const char *vbd_name(const struct vbd *vbd)
{
	const char *spec = vbd->spec, *end = NULL;

	if (spec && !strncmp(spec, "cbt:", 4))
		end = strchr(spec + 4, ':');
	return end ? end + 1 : spec;
}

const struct vbd_env *vbd_env(const struct vbd *vbd)
{
	return &vbd->env;
}

const struct image *vbd_image(const struct vbd *vbd)
{
	return vbd->moved && vbd->second ? vbd->second : vbd->top;
}

const struct image_info *vbd_info(const struct vbd *vbd)
{
	return vbd->known ? &vbd->info : NULL;
}

const char *vbd_second(const struct vbd *vbd)
{
	return vbd->second_spec;
}

bool vbd_is_standby(const struct vbd *vbd)
{
	return vbd->standby;
}

bool vbd_moved(const struct vbd *vbd)
{
	return vbd->moved;
}

uint64_t vbd_redirected(const struct vbd *vbd)
{
	return vbd->redirected;
}

bool vbd_mirror_failed(const struct vbd *vbd)
{
	return vbd->mirror && mirror_failed(vbd->mirror);
}

bool vbd_readonly(const struct vbd *vbd)
{
	return vbd->readonly;
}

const struct vbd_counters *vbd_counters(const struct vbd *vbd)
{
	return &vbd->counters;
}

unsigned vbd_outstanding(const struct vbd *vbd)
{
	return vbd->outstanding;
}

struct list *vbd_channels(struct vbd *vbd)
{
	return &vbd->channels;
}

bool vbd_write_through(const struct vbd *vbd)
{
	return vbd->write_through;
}

struct arena *vbd_arena(struct vbd *vbd)
{
	return vbd->arena;
}
