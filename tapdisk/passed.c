/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * passed.c - descriptors that were handed to this process, by name.
 *
 * They come on the loop's thread and are taken by a worker that opens an
 * image, so they are kept under a lock.
 */
#include "tapdisk/passed.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/err.h"
#include "lib/log.h"
#include "tapdisk/door.h"

struct slot {
	char name[PASSED_NAME];
	int fd;
};

struct passed {
	struct door *door;
	pthread_mutex_t lock;          /* of the rest */
	struct slot slots[PASSED_MAX]; /* the oldest first */
	unsigned count;
};

static int find(const struct passed *p, const char *name)
{
	for (unsigned i = 0; i < p->count; i++) {
		if (!strncmp(p->slots[i].name, name, PASSED_NAME - 1))
			return (int)i;
	}
	return -ENOENT;
}

static int remove_slot(struct passed *p, unsigned i)
{
	int fd = p->slots[i].fd;

	p->count--;
	memmove(&p->slots[i], &p->slots[i + 1],
		(p->count - i) * sizeof(p->slots[0]));
	return fd;
}

static void arrived(void *arg, int fd, const char *text)
{
	struct passed *p = arg;
	struct slot *slot;
	int old;

	if (!*text) {
		(void)close(fd); /* nothing was sent */
		log_warn("a descriptor without a name was passed in");
		return;
	}
	(void)pthread_mutex_lock(&p->lock); /* only fails if misused */
	old = find(p, text);
	if (old < 0 && p->count == PASSED_MAX)
		old = 0;
	old = old < 0 ? -1 : remove_slot(p, (unsigned)old);
	slot = &p->slots[p->count++];
	slot->fd = fd;
	(void)snprintf(slot->name, sizeof(slot->name), "%s",
		       text);                 /* cut, as it always was */
	(void)pthread_mutex_unlock(&p->lock); /* only fails if misused */
	if (old >= 0)
		(void)close(old); /* nothing was sent */
	log_info("a descriptor was passed in, called %s", text);
}

int passed_take(struct passed *p, const char *name)
{
	int i;

	if (!p)
		return -ENOENT;
	(void)pthread_mutex_lock(&p->lock); /* only fails if misused */
	i = find(p, name);
	if (i >= 0)
		i = remove_slot(p, (unsigned)i);
	(void)pthread_mutex_unlock(&p->lock); /* only fails if misused */
	return i;
}

bool passed_has(struct passed *p, const char *name)
{
	int i;

	if (!p)
		return false;
	(void)pthread_mutex_lock(&p->lock); /* only fails if misused */
	i = find(p, name);
	(void)pthread_mutex_unlock(&p->lock); /* only fails if misused */
	return i >= 0;
}

int passed_new(struct passed **out, struct loop *loop, const char *dir,
	       pid_t pid, struct err *err)
{
	struct passed *p = calloc(1, sizeof(*p));
	const struct door_events events = { arrived, p };
	char path[TAPCTL_PATH];
	int rc;

	if (!p)
		return err_set(err, -ENOMEM, "passed: no memory");
	if (tapctl_path(path, dir, "nbdclient%d", (int)pid) < 0)
		rc = err_set(err, -ENAMETOOLONG,
			     "%s: too long for the name of a socket", dir);
	else
		rc = door_new(&p->door, loop, path, true, &events, err);
	if (rc < 0) {
		free(p);
		return rc;
	}
	(void)pthread_mutex_init(&p->lock, NULL); /* cannot fail */
	*out = p;
	return 0;
}

void passed_free(struct passed *p)
{
	if (!p)
		return;
	door_free(p->door);
	while (p->count)
		(void)close(remove_slot(p, 0)); /* nothing was sent */
	(void)pthread_mutex_destroy(&p->lock);  /* nobody has it */
	free(p);
}
