/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * null.c - a disk of zeroes that forgets what is written to it.
 *
 * The name is the size in bytes: "null:1073741824".
 */
#include <errno.h>
#include <stddef.h>

#include "lib/err.h"
#include "lib/parse.h"
#include "tapdisk/driver.h"

static int null_open(struct image *img, struct err *err)
{
	if (parse_uint(&img->info.size, img->name, 512, INT64_MAX) ||
	    img->info.size % 512)
		return err_set(err, -EINVAL, "null:%s: not a size in bytes",
			       img->name);
	img->info.block_size = 512;
	img->info.caps = IMAGE_CAN_FLUSH | IMAGE_CAN_FUA | IMAGE_CAN_ZERO |
			 IMAGE_CAN_DISCARD | IMAGE_CAN_EXTENTS | IMAGE_FENCED;
	return 0;
}

static void null_submit(struct image *img, struct req *req)
{
	(void)img;

	if (req->op == REQ_READ)
		req_fill_zero(req);
	else if (req->op == REQ_EXTENTS)
		(void)extents_add(req->extents, req->len,
				  EXTENT_HOLE | EXTENT_ZERO); /* the first */
	req_done(req, 0);
}

const struct driver null_driver = {
	.name = "null",
	.summary = "reads as zeroes, forgets writes",
	.kind = DRIVER_PROTOCOL,
	.open = null_open,
	.submit = null_submit,
};
