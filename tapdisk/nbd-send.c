/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-send.c - answers on their way to an NBD client.
 */
#include "tapdisk/nbd-send.h"

#include <errno.h>
#include <sys/socket.h>

#define VECTORS 256 /* of one call: 128 answers with data */

void nbd_send_init(struct nbd_send *s, void *arg)
{
	*s = (struct nbd_send){ .arg = arg };
	list_init(&s->queue);
}

void nbd_send_add(struct nbd_send *s, struct nbd_out *out)
{
	list_add_tail(&s->queue, &out->link);
}

static struct nbd_out *first(const struct nbd_send *s)
{
	return container_of(s->queue.next, struct nbd_out, link);
}

/* Appends a vector without its first *skip bytes; those left are *skip. */
static int add_vector(struct iovec *iov, const void *base, size_t len,
		      size_t *skip)
{
	if (*skip >= len) {
		*skip -= len;
		return 0;
	}
	iov->iov_base = (char *)(uintptr_t)base + *skip;
	iov->iov_len = len - *skip;
	*skip = 0;
	return 1;
}

static int gather(const struct nbd_send *s, struct iovec *iov)
{
	size_t skip = s->done;
	struct list *pos, *next;
	struct nbd_out *out;
	int count = 0;

	list_for_each (&s->queue, pos, next) {
		out = container_of(pos, struct nbd_out, link);
		if (count + 2 > VECTORS)
			break;
		count += add_vector(iov + count, out->head, out->head_len,
				    &skip);
		count += add_vector(iov + count, out->data, out->data_len,
				    &skip);
	}
	return count;
}

static void advance(struct nbd_send *s, size_t len)
{
	struct nbd_out *out;

	s->done += len;
	while (!list_empty(&s->queue)) {
		out = first(s);
		if (s->done < out->head_len + out->data_len)
			return;
		s->done -= out->head_len + out->data_len;
		list_del(&out->link);
		if (out->sent)
			out->sent(s->arg, out);
	}
}

int nbd_send_push(struct nbd_send *s, int fd)
{
	struct iovec iov[VECTORS];
	struct msghdr msg = { .msg_iov = iov };
	ssize_t n;

	while (!list_empty(&s->queue)) {
		msg.msg_iovlen = (size_t)gather(s, iov);
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0)
			advance(s, (size_t)n);
		else if (errno != EINTR)
			return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	}
	return 0;
}
