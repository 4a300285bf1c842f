/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hold.c - a driver that does what the test says.
 */
#include "tests/lib/hold.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "lib/err.h"

struct hold hold;

void hold_reset(void)
{
	assert(!hold.img);
	memset(&hold, 0, sizeof(hold));
	hold.size = HOLD_SIZE;
	hold.block_size = 512;
	hold.caps = IMAGE_CAN_FLUSH | IMAGE_CAN_FUA | IMAGE_CAN_ZERO |
		    IMAGE_CAN_DISCARD | IMAGE_FENCED;
	list_init(&hold.held);
}

static void serve(struct req *req, int err)
{
	if (!err && req->op == REQ_READ)
		req_copy_in(req, 0, hold.data + req->off, req->len);
	else if (!err && req->op == REQ_WRITE)
		req_copy_out(req, 0, hold.data + req->off, req->len);
	else if (!err && req->op == REQ_ZERO)
		memset(hold.data + req->off, 0, req->len);
	req_done(req, err);
}

bool hold_answer(int err)
{
	struct list *link = list_pop(&hold.held);

	if (!link)
		return false;
	hold.count--;
	serve(container_of(link, struct req, answer.link), err);
	return true;
}

static int hold_open(struct image *img, struct err *err)
{
	hold.opens++;
	if (hold.fail_opens) {
		hold.fail_opens--;
		return err_set(err, -ENODEV, "as it was told");
	}
	assert(!hold.img);
	hold.img = img;
	img->info.size = hold.size;
	img->info.block_size = hold.block_size;
	img->info.caps = hold.caps;
	memcpy(img->info.id, hold.id, sizeof(hold.id));
	return 0;
}

static void hold_close(struct image *img)
{
	assert(hold.img == img && list_empty(&hold.held));
	hold.img = NULL;
	hold.closes++;
}

static void hold_submit(struct image *img, struct req *req)
{
	assert(img == hold.img);
	hold.ops[req->op]++;
	hold.fua += req->flags & REQ_FUA;
	hold.off = req->off;
	hold.len = req->len;
	if (hold.pass) {
		serve(req, hold.err);
		return;
	}
	list_add_tail(&hold.held, &req->answer.link);
	hold.count++;
	if (hold.count > hold.most)
		hold.most = hold.count;
}

const struct driver hold_driver = {
	.name = "hold",
	.summary = "answers when the test says so",
	.kind = DRIVER_PROTOCOL,
	.open = hold_open,
	.close = hold_close,
	.submit = hold_submit,
};
