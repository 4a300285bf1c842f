/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.c - what of Xen this machine has: "xenio --check".
 */
#include "xenio/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/xen.h"

static bool say(FILE *out, const char *what, const char *wrong)
{
	if (wrong)
		(void)fprintf(out, "%s: missing: %s\n", what, wrong);
	else
		(void)fprintf(out, "%s: ok\n", what);
	return !wrong;
}

static bool check_store(FILE *out)
{
	struct xen *xen = NULL;
	struct err err = { .code = 0 };

	if (xen_open(&xen, XEN_STORE, &err) < 0)
		return say(out, "xenstore", err.msg);
	xen->free(xen);
	return say(out, "xenstore", NULL);
}

static bool check_node(FILE *out, const char *what, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char text[128];

	if (fd >= 0) {
		(void)close(fd); /* it was only opened */
		return say(out, what, NULL);
	}
	(void)snprintf(text, sizeof(text), "%s: %s", path, strerror(errno));
	return say(out, what, text);
}

bool check_print(FILE *out)
{
	bool store = check_store(out);
	bool gntdev = check_node(out, "gntdev", "/dev/xen/gntdev");
	bool evtchn = check_node(out, "evtchn", "/dev/xen/evtchn");

	return store && gntdev && evtchn;
}
