/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * move.c - one migration, by its journal.
 */
#include "migrate/move.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/parse.h"
#include "migrate/mem.h"
#include "migrate/record.h"

static const char *const state_words[] = {
	[STEP_TODO] = "to do",    [STEP_BEGUN] = "begun",
	[STEP_DONE] = "done",     [STEP_UNDOING] = "being undone",
	[STEP_UNDONE] = "undone",
};

const char *move_state_name(enum move_state state)
{
	static const char *const names[] = {
		[MOVE_BEGUN] = "begun",
		[MOVE_RETURNS] = "on the way back",
		[MOVE_DONE] = "done",
		[MOVE_BACK] = "rolled back",
	};

	return names[state];
}

static int make_folder(const char *path, struct err *err)
{
	if (access(path, F_OK) < 0 && mkdir(path, 0755) < 0)
		return err_sys(err, "%s", path);
	return 0;
}

static int take_lock(struct move *m, struct err *err)
{
	char *path = mem_printf("%s/lock", m->base);
	int rc = 0;

	m->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (m->lock < 0)
		rc = err_sys(err, "%s", path);
	else if (flock(m->lock, LOCK_EX | LOCK_NB) < 0)
		rc = err_set(err, -EBUSY,
			     "%s: another blktap-migrate is at work", path);
	free(path);
	return rc;
}

int move_open(struct move *m, const char *root, struct err *err)
{
	static const char *const folders[] = { "/var", "/var/lib",
					       "/var/lib/blktap-migrate" };
	size_t len = root ? strlen(root) : 0;
	int rc = 0;

	while (len && root[len - 1] == '/')
		len--;
	*m = (struct move){ .lock = -1 };
	m->root = mem_ndup(root ? root : "", len);
	m->base = mem_printf("%s/var/lib/blktap-migrate", m->root);
	m->env = (struct step_env){ .root = m->root, .live = !len };
	for (size_t i = 0; !rc && i < ARRAY_SIZE(folders); i++) {
		char *path = mem_printf("%s%s", m->root, folders[i]);

		rc = make_folder(path, err);
		free(path);
	}
	return rc ? rc : take_lock(m, err);
}

void move_close(struct move *m)
{
	for (size_t i = 0; i < m->count; i++)
		step_free(&m->steps[i]);
	free(m->steps);
	record_close(m->journal);
	if (m->lock >= 0)
		(void)close(m->lock); /* which lets go of it */
	free(m->root);
	free(m->base);
	free(m->id);
	free(m->dir);
	free(m->plan);
	*m = (struct move){ .lock = -1 };
}

/* --- what the journal says ------------------------------------------------ */

static int take_mark(struct move *m, const char *line, struct err *err)
{
	static const struct {
		const char *word;
		enum step_state state;
	} marks[] = {
		{ "intent ", STEP_BEGUN },
		{ "done ", STEP_DONE },
		{ "undo ", STEP_UNDOING },
		{ "undone ", STEP_UNDONE },
	};
	uint64_t n;

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		size_t len = strlen(marks[i].word);

		if (strncmp(line, marks[i].word, len) != 0)
			continue;
		if (!m->count ||
		    parse_uint(&n, line + len, 0, m->count - 1) < 0)
			break;
		m->steps[n].state = marks[i].state;
		if (marks[i].state >= STEP_UNDOING)
			m->state = MOVE_RETURNS;
		return 0;
	}
	return err_set(err, -EUCLEAN, "%s: not understood", line);
}

static int take_line(struct move *m, const char *line, struct err *err)
{
	if (!strncmp(line, "head ", 5)) {
		m->plan = record_value(line, "plan");
		return m->plan ? 0 : err_set(err, -EUCLEAN, "no plan");
	}
	if (!strncmp(line, "step ", 5))
		return step_read(
			mem_add(&m->steps, &m->count, sizeof(*m->steps)), line,
			err);
	if (!strcmp(line, "end"))
		m->state = MOVE_DONE;
	else if (!strcmp(line, "return"))
		m->state = MOVE_RETURNS;
	else if (!strcmp(line, "back"))
		m->state = MOVE_BACK;
	else
		return take_mark(m, line, err);
	return 0;
}

