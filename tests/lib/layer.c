/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layer.c - a format for the tests.
 *
 * Opens and closes come one at a time, so the variables need no lock.
 */
#include "tests/lib/layer.h"

#include <errno.h>
#include <string.h>

#include "lib/err.h"

struct layer_world layer_world;

static void note(char c)
{
	size_t len = strlen(layer_world.log);

	if (len + 1 < LAYER_LOG)
		layer_world.log[len] = c;
}

static int read_first(struct image *img)
{
	char buf[512];
	struct iovec iov = { buf, sizeof(buf) };
	struct req req = {
		.op = REQ_READ, .len = 512, .iov = &iov, .iovcnt = 1
	};

	layer_world.wrong_thread |= loop_owned(img->loop);
	return image_wait(img->file, &req);
}

static int layer_open(struct image *img, struct err *err)
{
	unsigned n = layer_world.opens++;
	int ret = read_first(img);

	if (ret)
		return err_set(err, ret, "the first sector cannot be read");
	if (layer_world.opens == layer_world.fail_at)
		return err_set(err, -ENOENT, "as it was told");
	img->info = img->file->info;
	if (n < layer_world.count)
		ret = image_set_parent(img, layer_world.parents[n], NULL);
	layer_world.open_now += !ret;
	note('o');
	return ret;
}

static void layer_close(struct image *img)
{
	(void)read_first(img); /* that it can be asked is what matters */
	layer_world.open_now--;
	note('c');
}

static int layer_attach(struct image *img, struct err *err)
{
	layer_world.wrong_thread |= !loop_owned(img->loop);
	if (layer_world.opens == layer_world.fail_attach_at)
		return err_set(err, -EBUSY, "as it was told");
	layer_world.attached++;
	note('a');
	return 0;
}

static void layer_detach(struct image *img)
{
	layer_world.wrong_thread |= !loop_owned(img->loop);
	layer_world.attached--;
	note('d');
}

static void layer_submit(struct image *img, struct req *req)
{
	image_submit(img->file, req);
}

const struct driver layer_driver = {
	.name = "layer",
	.summary = "its file, perhaps with a parent",
	.kind = DRIVER_FORMAT,
	.open = layer_open,
	.close = layer_close,
	.attach = layer_attach,
	.detach = layer_detach,
	.submit = layer_submit,
};
