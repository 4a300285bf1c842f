/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault.c - a filter that lets a request fail when it is told to.
 *
 * "fault:n=3,op=write,count=2,err=28:raw:/x" answers the third write and the
 * one after it with -ENOSPC, and hands the rest down. What is left out: n=1,
 * any op, count=1 (0 is from then on), err=5. Requests that fail are not
 * handed down.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/parse.h"
#include "tapdisk/driver.h"

struct fault {
	uint64_t n;
	uint64_t count;
	uint64_t err;
	int op; /* -1: any */
	uint64_t seen;
};

static const char *const ops[] = {
	[REQ_READ] = "read",       [REQ_WRITE] = "write",
	[REQ_FLUSH] = "flush",     [REQ_ZERO] = "zero",
	[REQ_DISCARD] = "discard", [REQ_EXTENTS] = "extents",
	[REQ_RESIZE] = "resize",
};

static int parse_op(int *op, const char *value)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		if (!strcmp(ops[i], value)) {
			*op = (int)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_option(struct fault *f, const char *key, const char *value)
{
	if (!value)
		return -EINVAL;
	if (!strcmp(key, "op"))
		return parse_op(&f->op, value);
	if (!strcmp(key, "n"))
		return parse_uint(&f->n, value, 1, UINT64_MAX);
	if (!strcmp(key, "count"))
		return parse_uint(&f->count, value, 0, UINT64_MAX);
	if (!strcmp(key, "err"))
		return parse_uint(&f->err, value, 1, 4095);
	return -EINVAL;
}

static int fault_open(struct image *img, struct err *err)
{
	struct fault *f = img->state;
	cleanup_free char *text = strdup(img->name);
	char *rest = text, *key, *value;

	if (!text)
		return err_set(err, -ENOMEM, "no memory");
	*f = (struct fault){ .n = 1, .count = 1, .err = EIO, .op = -1 };
	while ((key = strsep(&rest, ",")) && *key) {
		value = key;
		key = strsep(&value, "=");
		if (parse_option(f, key, value))
			return err_set(err, -EINVAL, "%s=%s: unknown", key,
				       value ? value : "");
	}
	img->info = img->file->info;
	return 0;
}

static void fault_submit(struct image *img, struct req *req)
{
	struct fault *f = img->state;

	/* The file of a format grows. */
	img->info.size = img->file->info.size;
	if (f->op < 0 || f->op == (int)req->op) {
		f->seen++;
		if (f->seen >= f->n &&
		    (!f->count || f->seen - f->n < f->count)) {
			req_done(req, -(int)f->err);
			return;
		}
	}
	image_submit(img->file, req);
}

const struct driver fault_driver = {
	.name = "fault",
	.summary = "lets the request it is told to fail",
	.kind = DRIVER_FILTER,
	.state_size = sizeof(struct fault),
	.open = fault_open,
	.submit = fault_submit,
};
