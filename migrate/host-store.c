/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-store.c - xenstore: of a live host, or as "xenstore-ls -f" printed it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/xen.h"
#include "migrate/host-int.h"

#define DUMP "/xenstore-ls"

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct host_node *)a)->path,
		      ((const struct host_node *)b)->path);
}

static void sort(struct host *host)
{
	if (host->node_count)
		qsort(host->nodes, host->node_count, sizeof(*host->nodes),
		      by_path);
}

static void add(struct host *host, char *path, char *value)
{
	struct host_node *node =
		mem_add(&host->nodes, &host->node_count, sizeof(*host->nodes));

	node->path = path;
	node->value = value;
}

/* As xenstore-ls escapes: \n, \t, \\, \", and bytes in hexadecimal. */
static char *unescape(const char *s, size_t len)
{
	static const char from[] = "ntr\\\"'", to[] = "\n\t\r\\\"'";
	char *out = mem_zalloc(len + 1);
	char *at = out;

	for (size_t i = 0; i < len; i++) {
		const char *e = i + 1 < len && s[i] == '\\'
					? strchr(from, s[i + 1])
					: NULL;

		*at++ = e && *e ? to[e - from] : s[i];
		i += e && *e;
	}
	return out;
}

/* /path = "value", and whatever follows the last quote. */
static void take_line(struct host *host, const char *line, size_t len)
{
	static const char mid[] = " = \"";
	const char *eq = memmem(line, len, mid, sizeof(mid) - 1);
	const char *value = eq ? eq + sizeof(mid) - 1 : NULL;
	const char *end = eq ? memrchr(line, '"', len) : NULL;

	if (!eq || line[0] != '/' || end < value)
		return;
	add(host, mem_ndup(line, (size_t)(eq - line)),
	    unescape(value, (size_t)(end - value)));
}

void host_store_parse(struct host *host, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		take_line(host, text, len);
		text += len + (text[len] == '\n');
	}
	sort(host);
}

/* Depth is bounded: a guest may not make us recurse. */
static void walk(struct host *host, struct xen *xen, const char *path,
		 unsigned depth)
{
	char *value = xen->read(xen, 0, path);
	char **names = depth ? xen->list(xen, 0, path) : NULL;

	if (value)
		add(host, mem_dup(path), value);
	for (char **n = names; n && *n; n++) {
		char *sub = mem_printf("%s/%s", path, *n);

		walk(host, xen, sub, depth - 1);
		free(sub);
	}
	free(names);
}

static void walk_domain(struct host *host, struct xen *xen, const char *domid)
{
	static const struct {
		const char *name;
		unsigned depth;
	} parts[] = {
		{ "name", 0 },          { "vm", 0 },
		{ "backend/vbd", 3 },   { "backend/vbd3", 3 },
		{ "backend/tap", 3 },   { "backend/qdisk", 3 },
		{ "backend/xenio", 3 }, { "device/vbd", 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		char *path =
			mem_printf("/local/domain/%s/%s", domid, parts[i].name);

		walk(host, xen, path, parts[i].depth);
		free(path);
	}
}

static int read_live(struct host *host, struct err *err)
{
	struct xen *xen;
	char **domids;

	if (!host_exists(host, "/proc/xen/capabilities") &&
	    !host_exists(host, "/dev/xen/xenbus"))
		return 0;
	if (xen_open(&xen, XEN_STORE, err) < 0) {
		mem_list_add(&host->unread, "xenstore: %s", err->msg);
		*err = (struct err){ 0 };
		return 0;
	}
	domids = xen->list(xen, 0, "/local/domain");
	for (char **d = domids; d && *d; d++)
		walk_domain(host, xen, *d);
	free(domids);
	xen->free(xen);
	sort(host);
	return 0;
}

int host_store_read(struct host *host, struct err *err)
{
	char *text;

	if (host->live)
		return read_live(host, err);
	text = host_slurp(host, DUMP, NULL);
	if (text)
		host_store_parse(host, text);
	else
		mem_list_add(&host->unread, "%s: not captured", DUMP);
	free(text);
	return 0;
}
