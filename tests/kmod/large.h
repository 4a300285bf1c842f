/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * large.h - the module's requests of more than 11 pages: who gets them, where
 * their bytes are, and what comes in their place.
 */
#ifndef TESTS_KMOD_LARGE_H
#define TESTS_KMOD_LARGE_H

void large_questions(int control); /* the ioctl and the mapping */
void large_requests(int control);  /* the window, and pieces */
void large_reattach(int control);  /* another tapdisk, with and without */

#endif /* TESTS_KMOD_LARGE_H */
