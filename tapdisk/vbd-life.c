/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vbd-life.c - a disk's way through its states.
 */
#include "tapdisk/vbd-core.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/loop.h"
#include "tapdisk/arena.h"
#include "tapdisk/chain.h"
#include "tapdisk/image.h"
#include "tapdisk/keys.h"
#include "tapdisk/mirror.h"
#include "tapdisk/passed.h"
#include "tapdisk/transport.h"

#define SECOND_NS    UINT64_C(1000000000)
#define TIMEOUT_S    120
#define RESUME_TRIES 10

/* --- states and calls ----------------------------------------------------- */

static void enter(struct vbd *vbd, enum vbd_state to)
{
	static const unsigned from[] = {
		[VBD_CLOSED] = 1u << VBD_OPENING | 1u << VBD_DRAINING |
			       1u << VBD_PAUSED | 1u << VBD_DEAD,
		[VBD_OPENING] = 1u << VBD_CLOSED | 1u << VBD_PAUSED,
		[VBD_RUNNING] = 1u << VBD_OPENING,
		[VBD_DRAINING] = 1u << VBD_RUNNING,
		[VBD_PAUSED] = 1u << VBD_DRAINING | 1u << VBD_OPENING,
		[VBD_DEAD] = 1u << VBD_OPENING | 1u << VBD_RUNNING |
			     1u << VBD_DRAINING | 1u << VBD_PAUSED,
	};

	assert(from[to] & 1u << vbd->state);
	vbd->state = to;
}

static void call_answer(struct deferred *d)
{
	struct vbd_call *call = container_of(d, struct vbd_call, answer);

	call->done(call, &call->err);
}

static void answer(struct vbd *vbd, struct vbd_call *call,
		   const struct err *err)
{
	call->err = err ? *err : (struct err){ .code = 0 };
	call->answer.run = call_answer;
	loop_defer(vbd->env.loop, &call->answer);
}

static void refuse(struct vbd *vbd, struct vbd_call *call, int code,
		   const char *why)
{
	struct err err;

	(void)err_set(&err, code, "vbd %u: %s", vbd->minor, why); /* told */
	answer(vbd, call, &err);
}

/* The end of an open, a pause or a resume. */
static void end_call(struct vbd *vbd, const struct err *err)
{
	struct vbd_call *call = vbd->call;

	vbd->call = NULL;
	if (call)
		answer(vbd, call, err);
}

static void cancel_call(struct vbd *vbd)
{
	struct vbd_call *call = vbd->call;

	vbd->call = NULL;
	if (call)
		refuse(vbd, call, -ECANCELED, "it is being closed");
}

/* --- what comes next ------------------------------------------------------ */

static void for_channels(struct vbd *vbd, void (*fn)(struct channel *ch))
{
	struct list *pos, *next;

	/* fn is NULL if there never was a channel. */
	list_for_each (&vbd->channels, pos, next)
		fn(container_of(pos, struct channel, vbd_link));
}

/* What was to become of the mirror is settled. */
static void forget_mirror(struct vbd *vbd)
{
	free(vbd->next_mirror);
	vbd->next_mirror = NULL;
	vbd->change_mirror = false;
}

static void closed(struct vbd *vbd)
{
	struct list *link;

	enter(vbd, VBD_CLOSED);
	forget_mirror(vbd);
	free(vbd->parent_spec);
	free(vbd->second_spec);
	vbd->parent_spec = vbd->second_spec = NULL;
	vbd->standby = vbd->moved = false;
	vbd->redirected = 0;
	keys_free(vbd->keys);
	vbd->keys = NULL;
	free(vbd->spec);
	free(vbd->next_spec);
	vbd->spec = vbd->next_spec = NULL;
	vbd->known = false;
	vbd->abandoned = false;
	end_call(vbd, &vbd->open_err); /* if that failed */
	while ((link = list_pop(&vbd->closing)))
		answer(vbd, container_of(link, struct vbd_call, answer.link),
		       NULL);
}

static void not_opened(struct vbd *vbd, const struct err *err);

static void chain_gone(void *arg)
{
	struct vbd *vbd = arg;

	vbd->busy = false;
	if (vbd->state == VBD_DRAINING && !vbd_is_closing(vbd)) {
		enter(vbd, VBD_PAUSED);
		log_info("vbd %u: paused", vbd->minor);
		end_call(vbd, NULL);
	} else if (vbd->state == VBD_OPENING && !vbd_is_closing(vbd)) {
		not_opened(vbd, &vbd->open_err);
	}
	vbd_move_on(vbd);
}

