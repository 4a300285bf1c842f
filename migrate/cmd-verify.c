/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-verify.c - blktap-migrate verify: is it as the last migration left it,
 * and is what it left sound.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/json.h"
#include "migrate/cmd.h"
#include "migrate/mem.h"
#include "migrate/move.h"
#include "migrate/ranges.h"

/* What was looked at, and what of it is not as it should be. */
struct finds {
	unsigned good;
	struct mem_list bad;
};

static void __attribute__((format(printf, 3, 4)))
find(struct finds *f, bool good, const char *fmt, ...)
{
	va_list ap;
	char *text;

	if (good) {
		f->good++;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	mem_list_add(&f->bad, "%s", text);
	free(text);
}

/* Each step is wholly done, or wholly undone. */
static void check_steps(struct finds *f, const struct move *m)
{
	bool back = m->state == MOVE_BACK;

	find(f, back || m->state == MOVE_DONE,
	     "%s was cut off: resume or rollback", m->id);
	if (!back && m->state != MOVE_DONE)
		return;
	for (size_t i = 0; i < m->count; i++) {
		struct err err = { 0 };
		int place = step_look(&m->steps[i], &m->env, &err);
		char *text = step_tell(&m->steps[i]);

		find(f, place >= 0, "%s: %s", text, err.msg);
		find(f,
		     place < 0 || place == STEP_BETWEEN ||
			     (place == STEP_BEFORE) == back,
		     "%s: is %s", text, back ? "not undone" : "not done");
		free(text);
	}
}

static bool is_of(const struct conf_vm *vm, const char *path)
{
	for (size_t i = 0; i < vm->count; i++) {
		const char *target = vm->disks[i].target;
		const char *at = target ? strstr(target, path) : NULL;

		/* A script's has its type before it. */
		if (at && !at[strlen(path)] && (at == target || at[-1] == ':'))
			return true;
	}
	return false;
}

/* In use, or of a file that was changed: others are not our affair. */
static bool concerns(const struct host_chain *c, const struct host *host,
		     const struct move *m)
{
	const char *path = strchr(c->layers.item[0], ':') + 1;

	for (size_t i = 0; i < host->disk_count; i++) {
		if (host->disks[i].path && !strcmp(host->disks[i].path, path))
			return true;
	}
	for (size_t i = 0; i < host->vm_count; i++) {
		const struct conf_vm *vm = &host->vms[i];

		if (is_of(vm, path) && move_touches(m, vm->path))
			return true;
	}
	return c->openers > 0;
}

static void check_chain(struct finds *f, const struct host_chain *c)
{
	const char *name = c->layers.count ? c->layers.item[0] : "?";

	find(f, !c->problem, "%s: %s", name, c->problem ? c->problem : "");
	find(f, c->openers - c->paused < 2, "%s: %u tapdisks have it open",
	     name, c->openers - c->paused);
}

/* A raw image reads the same through its tapdisk and around it. */
static void check_data(struct finds *f, const struct host *host,
		       const struct host_disk *d, unsigned ranges)
{
	const struct host_tapdisk *t = d->tapdisk;
	char *file = mem_printf("%s%s", host->root, d->path ? d->path : "");

	for (size_t i = 0; t && d->path && i < t->count; i++) {
		const struct host_image *image = &t->images[i];
		struct err err = { 0 };
		char *socket;

		if (!image->path || strcmp(image->path, d->path) != 0 ||
		    !image->type || strcmp(image->type, "aio") != 0 ||
		    image->state > 0) /* paused, or on the way */
			continue;
		socket = mem_printf("%s/run/blktap-control/nbd%d.%d",
				    host->root, (int)t->pid, image->minor);
		find(f, !ranges_compare(socket, file, ranges, &err), "%s: %s",
		     d->path, err.msg);
		free(socket);
	}
	free(file);
}

static void check_disk(struct finds *f, const struct host *host,
		       const struct host_disk *d)
{
	find(f, d->domain != NULL, "%s: its domain is gone", d->back);
	if (!d->domain || !d->ours)
		return;
	find(f, d->tapdisk && d->tapdisk->answers,
	     "%s: is ours, and no tapdisk answers for it", d->back);
	find(f, d->front_state != 4 || d->back_state == 4,
	     "%s: the guest is connected, the backend in state %d", d->back,
	     d->back_state);
	find(f,
	     !d->path || host_chain(host, d->path) || !d->type ||
		     strcmp(d->type, "vhd") != 0,
	     "%s: %s: its chain cannot be read", d->back, d->path);
}

static int tell(const struct finds *f, const struct move *m, bool as_json)
{
	struct json *json;

	if (!as_json) {
		for (size_t i = 0; i < f->bad.count; i++)
			(void)printf("BAD  %s\n", f->bad.item[i]);
		(void)printf("%s, %s: %u looked at and sound, %zu not\n", m->id,
			     move_state_name(m->state), f->good, f->bad.count);
		return 0;
	}
	json = json_new();
	json_object(json, NULL);
	json_string(json, "id", m->id);
	json_string(json, "state", move_state_name(m->state));
	json_uint(json, "good", f->good);
	mem_list_json(&f->bad, json, "bad");
	json_end(json);
	return cmd_print(json);
}

static enum cmd_status verify(struct move *m, const struct cmd_args *args,
			      struct err *err)
{
	struct finds f = { 0 };
	enum cmd_status status = CMD_DONE;
	struct host host;

	if (host_read(&host, args->root, err) < 0)
		return CMD_REFUSED;
	check_steps(&f, m);
	for (size_t i = 0; i < host.chain_count; i++) {
		if (concerns(&host.chains[i], &host, m))
			check_chain(&f, &host.chains[i]);
	}
	for (size_t i = 0; i < host.disk_count; i++)
		check_disk(&f, &host, &host.disks[i]);
	for (size_t i = 0; i < host.disk_count; i++) {
		if (host.disks[i].ours && host.disks[i].domain)
			check_data(&f, &host, &host.disks[i], args->ranges);
	}
	host_free(&host);
	if (tell(&f, m, args->json) < 0 || f.bad.count)
		status = CMD_REFUSED;
	mem_list_free(&f.bad);
	return status;
}

static enum cmd_status run(const struct cmd_args *args, struct err *err)
{
	enum cmd_status status = CMD_REFUSED;
	struct move m;

	if (!move_open(&m, args->root, err) && !move_load(&m, args->id, err))
		status = verify(&m, args, err);
	move_close(&m);
	return status;
}

const struct cmd cmd_verify = { "verify", CMD_ID | CMD_RANGES, run };
