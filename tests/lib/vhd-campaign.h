/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhd-campaign.h - power cuts and full disks under a change of images.
 *
 * A change is run once and recorded.  Then, after each of its writes, the
 * disk is taken as a power cut would leave it: with all writes so far, and
 * with each one missing that no sync had confirmed.  What is left must open,
 * check (after a revert, if there is a journal, and a repair) and hold what
 * the chain held before the change, or holds after it.  Then the change is
 * run with the nth write failing for want of room.
 */
#ifndef TESTS_VHD_CAMPAIGN_H
#define TESTS_VHD_CAMPAIGN_H

#include "tests/lib/vhd-kit.h"

#define VHD_CAMPAIGN_SECTORS 320 /* of each image that are compared */

struct vhd_campaign {
	const char *name;
	void (*prepare)(struct vhd_mem *m);
	int (*run)(struct vhd_mem *m);
	int (*fn)(struct vhd *vhd); /* instead of run: a change of on */
	const char *on;
	/* When it is done; NULL or why it is not right. */
	const char *(*judge)(struct vhd_mem *m, const uint8_t *before);
	/* Of anything that may be left. */
	const char *(*always)(struct vhd_mem *m);
	const char *leaf; /* which holds the old or the new; or NULL */
	const char *made; /* may not open, but if it does, is whole */
	bool partial;     /* what was made may lack what was not copied yet */
	bool strict;      /* no repair is needed, ever */
	bool loose;       /* check has something to say even when all is well */
};

/* Prints how many cut points there were; fails the test that runs. */
void vhd_campaign(const struct vhd_campaign *s);

/* Open an image, change it, close it. */
int vhd_campaign_change(struct vhd_mem *m, const char *name,
			int (*fn)(struct vhd *vhd));

#endif /* TESTS_VHD_CAMPAIGN_H */
