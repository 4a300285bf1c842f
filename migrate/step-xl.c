/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * step-xl.c - running domains: their configuration, and disks exchanged.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "migrate/file.h"
#include "migrate/mem.h"
#include "migrate/step-int.h"
#include "migrate/xl.h"

static int look_update(const struct step *step, const struct step_env *env,
		       struct err *err)
{
	(void)step;
	(void)env;
	(void)err;
	return STEP_BETWEEN;
}

/* A domain that is gone starts with what its file says anyway. */
static bool runs(const struct step *step)
{
	const char *const words[] = { "xl", "domid", step->vm, NULL };

	return xl_run(words, NULL) == 0;
}

static int update(const struct step *step, const char *path, struct err *err)
{
	const char *const words[] = { "xl", "config-update", step->vm, path,
				      NULL };

	return runs(step) ? xl_run(words, err) : 0;
}

static int act_update(const struct step *step, const struct step_env *env,
		      struct err *err)
{
	cleanup_free char *path = mem_printf("%s%s", env->root, step->path);

	return update(step, path, err);
}

/* The file is put back after this: its old content is the backup's. */
static int undo_update(const struct step *step, const struct step_env *env,
		       struct err *err)
{
	cleanup_free char *path = mem_printf("%s%s", env->root, step->path);
	cleanup_free char *backup = step_backup(step, env);

	return update(step, file_exists(backup) ? backup : path, err);
}

/* Who serves the disk, as the inventory has it. */
static int look_hot(const struct step *step, const struct step_env *env,
		    struct err *err)
{
	struct host host;
	int place = STEP_BETWEEN;

	if (host_read(&host, env->root, err) < 0)
		return err->code;
	for (size_t i = 0; i < host.disk_count; i++) {
		const struct host_disk *d = &host.disks[i];

		if (d->domid == step->domid && d->devid == step->devid)
			place = d->ours ? STEP_AFTER : STEP_BEFORE;
	}
	host_free(&host);
	return place;
}

static int exchange(const struct step *step, bool attached, const char *line,
		    struct err *err)
{
	cleanup_free char *domid = mem_printf("%u", step->domid);
	cleanup_free char *devid = mem_printf("%u", step->devid);
	const char *const detach[] = { "xl", "block-detach", domid, devid,
				       NULL };
	const char *const attach[] = { "xl", "block-attach", domid, line,
				       NULL };
	int rc = attached ? xl_run(detach, err) : 0;

	return rc ? rc : xl_run(attach, err);
}

static int act_hot(const struct step *step, const struct step_env *env,
		   struct err *err)
{
	int place = look_hot(step, env, err);

	if (place < 0 || place == STEP_AFTER)
		return place < 0 ? place : 0;
	return exchange(step, place == STEP_BEFORE, step->new, err);
}

static int undo_hot(const struct step *step, const struct step_env *env,
		    struct err *err)
{
	int place = look_hot(step, env, err);

	if (place < 0 || place == STEP_BEFORE || !runs(step))
		return place < 0 ? place : 0;
	return exchange(step, place == STEP_AFTER, step->old, err);
}

const struct step_ops step_xl_update = { look_update, act_update, undo_update };
const struct step_ops step_xl_hot = { look_hot, act_hot, undo_hot };
