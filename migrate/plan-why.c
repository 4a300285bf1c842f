/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan-why.c - what forbids a step, each with what would make it safe; and
 * what a line meant before.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/parse.h"
#include "migrate/host-int.h"
#include "migrate/live.h"
#include "migrate/plan-int.h"

#define ORDER_MAX    4
#define SEGMENTS_MAX 256
#define QUEUES_MAX   16

static bool is_held(const char *user)
{
	return strncmp(user, "vbd-", 4) != 0;
}

/* The tapdev of an image, by its tapdisk's minor. */
static const struct host_tapdev *tapdev_of(const struct host *host,
					   const char *path)
{
	int minor = -1;

	for (size_t i = 0; i < host->tapdisk_count; i++) {
		const struct host_tapdisk *t = &host->tapdisks[i];

		for (size_t j = 0; j < t->count; j++) {
			if (t->images[j].path &&
			    !strcmp(t->images[j].path, path))
				minor = t->images[j].minor;
		}
	}
	for (size_t i = 0; minor >= 0 && i < host->tapdev_count; i++) {
		if (host->tapdevs[i].minor == (unsigned)minor)
			return &host->tapdevs[i];
	}
	return NULL;
}

bool plan_image_bad(const struct host *host, struct plan_disk *d,
		    const char *path)
{
	const struct host_chain *chain = host_chain(host, path);
	const struct host_tapdev *dev = path ? tapdev_of(host, path) : NULL;
	size_t before = d->refused.count;

	if (chain && chain->openers > 1)
		mem_list_add(&d->refused,
			     "%s is open in %u tapdisks: shut all but one of "
			     "its users down",
			     path, chain->openers);
	if (chain && chain->missing)
		mem_list_add(&d->refused,
			     "%s is not there: bring its storage, or mend the "
			     "line",
			     path);
	else if (chain && chain->problem)
		mem_list_add(&d->refused,
			     "%s: vhd-util check -p must find nothing: repair "
			     "it, or restore it",
			     chain->problem);
	if (chain && chain->dirty && !chain->openers && !d->running)
		mem_list_add(&d->refused,
			     "%s was not closed: vhd-util repair -n it while "
			     "nobody uses it",
			     path);
	for (size_t i = 0; dev && i < dev->users.count; i++) {
		if (is_held(dev->users.item[i]))
			mem_list_add(&d->refused,
				     "tapdev%u is in use here, %s: let go of "
				     "it first",
				     dev->minor, dev->users.item[i]);
	}
	return d->refused.count > before;
}

static void refuse_live(struct plan_disk *d, const char *what,
			const char *value, const char *cure)
{
	mem_list_add(&d->refused, "live: %s%s%s: %s", what, value ? " " : "",
		     value ? value : "", cure);
}

static bool kernel_fits(const struct host *host)
{
	return host->kernel.major > 5 ||
	       (host->kernel.major == 5 && host->kernel.minor >= 6);
}

/* A number that the guest wrote; none is least. */
static bool within(const char *value, uint64_t most)
{
	uint64_t n;

	return !value || parse_uint(&n, value, 0, most) == 0;
}

/* What the guest negotiated must be known, and be ours as well. */
static void check_front(const struct host *host, struct plan_disk *d)
{
	static const char reboot[] = "COLD, with the guest's next boot";
	static const char *const protocols[] = { "x86_64-abi", "x86_32-abi" };
	const char *front = d->running->front ? d->running->front : "";
	const char *back = d->running->back;
	const char *protocol = host_node(host, "%s/protocol", front);
	const char *order = host_node(host, "%s/ring-page-order", front);
	const char *queues =
		host_node(host, "%s/multi-queue-num-queues", front);
	const char *segments =
		host_node(host, "%s/feature-max-indirect-segments", back);
	const char *secure = host_node(host, "%s/discard-secure", back);

	if (!protocol)
		refuse_live(d, "the frontend's protocol is not known", NULL,
			    reboot);
	else if (strcmp(protocol, protocols[0]) != 0 &&
		 strcmp(protocol, protocols[1]) != 0)
		refuse_live(d, "the frontend speaks", protocol, reboot);
	if (!host_node(host, "%s/ring-ref", front) &&
	    !host_node(host, "%s/ring-ref0", front) &&
	    !host_node(host, "%s/queue-0/ring-ref", front) &&
	    !host_node(host, "%s/queue-0/ring-ref0", front))
		refuse_live(d, "the frontend names no ring", NULL, reboot);
	if (!within(order, ORDER_MAX))
		refuse_live(d, "the frontend's ring is of order", order,
			    reboot);
	if (!within(queues, QUEUES_MAX))
		refuse_live(d, "the frontend's number of queues is", queues,
			    reboot);
	if (!within(segments, SEGMENTS_MAX))
		refuse_live(d, "blkback took more segments than we do,",
			    segments, reboot);
	if (secure && strcmp(secure, "0") != 0)
		refuse_live(d, "the guest may discard securely", NULL, reboot);
}

/* On the spot, whoever would do it is asked: more than nodes must fit. */
static void ask_live(struct plan_disk *d)
{
	cleanup_free char *spec =
		mem_printf("%s:%s", d->running->type, d->running->path);
	const struct live_request req = { .domid = d->running->domid,
					  .devid = d->running->devid,
					  .spec = spec };
	struct err err = { 0 };
	struct live_env *env;
	struct live *live;

	if (live_env_open(&env, NULL, &err) < 0) {
		refuse_live(d, err.msg, NULL, "run as root in domain 0");
		return;
	}
	if (live_open(&live, env, &req, &err) == 0) {
		if (live_may_take(live, &err) < 0)
			refuse_live(d, err.msg, NULL, "COLD until then");
		live_close(live);
	} else {
		refuse_live(d, err.msg, NULL, "COLD until then");
	}
	live_env_close(env);
}

