/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-host.c - any text as what a host's files and tools say.
 *
 * The same text is taken for each: xenstore-ls, tap-ctl list, /proc/modules,
 * module lists, udev rules, DKMS, dpkg's status. Of what comes out a plan is
 * made and all of it is written as JSON.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/json.h"
#include "migrate/host-int.h"
#include "migrate/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *copy_of(const uint8_t *data, size_t size)
{
	char *text = mem_zalloc(size + 1);

	if (size)
		memcpy(text, data, size);
	return text;
}

static void parse(struct host *host, const uint8_t *data, size_t size)
{
	static const enum host_what lists[] = { HOST_MODULE_LINE, HOST_MODPROBE,
						HOST_UDEV, HOST_DKMS_AUTO };
	char *text = copy_of(data, size);

	host_store_parse(host, text);
	host_tapdisks_parse(host, text);
	host_packages_parse(host, text);
	host_loaded_parse(host, text);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		free(text);
		text = copy_of(data, size);
		host_lines_parse(host, lists[i], "/list", text);
	}
	free(text);
}

static void check(const struct host *host)
{
	for (size_t i = 1; i < host->node_count; i++)
		assert(strcmp(host->nodes[i - 1].path, host->nodes[i].path) <=
		       0);
	for (size_t i = 0; i < host->node_count; i++)
		assert(host_node(host, "%s", host->nodes[i].path));
	for (size_t i = 0; i < host->disk_count; i++)
		assert(host->disks[i].back_state >= -1 &&
		       host->disks[i].back_state <= 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct plan_options options = {
		.target = 20,
		.leftovers = true,
		.allow = PLAN_ALLOW(PLAN_COLD) | PLAN_ALLOW(PLAN_LIVE),
	};
	struct host host = { .root = mem_dup("/nowhere") };
	struct json *json = json_new();
	struct plan plan;
	char *text;

	parse(&host, data, size);
	host_disks_read(&host);
	check(&host);
	assert(!plan_make(&plan, &host, &options, NULL));
	host_json(&host, json);
	text = json_take(json, NULL);
	assert(text);
	free(text);
	json_free(json);
	plan_free(&plan);
	host_free(&host);
	return 0;
}
