/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * full.c - a file system without space: "full:LIMIT:raw:/x" lets nothing be
 * written past LIMIT bytes; LIMIT 0 is none.
 */
#include "tests/lib/full.h"

#include <errno.h>
#include <stdlib.h>

static int full_open(struct image *img, struct err *err)
{
	uint64_t *limit = img->state;

	(void)err;
	*limit = strtoull(img->name, NULL, 10);
	img->info = img->file->info;
	return 0;
}

static void full_submit(struct image *img, struct req *req)
{
	uint64_t *limit = img->state;
	bool grows = req->op == REQ_WRITE || req->op == REQ_ZERO ||
		     req->op == REQ_RESIZE;

	img->info.size = img->file->info.size; /* it grows */
	if (*limit && grows && req->off + req->len > *limit)
		req_done(req, -ENOSPC);
	else
		image_submit(img->file, req);
}

const struct driver full_driver = {
	.name = "full",
	.summary = "has no space past a limit",
	.kind = DRIVER_FILTER,
	.state_size = sizeof(uint64_t),
	.open = full_open,
	.submit = full_submit,
};
