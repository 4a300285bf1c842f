/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * move-make.c - a plan becomes steps, and all that can be wrong is found.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "migrate/file.h"
#include "migrate/hash.h"
#include "migrate/mem.h"
#include "migrate/move.h"
#include "migrate/record.h"
#include "migrate/xl.h"

/* What a journal and a folder's entries may take beside the files. */
enum {
	ROOM = 64 << 10
};

/* A step and what it writes. */
struct draft {
	struct move *m;
	const struct plan *plan;
	char *text;
	size_t len;
};

static struct step *add_step(struct draft *d, const struct plan_action *a)
{
	struct move *m = d->m;
	struct step *s = mem_add(&m->steps, &m->count, sizeof(*m->steps));

	s->kind = a->kind;
	s->number = (unsigned)m->count - 1;
	s->path = mem_dup(a->path);
	s->vm = mem_dup(a->vm);
	s->reason = mem_dup(a->reason);
	s->domid = a->domid;
	s->devid = a->devid;
	if (a->kind == PLAN_UNLINK || a->kind == PLAN_HOT_SWAP ||
	    a->kind == PLAN_SERVE)
		s->old = mem_dup(a->old);
	if (a->kind >= PLAN_HOT_SWAP)
		s->new = mem_dup(a->new);
	return s;
}

/* One edit, in text of which all behind it is edited already. */
static int splice(struct draft *d, const struct plan_action *a, struct err *err)
{
	size_t old = strlen(a->old);
	char *text;

	if (a->off > d->len || d->len - a->off < old ||
	    memcmp(d->text + a->off, a->old, old) != 0)
		return err_set(err, -ESTALE, "%s:%u: has changed", a->path,
			       a->line);
	text = mem_printf("%.*s%s%s", (int)a->off, d->text, a->new,
			  d->text + a->off + old);
	free(d->text);
	d->text = text;
	d->len = strlen(text);
	return 0;
}

/* The last edit of a path that begins before an offset; NULL. */
static const struct plan_action *edit_before(const struct plan *plan,
					     const char *path, size_t off)
{
	const struct plan_action *found = NULL;

	for (size_t i = 0; i < plan->action_count; i++) {
		const struct plan_action *a = &plan->actions[i];

		if (a->kind == PLAN_EDIT && !strcmp(a->path, path) &&
		    a->off < off && (!found || a->off > found->off))
			found = a;
	}
	return found;
}

static bool is_first(const struct plan *plan, const struct plan_action *a)
{
	for (const struct plan_action *b = plan->actions; b != a; b++) {
		if (b->kind == PLAN_EDIT && !strcmp(a->path, b->path))
			return false;
	}
	return true;
}

/* The folder can be written, and there is room. */
static int check_room(const char *path, size_t len, struct err *err)
{
	cleanup_free char *folder = file_dir(path);
	struct statvfs fs;

	if (access(folder, W_OK) < 0 || statvfs(folder, &fs) < 0)
		return err_sys(err, "%s", folder);
	if ((uint64_t)fs.f_bavail * fs.f_frsize < (uint64_t)len + ROOM)
		return err_set(err, -ENOSPC, "%s: %s", folder,
			       strerror(ENOSPC));
	return 0;
}

/* What it writes is put beside the journal, and shown to xl. */
static int put_content(struct draft *d, struct step *step, struct err *err)
{
	cleanup_free char *path = step_content(step, &d->m->env);
	char sum[HASH_ROOM];
	int rc = file_replace(path, d->text, d->len, NULL, err);
	size_t n = strlen(step->path);

	hash_hex(sum, d->text, d->len);
	step->new_sum = mem_dup(sum);
	if (rc || !step->vm || (n > 4 && !strcmp(step->path + n - 4, ".xml")))
		return rc;
	if (getenv("BLKTAP_MIGRATE_XL") || (d->m->env.live && xl_is_there()))
		rc = xl_accepts(path, err);
	return rc ? err_wrap(err, "%s: what it would become", step->path) : 0;
}

static int make_edit(struct draft *d, const struct plan_action *a,
		     struct err *err)
{
	cleanup_free char *path = mem_printf("%s%s", d->m->root, a->path);
	const struct plan_action *e;
	struct step *step;
	char sum[HASH_ROOM];
	int rc;

