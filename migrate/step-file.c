/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * step-file.c - files that are edited, created, and links that are removed.
 *
 * The backup of an edited file is the file itself under a second name: what
 * rollback brings back has its owner, its times and its attributes, since it
 * never was another.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "migrate/file.h"
#include "migrate/hash.h"
#include "migrate/mem.h"
#include "migrate/step-int.h"

static char *rooted(const struct step *step, const struct step_env *env)
{
	return mem_printf("%s%s", env->root, step->path);
}

char *step_content(const struct step *step, const struct step_env *env)
{
	return mem_printf("%s/%u.new", env->dir, step->number);
}

char *step_backup(const struct step *step, const struct step_env *env)
{
	return mem_printf("%s%s.blktap-migrate.%s", env->root, step->path,
			  env->id);
}

static int sum_of(char sum[HASH_ROOM], const char *path, struct err *err)
{
	char *text;
	size_t len;
	int rc = file_read(path, &text, &len, err);

	if (rc)
		return rc;
	hash_hex(sum, text, len);
	free(text);
	return 0;
}

static int look_edit(const struct step *step, const struct step_env *env,
		     struct err *err)
{
	cleanup_free char *path = rooted(step, env);
	char sum[HASH_ROOM];
	int rc = sum_of(sum, path, err);

	if (rc)
		return rc;
	if (!strcmp(sum, step->new_sum))
		return STEP_AFTER;
	if (!strcmp(sum, step->old_sum))
		return STEP_BEFORE;
	return err_set(err, -ESTALE,
		       "%s: somebody has changed it since; neither what was "
		       "planned nor what was there",
		       path);
}

/* The old file has its second name. */
static int keep(const char *path, const char *backup, const char *old_sum,
		struct err *err)
{
	char sum[HASH_ROOM];

	if (link(path, backup) == 0)
		return file_sync_dir(path, err);
	if (errno != EEXIST)
		return err_sys(err, "%s", backup);
	if (sum_of(sum, backup, err) < 0)
		return err->code;
	if (strcmp(sum, old_sum) != 0)
		return err_set(err, -EEXIST, "%s: is there, and no backup",
			       backup);
	return 0;
}

/* What a step writes was put down before the journal was begun. */
static int content(const struct step *step, const struct step_env *env,
		   char **text, size_t *len, struct err *err)
{
	cleanup_free char *path = step_content(step, env);
	char sum[HASH_ROOM];
	int rc = file_read(path, text, len, err);

	if (rc)
		return rc;
	hash_hex(sum, *text, *len);
	if (!strcmp(sum, step->new_sum))
		return 0;
	free(*text);
	return err_set(err, -EUCLEAN, "%s: damaged", path);
}

/*
 * libvirt holds what it has read of its files, and writes it back: they are
 * edited while it does not run.
 */
static int owner_rests(const struct step *step, const struct step_env *env,
		       struct err *err)
{
	static const char *const pids[] = { "libvirtd.pid", "virtxend.pid" };

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		cleanup_free char *path =
			mem_printf("%s/run/%s", env->root, pids[i]);

		if (!strncmp(step->path, "/etc/libvirt/", 13) &&
		    file_exists(path))
			return err_set(err, -EBUSY,
				       "%s: libvirt runs (%s) and would write "
				       "it again: stop it, and start it after",
				       step->path, path);
	}
	return 0;
}

int step_may_write(const struct step *step, const struct step_env *env,
		   struct err *err)
{
	if (strstr(step->path, "/../"))
		return err_set(err, -EINVAL, "%s: no path to write to",
			       step->path);
	return owner_rests(step, env, err);
}

static int act_edit(const struct step *step, const struct step_env *env,
		    struct err *err)
{
	cleanup_free char *path = rooted(step, env);
	cleanup_free char *backup = step_backup(step, env);
	cleanup_free char *text = NULL;
	struct stat st;
	size_t len;
	int rc = content(step, env, &text, &len, err);

	if (!rc)
		rc = step_may_write(step, env, err);
	if (rc)
		return rc;
	if (lstat(path, &st) < 0)
		return err_sys(err, "%s", path);
	rc = keep(path, backup, step->old_sum, err);
	return rc ? rc : file_replace(path, text, len, &st, err);
}

