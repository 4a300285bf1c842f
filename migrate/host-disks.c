/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-disks.c - disks of running domains, by their backends' directories.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/parse.h"
#include "migrate/host-int.h"

static const char *const kinds[] = { "vbd", "tap", "vbd3", "qdisk", "xenio" };

static int state(const char *value)
{
	uint64_t n;

	return value && parse_uint(&n, value, 0, 8) == 0 ? (int)n : -1;
}

/* "vhd:/x" is a type and a path; "/dev/x" a path alone. */
static void take_params(struct host_disk *d, const char *params)
{
	const char *colon = params ? strchr(params, ':') : NULL;

	if (!params)
		return;
	if (colon && params[0] != '/') {
		d->type = mem_ndup(params, (size_t)(colon - params));
		d->path = mem_dup(colon + 1);
	} else {
		d->path = mem_dup(params);
	}
}

/* By minor if there is one, else by type and path. */
static const struct host_tapdisk *find_tapdisk(const struct host *host,
					       const struct host_disk *d,
					       int minor)
{
	for (size_t i = 0; i < host->tapdisk_count; i++) {
		const struct host_tapdisk *t = &host->tapdisks[i];

		for (size_t j = 0; j < t->count; j++) {
			const struct host_image *image = &t->images[j];

			if (minor >= 0 ? image->minor == minor
				       : image->path && d->path && d->type &&
						 !strcmp(image->path, d->path))
				return t;
		}
	}
	return NULL;
}

static int tapdev_minor(const char *params)
{
	static const char node[] = "/dev/xen/blktap-2/tapdev";
	uint64_t n;

	if (!params || strncmp(params, node, sizeof(node) - 1) != 0 ||
	    parse_uint(&n, params + sizeof(node) - 1, 0, 65535) < 0)
		return -1;
	return (int)n;
}

static void take_image(struct host *host, struct host_disk *d)
{
	const char *params = host_node(host, "%s/params", d->back);
	const char *of_tap = host_node(host, "%s/tapdisk-params", d->back);
	const char *minor = host_node(host, "%s/minor", d->back);
	uint64_t n;
	int number = tapdev_minor(params);

	if (minor && parse_uint(&n, minor, 0, 65535) == 0)
		number = (int)n;
	if (number < 0)
		number = tapdev_minor(
			host_node(host, "%s/physical-device-path", d->back));
	take_params(d, of_tap ? of_tap : params);
	/* What the kernel serves without a tapdisk are plain bytes. */
	if (!d->type && d->path && !strcmp(d->kind, "vbd") &&
	    tapdev_minor(d->path) < 0)
		d->type = mem_dup("aio");
	d->tapdisk = find_tapdisk(host, d, number);
}

static void take_domain(struct host *host, struct host_disk *d)
{
	const char *vm = host_node(host, "/local/domain/%u/vm", d->domid);
	char *link = mem_printf("/sys/bus/xen-backend/devices/%s-%u-%u/driver",
				d->kind, d->domid, d->devid);
	char *driver = host_link(host, link);

	d->domain = mem_dup(host_node(host, "/local/domain/%u/name", d->domid));
	if (vm && !strncmp(vm, "/vm/", 4))
		d->uuid = mem_dup(vm + 4);
	if (driver)
		d->driver =
			mem_dup(strrchr(driver, '/') ? strrchr(driver, '/') + 1
						     : driver);
	free(driver);
	free(link);
}

static void take_disk(struct host *host, const char *kind, unsigned domid,
		      unsigned devid)
{
	struct host_disk *d =
		mem_add(&host->disks, &host->disk_count, sizeof(*host->disks));

	d->domid = domid;
	d->devid = devid;
	d->kind = mem_dup(kind);
	d->back = mem_printf("/local/domain/0/backend/%s/%u/%u", kind, domid,
			     devid);
	d->front = mem_dup(host_node(host, "%s/frontend", d->back));
	d->vdev = mem_dup(host_node(host, "%s/dev", d->back));
	d->back_state = state(host_node(host, "%s/state", d->back));
	d->front_state =
		d->front ? state(host_node(host, "%s/state", d->front)) : -1;
	take_domain(host, d);
	take_image(host, d);
	/*
	 * vbd3 is tapback's too: there the tapdisk tells. One of ours behind a
	 * tapdev is still the kernel's for the guest.
	 */
	d->ours = !strcmp(kind, "xenio") ||
		  host_node(host, "%s/xenio-owner", d->back) ||
		  (d->tapdisk && d->tapdisk->lineage == HOST_OURS &&
		   (!d->driver || strcmp(d->driver, "vbd") != 0));
}

static int by_domain(const void *a, const void *b)
{
	const struct host_disk *x = a, *y = b;

	if (x->domid != y->domid)
		return x->domid < y->domid ? -1 : 1;
	if (x->devid != y->devid)
		return x->devid < y->devid ? -1 : 1;
	return strcmp(x->kind, y->kind);
}

/* Nodes are sorted, so that those of one disk stand together. */
void host_disks_read(struct host *host)
{
	char kind[16], rest[32], last[64] = "", now[64];
	unsigned domid, devid;

	for (size_t i = 0; i < host->node_count; i++) {
		if (sscanf(host->nodes[i].path,
			   "/local/domain/0/backend/%15[a-z0-9]/%9u/%9u/%31s",
			   kind, &domid, &devid, rest) != 4)
			continue;
		(void)snprintf(now, sizeof(now), "%s/%u/%u", kind, domid,
			       devid); /* cut or not, it tells them apart */
		if (!strcmp(now, last))
			continue;
		memcpy(last, now, sizeof(last));
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			if (!strcmp(kinds[k], kind))
				take_disk(host, kind, domid, devid);
		}
	}
	if (host->disk_count)
		qsort(host->disks, host->disk_count, sizeof(*host->disks),
		      by_domain);
}