	if (!is_first(d->plan, a))
		return 0;
	step = add_step(d, a);
	rc = step_may_write(step, &d->m->env, err);
	if (!rc)
		rc = file_read(path, &d->text, &d->len, err);
	if (!rc && strlen(d->text) != d->len)
		rc = err_set(err, -EINVAL, "%s: is no text", path);
	if (rc)
		return rc;
	hash_hex(sum, d->text, d->len);
	step->old_sum = mem_dup(sum);
	for (e = edit_before(d->plan, a->path, (size_t)-1); e && !rc;
	     e = edit_before(d->plan, a->path, e->off))
		rc = splice(d, e, err);
	if (!rc)
		rc = check_room(path, d->len, err);
	if (!rc)
		rc = put_content(d, step, err);
	free(d->text);
	return rc;
}

static int make_create(struct draft *d, const struct plan_action *a,
		       struct err *err)
{
	cleanup_free char *path = mem_printf("%s%s", d->m->root, a->path);
	cleanup_free char *folder = file_dir(path);
	struct step *step = add_step(d, a);
	int rc;

	if (file_exists(path))
		return err_set(err, -EEXIST, "%s: is there already", path);
	step->folder = !file_exists(folder);
	rc = step_may_write(step, &d->m->env, err);
	if (!rc)
		rc = check_room(step->folder ? folder : path, strlen(a->new),
				err);
	if (rc)
		return rc;
	d->text = mem_dup(a->new);
	d->len = strlen(a->new);
	rc = put_content(d, step, err);
	free(d->text);
	return rc;
}

static int make_other(struct draft *d, const struct plan_action *a,
		      struct err *err)
{
	struct move *m = d->m;
	unsigned parts = step_parts(a->kind);
	int rc = 0;

	if (a->kind >= PLAN_HOT_SWAP && !m->env.live)
		return err_set(err, -EOPNOTSUPP,
			       "domain %u: a tree has no running domains; "
			       "allow cold alone",
			       a->domid);
	for (unsigned i = 0; i < parts; i++)
		add_step(d, a)->part = i;
	/* A link's folder must let go of it. */
	if (a->kind == PLAN_UNLINK) {
		char *path = mem_printf("%s%s", m->root, a->path);

		rc = check_room(path, 0, err);
		free(path);
	}
	if (!rc && m->steps[m->count - 1].kind == PLAN_UNLINK &&
	    step_look(&m->steps[m->count - 1], &m->env, err) < 0)
		rc = err->code;
	return rc;
}

static int make_steps(struct draft *d, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < d->plan->action_count; i++) {
		const struct plan_action *a = &d->plan->actions[i];

		if (a->kind == PLAN_EDIT)
			rc = make_edit(d, a, err);
		else if (a->kind == PLAN_CREATE)
			rc = make_create(d, a, err);
		else
			rc = make_other(d, a, err);
	}
	return rc;
}

/* Ids sort by time. */
static char *new_id(void)
{
	time_t now = time(NULL);
	struct tm tm;
	char text[32];

	(void)gmtime_r(&now, &tm); /* the year fits */
	(void)strftime(text, sizeof(text), "%Y%m%d-%H%M%S", &tm);
	return mem_printf("%s-%d", text, (int)getpid());
}

static int begin(struct move *m, struct err *err)
{
	struct mem_list lines = { 0 };
	int rc;

	mem_list_add(&lines, "head id=%s plan=%s tool=%s", m->id, m->plan,
		     VERSION);
	for (size_t i = 0; i < m->count; i++) {
		cleanup_free char *line = step_say(&m->steps[i]);

		mem_list_add(&lines, "%s", line);
	}
	rc = record_create(&m->journal, m->dir, &lines, err);
	mem_list_free(&lines);
	return rc;
}

/* Nothing was begun: of the folder nothing is left. */
static void take_back(const struct move *m)
{
	for (size_t i = 0; i < m->count; i++) {
		char *path = step_content(&m->steps[i], &m->env);

		(void)file_tidy(path, NULL); /* what is told is the reason */
		(void)unlink(path);          /* likewise */
		free(path);
	}
	(void)rmdir(m->dir); /* likewise */
}

int move_make(struct move *m, const struct plan *plan, struct err *err)
{
	struct draft d = { .m = m, .plan = plan };
	int rc;

	m->id = new_id();
	m->dir = mem_printf("%s/%s", m->base, m->id);
	m->plan = mem_dup(plan->hash);
	m->env.id = m->id;
	m->env.dir = m->dir;
	if (mkdir(m->dir, 0700) < 0)
		return err_sys(err, "%s", m->dir);
	rc = make_steps(&d, err);
	if (!rc)
		rc = file_sync_dir(m->dir, err);
	if (!rc)
		rc = begin(m, err);
	if (rc)
		take_back(m);
	return rc;
}
