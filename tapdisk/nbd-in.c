/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-in.c - what an NBD client has sent and nobody has looked at yet.
 */
#include "tapdisk/nbd-in.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int nbd_in_init(struct nbd_in *in)
{
	*in = (struct nbd_in){ .buf = malloc(NBD_IN_SIZE) };
	return in->buf ? 0 : -ENOMEM;
}

void nbd_in_free(struct nbd_in *in)
{
	free(in->buf);
	in->buf = NULL;
}

int nbd_in_room(struct nbd_in *in, uint8_t *where, size_t want,
		struct iovec iov[2])
{
	int count = 0;

	in->tail -= in->head;
	if (in->head && in->tail)
		memmove(in->buf, in->buf + in->head, in->tail);
	in->head = 0;
	in->direct = in->tail ? 0 : want;
	if (in->direct)
		iov[count++] = (struct iovec){ where, in->direct };
	iov[count++] =
		(struct iovec){ in->buf + in->tail, NBD_IN_SIZE - in->tail };
	return count;
}

size_t nbd_in_came(struct nbd_in *in, size_t len)
{
	size_t direct = len < in->direct ? len : in->direct;

	in->tail += len - direct;
	in->direct = 0;
	assert(in->tail <= NBD_IN_SIZE);
	return direct;
}

size_t nbd_in_take(struct nbd_in *in, uint8_t *where, size_t len)
{
	size_t have = nbd_in_len(in);

	len = len < have ? len : have;
	if (where && len)
		memcpy(where, in->buf + in->head, len);
	in->head += len;
	return len;
}
