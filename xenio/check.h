/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.h - what of Xen this machine has.
 */
#ifndef XENIO_CHECK_H
#define XENIO_CHECK_H

#include <stdbool.h>
#include <stdio.h>

/* A line each for xenstore, gntdev and evtchn; whether all are there. */
bool check_print(FILE *out);

#endif /* XENIO_CHECK_H */
