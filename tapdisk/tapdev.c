/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tapdev.c - the kernel device of an attached minor.
 */
#include "tapdisk/tapdev.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "compat/blktap2/blktap2.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "tapdisk/channel.h"

#define RETRY_NS 50000000ull

struct tapdev {
	struct loop *loop;
	struct blktap2_dev *dev;
	unsigned minor;
	struct channel *ch; /* while served */

	struct vbd_call *removing;
	bool (*wanted)(void *arg);
	void *arg;
	struct timer retry;
	struct deferred end;
	struct err why;
};

static void gone(void *arg)
{
	((struct tapdev *)arg)->ch = NULL;
}

static void remove_ended(struct deferred *d)
{
	struct tapdev *t = container_of(d, struct tapdev, end);
	struct vbd_call *call = t->removing;

	t->removing = NULL;
	call->done(call, &t->why);
}

/* From the loop, at depth one, whoever asked. */
static void end_remove(struct tapdev *t, int code, const char *what)
{
	loop_untimer(&t->retry);
	t->why = (struct err){ .code = code };
	if (code)
		err_set(&t->why, code, "tapdev%u: %s", t->minor, what);
	loop_defer(t->loop, &t->end);
}

static void try_remove(struct timer *timer)
{
	struct tapdev *t = container_of(timer, struct tapdev, retry);
	int ret = t->dev->remove(t->dev);

	if (ret == -EBUSY && t->wanted(t->arg))
		loop_timer(t->loop, &t->retry, RETRY_NS);
	else if (ret == -EBUSY)
		end_remove(t, ret, "the block device is in use");
	else if (ret)
		end_remove(t, ret, "the kernel does not let it go");
	else
		end_remove(t, 0, NULL);
}

int tapdev_attach(struct tapdev **out, struct loop *loop, unsigned minor,
		  struct err *err)
{
	struct tapdev *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return err_set(err, -ENOMEM, "out of memory");
	ret = blktap2_open(&t->dev, minor, err);
	if (ret) {
		free(t);
		return ret;
	}
	t->loop = loop;
	t->minor = minor;
	t->retry.fire = try_remove;
	list_init(&t->retry.link);
	t->end.run = remove_ended;
	list_init(&t->end.link);
	*out = t;
	return 0;
}

void tapdev_detach(struct tapdev *tapdev)
{
	if (!tapdev)
		return;
	assert(!tapdev->ch && !tapdev->removing);
	tapdev->dev->close(tapdev->dev);
	free(tapdev);
}

int tapdev_serve(struct tapdev *tapdev, struct vbd *vbd, struct err *err)
{
	const struct transport *tr = transports_find("blktap2");
	char name[32];
	int ret;

	if (!tr)
		return err_set(err, -ENODEV, "built without blktap2");
	(void)snprintf(name, sizeof(name), "blktap2:%u", tapdev->minor);
	ret = channel_open(&tapdev->ch, vbd, tr, name, &tapdev->dev, err);
	if (!ret)
		channel_on_gone(tapdev->ch, gone, tapdev);
	return ret;
}

void tapdev_remove(struct tapdev *tapdev, bool (*wanted)(void *arg), void *arg,
		   struct vbd_call *call)
{
	tapdev->removing = call;
	tapdev->wanted = wanted;
	tapdev->arg = arg;
	if (!tapdev->ch) {
		end_remove(tapdev, 0, NULL);
	} else if (wanted) {
		try_remove(&tapdev->retry);
	} else {
		(void)tapdev->dev->remove(tapdev->dev); /* once, as asked */
		end_remove(tapdev, 0, NULL);
	}
}