/* Ids sort by time. Those without a journal were never begun. */
static char *last_id(const struct move *m)
{
	struct dirent **names;
	int n = scandir(m->base, &names, NULL, alphasort);
	char *id = NULL;

	for (int i = n - 1; i >= 0; i--) {
		char *path =
			mem_printf("%s/%s/journal", m->base, names[i]->d_name);

		if (!id && names[i]->d_name[0] != '.' && !access(path, F_OK))
			id = mem_dup(names[i]->d_name);
		free(path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return id;
}

int move_load(struct move *m, const char *id, struct err *err)
{
	const struct mem_list *lines;
	int rc;

	if (id && strchr(id, '/'))
		return err_set(err, -EINVAL, "%s: no id", id);
	m->id = id ? mem_dup(id) : last_id(m);
	if (!m->id)
		return err_set(err, -ENOENT, "%s: no migration was begun here",
			       m->base);
	m->dir = mem_printf("%s/%s", m->base, m->id);
	m->env.id = m->id;
	m->env.dir = m->dir;
	rc = record_open(&m->journal, m->dir, err);
	if (rc)
		return rc;
	lines = record_lines(m->journal);
	for (size_t i = 0; !rc && i < lines->count; i++)
		rc = take_line(m, lines->item[i], err);
	return rc ? err_wrap(err, "%s/journal", m->dir) : 0;
}

int move_none_open(const struct move *m, struct err *err)
{
	struct move last = { .lock = -1 };
	struct err none = { 0 };
	int rc;

	last.base = mem_dup(m->base);
	rc = move_load(&last, NULL, &none);
	if (rc == -ENOENT)
		rc = 0;
	else if (rc)
		rc = err_set(err, rc, "%s", none.msg);
	else if (last.state != MOVE_DONE && last.state != MOVE_BACK)
		rc = err_set(err, -EEXIST,
			     "%s was cut off: resume or rollback comes first",
			     last.id);
	move_close(&last);
	return rc;
}

/* --- both ways ------------------------------------------------------------ */

static void tell(const struct move *m, const struct step *step,
		 const char *what)
{
	char *text;

	if (m->quiet)
		return;
	text = step_tell(step);
	(void)printf("%u/%zu %s%s\n", step->number + 1, m->count, what, text);
	free(text);
}

static int mark(struct move *m, struct step *step, const char *word,
		enum step_state state, struct err *err)
{
	int rc = record_add(m->journal, err, "%s %u", word, step->number);

	if (!rc)
		step->state = state;
	return rc;
}

static int forward(struct move *m, struct step *step, struct err *err)
{
	int place = step_look(step, &m->env, err);
	int rc = place < 0 ? place : 0;

	if (!rc && step->state == STEP_TODO)
		rc = mark(m, step, "intent", STEP_BEGUN, err);
	if (!rc && place != STEP_AFTER) {
		tell(m, step, "");
		rc = step_act(step, &m->env, err);
	}
	if (!rc)
		place = step_look(step, &m->env, err);
	if (!rc && place < 0)
		rc = place;
	if (!rc && place == STEP_BEFORE)
		rc = err_set(err, -EIO, "it was done, and is not so");
	return rc ? rc : mark(m, step, "done", STEP_DONE, err);
}

int move_forward(struct move *m, struct err *err)
{
	for (size_t i = 0; i < m->count; i++) {
		struct step *step = &m->steps[i];

		if (step->state == STEP_DONE)
			continue;
		if (forward(m, step, err) < 0)
			return err_wrap(err, "step %zu of %zu", i + 1,
					m->count);
	}
	if (m->state != MOVE_DONE && record_add(m->journal, err, "end") < 0)
		return err->code;
	m->state = MOVE_DONE;
	return 0;
}

static int back(struct move *m, struct step *step, struct err *err)
{
	int rc = 0;

	if (step->state == STEP_TODO || step->state == STEP_UNDONE)
		return 0;
	if (step->state != STEP_UNDOING)
		rc = mark(m, step, "undo", STEP_UNDOING, err);
	if (!rc) {
		tell(m, step, "back: ");
		rc = step_undo(step, &m->env, err);
	}
	return rc ? rc : mark(m, step, "undone", STEP_UNDONE, err);
}

int move_back(struct move *m, struct err *err)
{
	if (m->state == MOVE_BACK)
		return 0;
	if (m->state != MOVE_RETURNS &&
	    record_add(m->journal, err, "return") < 0)
		return err->code;
	m->state = MOVE_RETURNS;
	for (size_t i = m->count; i > 0; i--) {
		if (back(m, &m->steps[i - 1], err) < 0)
			return err_wrap(err, "step %zu of %zu, back", i,
					m->count);
	}
	if (record_add(m->journal, err, "back") < 0)
		return err->code;
	m->state = MOVE_BACK;
	return 0;
}

bool move_touches(const struct move *m, const char *path)
{
	for (size_t i = 0; i < m->count; i++) {
		if (m->steps[i].path && !strcmp(m->steps[i].path, path))
			return true;
	}
	return false;
}

void move_json(const struct move *m, struct json *json)
{
	json_object(json, NULL);
	json_string(json, "id", m->id);
	json_string(json, "plan", m->plan);
	json_string(json, "state", move_state_name(m->state));
	json_array(json, "steps");
	for (size_t i = 0; i < m->count; i++) {
		const struct step *s = &m->steps[i];

		json_object(json, NULL);
		json_string(json, "kind", plan_kind_name(s->kind));
		if (s->path)
			json_string(json, "path", s->path);
		if (s->vm)
			json_string(json, "vm", s->vm);
		json_string(json, "state", state_words[s->state]);
		json_end(json);
	}
	json_end(json);
	json_end(json);
}
