/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* streams.c - what a program's standard streams need at its start and end. */
#include "lib/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void streams_open(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		/* The wrong way round, so that their use is an error still. */
		int mode = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null", mode); /* the lowest: fd */
	}
}

int streams_finish(int rc)
{
	bool failed = ferror(stdout);
	int err = EIO;

	if (fflush(stdout)) {
		err = errno;
		failed = true;
	}
	if (rc || !failed)
		return rc;
	(void)fprintf(stderr, "standard output: %s\n", strerror(err));
	return -err;
}
