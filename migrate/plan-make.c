/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan-make.c - from an inventory to a plan, and the plan's hash.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/json.h"
#include "migrate/hash.h"
#include "migrate/host-int.h"
#include "migrate/plan-int.h"

char *plan_slurp(const struct host *host, const char *path, size_t *len)
{
	struct host copy = { .root = host->root, .live = host->live };
	char *text = host_slurp(&copy, path, len);

	mem_list_free(&copy.unread);
	return text;
}

/* What would have it read. */
static const char *cure_of(const char *unread)
{
	static const struct {
		int error;
		const char *cure;
	} cures[] = {
		{ EACCES, "run as root" },
		{ EPERM, "run as root" },
		{ EFBIG, "no configuration is so large: keep it elsewhere" },
		{ ELOOP, "remove the link" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cures); i++) {
		if (strstr(unread, strerror(cures[i].error)))
			return cures[i].cure;
	}
	return "mend it, or keep it elsewhere";
}

/* A configuration that nobody could read may be about the same image. */
static void refuse_unread(struct plan *plan, const struct host *host)
{
	static const char *const places[] = { "/etc/xen", "/etc/libvirt",
					      "/var/lib/xend" };

	for (size_t i = 0; i < host->unread.count; i++) {
		const char *unread = host->unread.item[i];

		for (size_t j = 0; j < ARRAY_SIZE(places); j++) {
			if (!strncmp(unread, places[j], strlen(places[j])))
				mem_list_add(&plan->refused, "%s: %s", unread,
					     cure_of(unread));
		}
	}
}

static void refuse_host(struct plan *plan, const struct host *host)
{
	if (host->toolstacks & HOST_XAPI)
		mem_list_add(&plan->refused,
			     "XAPI owns this host's configuration, which is "
			     "in its database: report only; upgrade the "
			     "storage manager and its blktap package");
	if (host->toolstacks & HOST_OPENXT)
		mem_list_add(&plan->refused,
			     "OpenXT's manager owns this host's "
			     "configuration: report only; its tapdisks' key "
			     "folders must be given to their successors");
	refuse_unread(plan, host);
}

static bool is_configured(const struct host *host, const struct host_disk *d)
{
	for (size_t i = 0; i < host->vm_count; i++) {
		const struct conf_vm *vm = &host->vms[i];

		for (size_t j = 0; j < vm->count; j++) {
			if (host_running(host, vm, &vm->disks[j]) == d)
				return true;
		}
	}
	return false;
}

/* Offsets of edits count only in the file that they were made from. */
static void hash(struct plan *plan, const struct host *host)
{
	struct json *json = json_new();
	char sum[HASH_ROOM];
	char *text;

	plan_json(plan, json);
	text = json_take(json, NULL);
	json_free(json);
	text = text ? text : mem_dup("");
	for (size_t i = 0; i < plan->action_count; i++) {
		const struct plan_action *a = &plan->actions[i];
		size_t len = 0;
		char *file = a->kind == PLAN_EDIT
				     ? plan_slurp(host, a->path, &len)
				     : NULL;
		char *more;

		if (!file)
			continue;
		hash_hex(sum, file, len);
		more = mem_printf("%s%s", text, sum);
		free(text);
		free(file);
		text = more;
	}
	hash_hex(plan->hash, text, strlen(text));
	free(text);
}

/* What a Xen too old for either form is to be upgraded to is the newest. */
static enum worlds_world target_of(const struct plan_options *options,
				   enum worlds_world now)
{
	if (options->target)
		return options->target >= 19 ? WORLDS_4_19 : WORLDS_4_13;
	return now == WORLDS_4_13 ? WORLDS_4_13 : WORLDS_4_19;
}

int plan_make(struct plan *out, const struct host *host,
	      const struct plan_options *options, struct err *err)
{
	struct plan_maker m = { .plan = out, .host = host };

	*out = (struct plan){ .options = *options };
	if (!out->options.allow)
		out->options.allow = PLAN_ALLOW(PLAN_COLD);
	if (!host->xen.text && !options->target)
		return err_set(err, -ENODATA,
			       "the version of Xen is not known: say for which "
			       "one it is to be, --target 4.N");
	m.now = host->xen.text
			? worlds_of(host->xen.major, host->xen.minor,
				    (host->toolstacks & HOST_XM) &&
					    !(host->toolstacks & HOST_XL))
			: worlds_of(4, options->target, false);
	m.target = target_of(options, m.now);
	out->options.goal.native = m.target == WORLDS_4_19;
	refuse_host(out, host);
	for (size_t i = 0; i < host->vm_count; i++) {
		const struct conf_vm *vm = &host->vms[i];

		if (vm->problem && !vm->count)
			plan_disk_make(&m, vm, NULL);
		for (size_t j = 0; j < vm->count; j++)
			plan_disk_make(&m, vm, &vm->disks[j]);
	}
	for (size_t i = 0; i < host->disk_count; i++) {
		if (!is_configured(host, &host->disks[i]))
			plan_orphan_make(&m, &host->disks[i]);
	}
	if (!out->refused.count)
		plan_actions_make(&m);
	hash(out, host);
	return 0;
}
