/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-status.c - blktap-migrate status: who serves which running disk. */
#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "lib/json.h"
#include "migrate/cmd.h"
#include "migrate/worlds.h"

/* The way of a disk's data, as far as its nodes tell. */
static enum worlds_path way_of(const struct host *host,
			       const struct host_disk *d)
{
	const char *node = host_node(host, "%s/node", d->back);

	if (!strcmp(d->kind, "qdisk"))
		return WORLDS_QEMU;
	if (!strcmp(d->kind, "tap"))
		return WORLDS_BLKTAP1;
	if (strcmp(d->kind, "vbd") != 0 ||
	    host_node(host, "%s/xenio-owner", d->back))
		return WORLDS_RING;
	if (d->tapdisk || host_node(host, "%s/tapdisk-params", d->back))
		return WORLDS_TAPDISK;
	return node && !strncmp(node, "/dev/loop", 9) ? WORLDS_LOOP
						      : WORLDS_BLKBACK;
}

static const char *served_by(const struct host_disk *d)
{
	if (d->tapdisk)
		return host_lineage_name(d->tapdisk->lineage);
	return d->ours ? "ours" : "-";
}

static void print(const struct host *host)
{
	unsigned ours = 0;

	printf("%-16s %-6s %-10s %-11s %8s  %s\n", "domain", "disk", "way",
	       "tapdisk", "pid", "image");
	for (size_t i = 0; i < host->disk_count; i++) {
		const struct host_disk *d = &host->disks[i];

		printf("%-16s %-6s %-10s %-11s ",
		       d->domain ? d->domain : "(gone)",
		       d->vdev ? d->vdev : "-",
		       worlds_path_name(way_of(host, d)), served_by(d));
		if (d->tapdisk)
			printf("%8d", (int)d->tapdisk->pid);
		else
			printf("%8s", "-");
		printf("  %s%s%s\n", d->type ? d->type : "", d->type ? ":" : "",
		       d->path ? d->path : "-");
		ours += d->ours;
	}
	printf("%zu disks, %u ours\n", host->disk_count, ours);
}

static int print_json(const struct host *host)
{
	struct json *json = json_new();

	json_object(json, NULL);
	json_array(json, "disks");
	for (size_t i = 0; i < host->disk_count; i++) {
		const struct host_disk *d = &host->disks[i];

		json_object(json, NULL);
		host_disk_json(d, json);
		json_string(json, "way", worlds_path_name(way_of(host, d)));
		json_string(json, "tapdisk", served_by(d));
		if (d->tapdisk)
			json_int(json, "pid", d->tapdisk->pid);
		json_end(json);
	}
	json_end(json);
	json_end(json);
	return cmd_print(json);
}

static enum cmd_status run(const struct cmd_args *args, struct err *err)
{
	struct host host;
	int rc = host_read(&host, args->root, err);

	if (!rc && args->json)
		rc = print_json(&host);
	else if (!rc)
		print(&host);
	host_free(&host);
	return rc ? CMD_USAGE : CMD_DONE;
}

const struct cmd cmd_status = { "status", 0, run };