static void drop_chain(struct vbd *vbd)
{
	struct image *top = vbd->top;

	vbd_lose_second(vbd);
	vbd->top = NULL;
	vbd->busy = true;
	chain_close(top, vbd->env.work, chain_gone, vbd);
}

static void mirror_gone(void *arg)
{
	struct vbd *vbd = arg;

	vbd->busy = false;
	vbd_move_on(vbd);
}

static void drop_mirror(struct vbd *vbd, void (*gone)(void *arg))
{
	struct mirror *m = vbd->mirror;

	vbd->mirror = NULL;
	vbd->busy = true;
	mirror_close(m, gone, vbd);
}

void vbd_move_on(struct vbd *vbd)
{
	if (!list_empty(&vbd->kept) || !list_empty(&vbd->retry))
		vbd_send_kept(vbd);
	if (vbd->state == VBD_RUNNING || vbd->busy || vbd->in_flight)
		return;
	if (!vbd_is_closing(vbd)) {
		if (vbd->state == VBD_DRAINING)
			drop_chain(vbd);
	} else if (list_empty(&vbd->channels)) {
		if (vbd->top)
			drop_chain(vbd);
		else if (vbd->mirror)
			drop_mirror(vbd, mirror_gone);
		else if (vbd->state != VBD_CLOSED)
			closed(vbd);
	}
}

/* --- open and resume ------------------------------------------------------ */

static unsigned images(const struct image *img)
{
	unsigned n = 0;

	for (; img; img = img->parent)
		n += 1 + images(img->file);
	return n;
}

static void run(struct vbd *vbd)
{
	struct image *top = vbd->top;

	if (vbd->next_spec) {
		free(vbd->spec);
		vbd->spec = vbd->next_spec;
		vbd->next_spec = NULL;
	}
	vbd->info = top->info;
	vbd->known = true;
	forget_mirror(vbd);
	vbd_find_second(vbd);
	image_write_through(top, vbd->write_through);
	image_write_through(vbd->second, vbd->write_through);
	enter(vbd, VBD_RUNNING);
	log_info("vbd %u: %s: %llu sectors of %u, %u images%s%s%s", vbd->minor,
		 vbd->spec,
		 (unsigned long long)(top->info.size / top->info.block_size),
		 top->info.block_size, images(top),
		 vbd->readonly ? ", read-only" : "",
		 top->info.caps & IMAGE_CAN_FLUSH ? "" : ", cannot flush",
		 top->info.caps & IMAGE_FENCED ? "" : ", no journal");
	end_call(vbd, NULL);
	vbd_renew_time(vbd);
	vbd_retry_now(vbd);
	for_channels(vbd, vbd->ops ? vbd->ops->start : NULL);
}

/* It is again what it was before: paused, or closed and without channels. */
static void not_opened(struct vbd *vbd, const struct err *err)
{
	free(vbd->next_spec);
	vbd->next_spec = NULL;
	forget_mirror(vbd);
	if (vbd->known) {
		enter(vbd, VBD_PAUSED);
		end_call(vbd, err);
		return;
	}
	vbd->open_err = *err;
	vbd->abandoned = true;
	for_channels(vbd, vbd->ops ? vbd->ops->close : NULL);
	vbd_move_on(vbd);
}

static bool same_medium(struct vbd *vbd, const struct image *top)
{
	const struct image_info *was = &vbd->info, *is = &top->info;

	if (!vbd->known ||
	    (was->size == is->size && was->block_size == is->block_size))
		return true;
	(void)err_set(&vbd->open_err, -EMEDIUMTYPE,
		      "%llu bytes in blocks of %u, not %llu in blocks of %u",
		      (unsigned long long)is->size, is->block_size,
		      (unsigned long long)was->size, was->block_size);
	return false;
}

/* A mirror that cannot be had is no reason to keep a guest from its disk. */
static void mirror_opened(void *arg, const struct err *err)
{
	struct vbd *vbd = arg;

	(void)err; /* it was logged, and mirror_failed() tells */
	vbd->busy = false;
	if (vbd_is_closing(vbd))
		vbd_move_on(vbd);
	else
		run(vbd);
}

static void change_mirror(void *arg)
{
	struct vbd *vbd = arg;

	vbd->busy = false;
	if (vbd_is_closing(vbd)) {
		vbd_move_on(vbd);
	} else if (vbd->change_mirror && vbd->mirror) {
		drop_mirror(vbd, change_mirror);
	} else if (!vbd->next_mirror) {
		run(vbd);
	} else if (mirror_new(&vbd->mirror, &vbd->env, vbd->minor,
			      vbd->next_mirror)) {
		(void)err_set(&vbd->open_err, -ENOMEM, "no memory"); /* told */
		drop_chain(vbd);
	} else {
		vbd->busy = true;
		mirror_open(vbd->mirror, &vbd->top->info, mirror_opened, vbd);
	}
}

