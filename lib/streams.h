/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* streams.h - what a program's standard streams need at its start and end. */
#ifndef LIB_STREAMS_H
#define LIB_STREAMS_H

/*
 * Descriptors 0 to 2 that were closed lead nowhere from now on: or the next
 * file that is opened would get the number, and be printed into.
 */
void streams_open(void);

/*
 * Write out what was printed. rc, or if that is 0 and not all could be
 * written, -errno, which is then also said on standard error.
 */
int streams_finish(int rc);

#endif /* LIB_STREAMS_H */