/*
 * Between the link and the rename both names are of one file, and a rename
 * of one to the other would do nothing.
 */
static int undo_edit(const struct step *step, const struct step_env *env,
		     struct err *err)
{
	cleanup_free char *path = rooted(step, env);
	cleanup_free char *backup = step_backup(step, env);
	char sum[HASH_ROOM];
	int place = look_edit(step, env, err);

	if (place < 0 || step_may_write(step, env, err) < 0)
		return err->code;
	if (!file_exists(backup) && place == STEP_AFTER)
		return err_set(err, -ENOENT, "%s: the backup is gone", backup);
	if (place == STEP_AFTER) {
		if (sum_of(sum, backup, err) < 0)
			return err->code;
		if (strcmp(sum, step->old_sum) != 0)
			return err_set(err, -ESTALE, "%s: is not as it was",
				       backup);
		if (rename(backup, path) < 0)
			return err_sys(err, "%s", path);
	} else if (unlink(backup) < 0 && errno != ENOENT) {
		return err_sys(err, "%s", backup);
	}
	if (file_tidy(path, err) < 0)
		return err->code;
	return file_sync_dir(path, err);
}

static int look_create(const struct step *step, const struct step_env *env,
		       struct err *err)
{
	cleanup_free char *path = rooted(step, env);
	char sum[HASH_ROOM];

	if (!file_exists(path))
		return STEP_BEFORE;
	if (sum_of(sum, path, err) < 0)
		return err->code;
	if (!strcmp(sum, step->new_sum))
		return STEP_AFTER;
	return err_set(err, -ESTALE, "%s: is there, and not as planned", path);
}

static int act_create(const struct step *step, const struct step_env *env,
		      struct err *err)
{
	const struct stat like = { .st_mode = 0644,
				   .st_uid = geteuid(),
				   .st_gid = getegid() };
	cleanup_free char *path = rooted(step, env);
	cleanup_free char *folder = file_dir(path);
	cleanup_free char *text = NULL;
	size_t len;
	int rc = content(step, env, &text, &len, err);

	if (rc)
		return rc;
	if (step->folder && mkdir(folder, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "%s", folder);
	return file_replace(path, text, len, &like, err);
}

static int undo_create(const struct step *step, const struct step_env *env,
		       struct err *err)
{
	cleanup_free char *path = rooted(step, env);
	cleanup_free char *folder = file_dir(path);
	int place = look_create(step, env, err);

	if (place < 0)
		return place;
	if (place == STEP_AFTER && unlink(path) < 0)
		return err_sys(err, "%s", path);
	if (file_tidy(path, err) < 0)
		return err->code;
	if (step->folder && rmdir(folder) < 0 && errno != ENOENT)
		return errno == ENOTEMPTY ? 0 : err_sys(err, "%s", folder);
	return step->folder ? file_sync_dir(folder, err)
			    : file_sync_dir(path, err);
}

static int look_unlink(const struct step *step, const struct step_env *env,
		       struct err *err)
{
	cleanup_free char *path = rooted(step, env);
	char target[4096] = "";
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0 && errno == ENOENT)
		return STEP_AFTER;
	if (n < 0)
		return err_sys(err, "%s", path);
	if (!strcmp(target, step->old))
		return STEP_BEFORE;
	return err_set(err, -ESTALE, "%s: leads to %s, not to %s", path, target,
		       step->old);
}

static int act_unlink(const struct step *step, const struct step_env *env,
		      struct err *err)
{
	cleanup_free char *path = rooted(step, env);

	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, "%s", path);
	return file_sync_dir(path, err);
}

static int undo_unlink(const struct step *step, const struct step_env *env,
		       struct err *err)
{
	cleanup_free char *path = rooted(step, env);
	int place = look_unlink(step, env, err);

	if (place < 0)
		return place;
	if (place == STEP_AFTER && symlink(step->old, path) < 0)
		return err_sys(err, "%s", path);
	return file_sync_dir(path, err);
}

const struct step_ops step_file_edit = { look_edit, act_edit, undo_edit };
const struct step_ops step_file_create = { look_create, act_create,
					   undo_create };
const struct step_ops step_file_unlink = { look_unlink, act_unlink,
					   undo_unlink };
