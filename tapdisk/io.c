/* SPDX-License-Identifier: GPL-2.0-or-later */
/* io.c - picks the I/O engine and runs it at the end of each turn. */
#include "tapdisk/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "tapdisk/io-engine.h"

#define OFFLOAD_THREADS 2

static const struct io_engine *const engines[] = {
	&io_libaio,
	&io_sync,
#ifdef WITH_URING
	&io_uring,
#endif
};

static const struct io_engine *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
		if (!strcmp(engines[i]->name, name))
			return engines[i];
	return NULL;
}

static void end_of_turn(struct hook *h)
{
	struct io *io = container_of(h, struct io, hook);

	io->engine->flush(io);
}

int io_new(struct io **out, struct loop *loop, const char *engine,
	   unsigned depth, struct err *err)
{
	struct io *io = calloc(1, sizeof(*io));
	int ret;

	if (!io)
		return err_set(err, -ENOMEM, "no memory for I/O");
	io->loop = loop;
	list_init(&io->hook.link);
	io->engine = find(engine ? engine : "libaio");
	if (!io->engine) {
		free(io);
		return err_set(err, -EINVAL, "%s: no such I/O engine", engine);
	}
	ret = io_offload_open(io, OFFLOAD_THREADS, err);
	if (!ret)
		ret = io->engine->open(io, depth, err);
	if (ret) {
		io_free(io);
		return ret;
	}
	io->hook.run = end_of_turn;
	if (io->engine->flush)
		loop_hook(loop, &io->hook);
	*out = io;
	return 0;
}

void io_free(struct io *io)
{
	if (!io)
		return;
	if (list_linked(&io->hook.link))
		loop_unhook(&io->hook);
	io->engine->close(io);
	io_offload_close(io);
	free(io);
}

void io_start(struct io *io, int fd, struct req *req)
{
	io->engine->submit(io, fd, req);
}

bool io_fenced(const struct io *io)
{
	return io->engine->fenced;
}
