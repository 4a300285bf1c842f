/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cleanup.h - locals that are let go of when their scope ends.
 *
 *	cleanup_free char *path = strdup(...);
 *	cleanup_fd int fd = open(...);
 */
#ifndef LIB_CLEANUP_H
#define LIB_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fd_(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* nothing was written through it */
}

#define cleanup_free __attribute__((cleanup(cleanup_free_)))
#define cleanup_fd   __attribute__((cleanup(cleanup_fd_)))

#endif /* LIB_CLEANUP_H */