static void chain_opened(void *arg, struct image *top, const struct err *err)
{
	struct vbd *vbd = arg;

	vbd->busy = false;
	vbd->top = top;
	if (vbd_is_closing(vbd))
		vbd_move_on(vbd);
	else if (!top && vbd->tries > 0)
		loop_timer(vbd->env.loop, &vbd->again, SECOND_NS);
	else if (!top)
		not_opened(vbd, err);
	else if (!same_medium(vbd, top))
		drop_chain(vbd); /* chain_gone() says why */
	else
		change_mirror(vbd);
}

static void begin_open(struct vbd *vbd)
{
	struct chain_args args = {
		.loop = vbd->env.loop,
		.io = vbd->env.io,
		.work = vbd->env.work,
		.passed = vbd->env.passed,
		.keys = vbd->keys,
		.spec = vbd->next_spec ? vbd->next_spec : vbd->spec,
		.parent = vbd->parent_spec,
		.second = vbd->second_spec,
		.standby = vbd->standby,
		.readonly = vbd->readonly,
		.cached = vbd->cached,
		.depth = VBD_DEPTH,
	};
	struct err err;

	vbd->busy = true;
	vbd->tries--;
	if (!chain_open(&args, chain_opened, vbd))
		return;
	(void)err_set(&err, -ENOMEM, "no memory"); /* told */
	chain_opened(vbd, NULL, &err);
}

static void again_fired(struct timer *t)
{
	begin_open(container_of(t, struct vbd, again));
}

/* Whether an operation may begin; if not, it is answered. */
static bool may(struct vbd *vbd, struct vbd_call *call, enum vbd_state in)
{
	if (vbd->call || vbd_is_closing(vbd))
		refuse(vbd, call, -EBUSY, "another operation is under way");
	else if (vbd->state != in)
		refuse(vbd, call, -EINVAL, "not in a state for this");
	else
		return true;
	return false;
}