bool plan_live_fits(const struct host *host, struct plan_disk *d)
{
	const struct host_disk *r = d->running;
	const char *online = host_node(host, "%s/online", r->back);
	size_t before = d->refused.count;

	if (!kernel_fits(host))
		refuse_live(d, "kernel",
			    host->kernel.text ? host->kernel.text
					      : "of an unknown version",
			    "5.6 is the first whose blkback lets go of a disk "
			    "that is in use; COLD until then");
	if (strcmp(r->kind, "vbd") != 0 || !r->driver ||
	    strcmp(r->driver, "vbd") != 0)
		refuse_live(d, "the kernel's blkback does not serve it", NULL,
			    "COLD, with the guest's next boot");
	if (r->back_state != 4 || r->front_state != 4 || !online ||
	    strcmp(online, "1") != 0)
		refuse_live(d, "it is not connected, or on its way out", NULL,
			    "wait, and plan again");
	if (!r->type || !r->path)
		refuse_live(d, "what image it has is not known", NULL,
			    "COLD, with the guest's next boot");
	check_front(host, d);
	if (d->refused.count == before && host->live)
		ask_live(d);
	return d->refused.count == before;
}

bool plan_serve_fits(const struct host *host, struct plan_disk *d)
{
	static const char hold[] = "/sys/module/blktap/parameters/hold_seconds";
	const struct host_tapdisk *t = d->running->tapdisk;
	const char *what = NULL, *cure = "from the guest's next start on";

	if (strcmp(d->running->kind, "vbd") != 0 || d->running->ours)
		return false;
	if (!host_exists(host, hold))
		what = "the module lets no other tapdisk attach to a device "
		       "in use, as ours does";
	else if (!t->answers || t->count != 1)
		what = "its tapdisk does not answer, or has other disks too";
	else if (t->images[0].state != 0 || !t->images[0].path)
		what = "its tapdisk has no image open, or is paused";
	if (what)
		mem_list_add(&d->refused, "serve: %s: %s", what, cure);
	return !what;
}

bool plan_hot_fits(struct plan_disk *d)
{
	const struct conf_vm *vm = d->vm;

	if (vm->count && d->disk == &vm->disks[0]) {
		mem_list_add(&d->refused, "hot: the guest's first disk, which "
					  "it has booted from: COLD or LIVE");
		return false;
	}
	if (vm->kind != CONF_XL) {
		mem_list_add(&d->refused, "hot: it is not xl's to attach and "
					  "detach: COLD");
		return false;
	}
	return true;
}

static const char *what_it_means(const struct conf_disk *disk,
				 enum worlds_path path)
{
	bool vhd = disk->type && !strcmp(disk->type, "vhd");

	switch (path) {
	case WORLDS_LOOP:
		return " (writes that the guest believes safe may be in "
		       "the page cache)";
	case WORLDS_QEMU:
		return vhd ? " (its own cache mode and locks, and it writes "
			     "VHDs without batmap)"
			   : " (its own cache mode and locks)";
	case WORLDS_ERROR:
		return " (the guest does not start)";
	case WORLDS_NONE:
	case WORLDS_BLKBACK:
	case WORLDS_BLKTAP1:
	case WORLDS_TAPDISK:
	case WORLDS_RING:
	case WORLDS_OTHER:
		break;
	}
	return "";
}

/* One stretch of worlds in which the line takes the same way. */
static char *tell(const struct plan_maker *m, const struct conf_disk *disk,
		  char *text, enum worlds_path path, const unsigned span[2])
{
	const char *way =
		path == WORLDS_ERROR ? "refused" : worlds_path_name(path);
	const char *name = worlds_name((enum worlds_world)span[0]);
	bool now = span[0] <= (unsigned)m->now && (unsigned)m->now < span[1];
	const char *verb = now                          ? "is "
			   : span[0] > (unsigned)m->now ? "would be "
			   : text                       ? ""
							: "was ";
	char *more = mem_printf(
		"%s%s%s%s %s%s%.*s", text ? text : "", text ? ", " : "", verb,
		way, text ? "since " : "with ", span[0] ? "Xen " : "",
		(int)strcspn(name, "-"), name);

	free(text);
	text = more;
	if (now) {
		more = mem_printf("%s%s", text, what_it_means(disk, path));
		free(text);
		text = more;
	}
	return text;
}

void plan_changes(struct plan_maker *m, struct plan_disk *d)
{
	/* The line was written when the module was there. */
	struct worlds_host about = {
		.module = true,
		.device = d->disk->target &&
			  host_is_device(m->host, d->disk->target),
		.hvm = d->vm->hvm,
		.libvirt = d->vm->kind == CONF_LIBVIRT,
	};
	enum worlds_path path[WORLDS_COUNT];
	unsigned end = (unsigned)m->target, spans = 0;
	char *text = NULL;

	for (unsigned w = 0; w <= end; w++) {
		about.module = w != (unsigned)m->now || m->host->module;
		path[w] = worlds_path((enum worlds_world)w, d->disk, &about,
				      NULL);
	}
	for (unsigned w = 0, next; w <= end; w = next) {
		for (next = w + 1; next <= end && (path[next] == path[w] ||
						   path[next] == WORLDS_NONE);)
			next++;
		if (path[w] == WORLDS_NONE)
			continue;
		text = tell(m, d->disk, text, path[w],
			    (const unsigned[]){ w, next });
		spans++;
	}
	if (spans > 1)
		mem_list_add(&d->changes, "%s; %s", text,
			     d->new ? "becomes ring" : "left as it is");
	free(text);
}