static bool copy(char **to, const char *from)
{
	free(*to);
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static int copy_names(struct vbd *vbd, const struct vbd_open *args)
{
	bool copied = args->second && !args->standby;

	if (copy(&vbd->spec, args->spec) &&
	    copy(&vbd->parent_spec, args->parent) &&
	    copy(&vbd->second_spec, args->second) &&
	    copy(&vbd->next_mirror, args->mirror) &&
	    (!copied ||
	     !mirror_new(&vbd->mirror, &vbd->env, vbd->minor, args->second))) {
		vbd->standby = args->standby;
		vbd->change_mirror = args->mirror != NULL;
		return 0;
	}
	free(vbd->spec);
	free(vbd->parent_spec);
	free(vbd->second_spec);
	vbd->spec = vbd->parent_spec = vbd->second_spec = NULL;
	forget_mirror(vbd);
	return -ENOMEM;
}

void vbd_open(struct vbd *vbd, const struct vbd_open *args,
	      struct vbd_call *call)
{
	unsigned timeout = args->timeout_s ? args->timeout_s : TIMEOUT_S;

	if (!may(vbd, call, VBD_CLOSED)) {
		keys_free(args->keys);
		return;
	}
	if (copy_names(vbd, args)) {
		keys_free(args->keys);
		refuse(vbd, call, -ENOMEM, "no memory");
		return;
	}
	vbd_lower_flag(vbd);
	vbd->keys = args->keys;
	vbd->readonly = args->readonly;
	vbd->cached = args->cached;
	vbd->timeout_ns = timeout * SECOND_NS;
	vbd->call = call;
	vbd->tries = 1;
	enter(vbd, VBD_OPENING);
	begin_open(vbd);
}

void vbd_resume(struct vbd *vbd, const char *spec, struct vbd_call *call)
{
	if (!may(vbd, call, VBD_PAUSED))
		return;
	if (spec) {
		vbd->next_spec = strdup(spec);
		if (!vbd->next_spec) {
			refuse(vbd, call, -ENOMEM, "no memory");
			return;
		}
	}
	vbd->call = call;
	vbd->tries = RESUME_TRIES;
	enter(vbd, VBD_OPENING);
	begin_open(vbd);
}

/* --- pause and close ------------------------------------------------------ */

void vbd_pause(struct vbd *vbd, struct vbd_call *call)
{
	if (vbd->state == VBD_PAUSED && !vbd_is_closing(vbd)) {
		answer(vbd, call, NULL);
		return;
	}
	if (!may(vbd, call, VBD_RUNNING))
		return;
	vbd->call = call;
	enter(vbd, VBD_DRAINING);
	for_channels(vbd, vbd->ops ? vbd->ops->stop : NULL);
	vbd_move_on(vbd);
}

void vbd_close(struct vbd *vbd, bool force, struct vbd_call *call)
{
	if (vbd->state == VBD_CLOSED) {
		answer(vbd, call, NULL);
		return;
	}
	cancel_call(vbd);
	loop_untimer(&vbd->again);
	list_add_tail(&vbd->closing, &call->answer.link);
	if (force && vbd->state != VBD_DEAD)
		enter(vbd, VBD_DEAD);
	else if (vbd->state == VBD_RUNNING)
		enter(vbd, VBD_DRAINING);
	for_channels(vbd, vbd->ops ? vbd->ops->close : NULL);
	vbd_send_kept(vbd);
	vbd_move_on(vbd);
}

/* --- channels come and go ------------------------------------------------- */

static void set_write_through(struct vbd *vbd)
{
	struct list *pos, *next;
	bool on = false;

	list_for_each (&vbd->channels, pos, next) {
		const struct channel *ch =
			container_of(pos, struct channel, vbd_link);

		on |= ch->no_flush && !ch->readonly;
	}
	vbd->write_through = on;
	image_write_through(vbd->top, on);
	image_write_through(vbd->second, on);
}

bool vbd_accepts(const struct vbd *vbd)
{
	return vbd->state != VBD_CLOSED && vbd->state != VBD_DEAD &&
	       !vbd_is_closing(vbd);
}

void vbd_join(struct vbd *vbd, struct channel *ch, const struct vbd_ops *ops)
{
	assert(vbd_accepts(vbd));
	vbd->ops = ops;
	list_add_tail(&vbd->channels, &ch->vbd_link);
	set_write_through(vbd);
	if (vbd->state == VBD_RUNNING)
		ops->start(ch);
}

void vbd_leave(struct vbd *vbd, struct channel *ch)
{
	list_del(&ch->vbd_link);
	set_write_through(vbd);
	vbd_move_on(vbd);
}

int vbd_set_parent(struct vbd *vbd, const char *spec)
{
	if (vbd->state != VBD_PAUSED || vbd_is_closing(vbd))
		return -EINVAL;
	return copy(&vbd->parent_spec, spec) ? 0 : -ENOMEM;
}

int vbd_set_mirror(struct vbd *vbd, const char *spec)
{
	const struct mirror *m = vbd->mirror;
	char *copy = NULL;

	if (vbd->state != VBD_PAUSED || vbd_is_closing(vbd))
		return -EINVAL;
	forget_mirror(vbd);
	if (m && spec && !strcmp(mirror_spec(m), spec) && !mirror_failed(m) &&
	    !passed_has(vbd->env.passed, spec + strcspn(spec, ":") + 1))
		return 0;
	if (spec)
		copy = strdup(spec);
	if (spec && !copy)
		return -ENOMEM;
	vbd->change_mirror = true;
	vbd->next_mirror = copy;
	return 0;
}

/* --- the whole ------------------------------------------------------------ */

int vbd_new(struct vbd **out, const struct vbd_env *env, unsigned minor,
	    struct err *err)
{
	uint64_t bytes =
		env->in_flight ? env->in_flight : VBD_IN_FLIGHT_DEFAULT;
	struct vbd *vbd;

	if (bytes % (64 * ARENA_PAGE))
		return err_set(err, -EINVAL,
			       "%llu bytes in flight: no multiple of 256 KiB",
			       (unsigned long long)bytes);
	vbd = calloc(1, sizeof(*vbd));
	if (!vbd || arena_new(&vbd->arena, env->loop, bytes)) {
		free(vbd);
		return err_set(err, -ENOMEM, "vbd %u: no memory", minor);
	}
	vbd->env = *env;
	vbd->env.in_flight = bytes;
	vbd->minor = minor;
	list_init(&vbd->closing);
	list_init(&vbd->channels);
	list_init(&vbd->live);
	list_init(&vbd->kept);
	list_init(&vbd->retry);
	list_init(&vbd->again.link);
	list_init(&vbd->retry_timer.link);
	list_init(&vbd->late_timer.link);
	vbd->again.fire = again_fired;
	vbd->retry_timer.fire = vbd_retry_fired;
	vbd->late_timer.fire = vbd_late_fired;
	*out = vbd;
	return 0;
}

void vbd_free(struct vbd *vbd)
{
	if (!vbd)
		return;
	assert(vbd->state == VBD_CLOSED && list_empty(&vbd->channels));
	loop_untimer(&vbd->retry_timer);
	loop_untimer(&vbd->late_timer);
	arena_free(vbd->arena);
	free(vbd);
}
