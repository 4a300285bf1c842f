/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf-disk.c - takes a disk entry apart, by xend's rules and by xl's.
 */
#include "migrate/conf-disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "migrate/conf.h"
#include "migrate/mem.h"

#define ALNUM "abcdefghijklmnopqrstuvwxyz0123456789"
#define BLANK " \t\r\n"

/*
 * Words before a target.  The target follows what ends a chain; what has a
 * script is xl's short form of script=block-WORD.
 */
static const struct word {
	const char *name;
	const char *type;
	bool ends, script;
} words[] = {
	{ "tap", NULL, false, false },     { "tap2", NULL, false, false },
	{ "tapdisk", NULL, false, false }, { "ioemu", NULL, false, false },
	{ "file", NULL, false, false },    { "phy", NULL, false, false },
	{ "aio", "raw", true, false },     { "raw", "raw", true, false },
	{ "vhd", "vhd", true, false },     { "qcow", "qcow", true, false },
	{ "qcow2", "qcow2", true, false }, { "sync", "sync", true, false },
	{ "vmdk", "vmdk", true, false },   { "ram", "ram", true, false },
	{ "remus", "remus", true, false }, { "iscsi", "raw", true, true },
	{ "nbd", "raw", true, true },      { "enbd", "raw", true, true },
	{ "drbd", "raw", true, true },
};

/* What stands at a place is told by what was said before it, as xl has it. */
struct take {
	struct conf_disk *d;
	bool access; /* its place is over, be it empty */
};

static const char *const formats[] = { "raw",   "vhd", "qcow",
				       "qcow2", "qed", "empty" };

/* What says nothing about who serves the disk. */
static const char *const carried[] = {
	"discard",       "no-discard",  "direct-io-safe", "trusted",
	"untrusted",     "colo",        "no-colo",        "colo-host",
	"colo-port",     "colo-export", "active-disk",    "hidden-disk",
	"specification",
};

static const struct word *find_word(const char *s, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strlen(words[i].name) == len &&
		    !memcmp(words[i].name, s, len))
			return &words[i];
	}
	return NULL;
}

static bool is_one_of(const char *const *list, size_t count, const char *s)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(list[i], s))
			return true;
	}
	return false;
}

bool conf_disk_said(const struct conf_disk *disk, const char *word)
{
	size_t len = strlen(word);
	const char *s = disk->prefix;

	while (s && *s) {
		size_t n = strcspn(s, ":");

		if (n == len && !memcmp(s, word, n))
			return true;
		s += n + (s[n] == ':');
	}
	return false;
}

bool conf_disk_tap(const struct conf_disk *disk)
{
	return conf_disk_said(disk, "tap") || conf_disk_said(disk, "tap2") ||
	       conf_disk_said(disk, "tapdisk");
}

void conf_disk_free(struct conf_disk *disk)
{
	char *const strings[] = {
		disk->text,   disk->prefix,  disk->type,   disk->format,
		disk->target, disk->vdev,    disk->access, disk->backendtype,
		disk->script, disk->backend, disk->other,  disk->problem
	};

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		free(strings[i]);
}

/* One field's value; a second one is as wrong in xl as it is here. */
static int set(char **field, const char *what, const char *value,
	       struct err *err)
{
	if (*field)
		return err_set(err, -EINVAL, "%s is said twice", what);
	*field = mem_dup(value);
	return 0;
}

/* Strings in place of what they had, which may be nothing. */
static void replace(char **field, char *value)
{
	free(*field);
	*field = value;
}

static char *trim(char *s)
{
	size_t len;

	s += strspn(s, BLANK);
	len = strlen(s);
	while (len && strchr(BLANK, s[len - 1]))
		len--;
	s[len] = '\0';
	return s;
}

/* "tap:tapdisk:aio:/x" is "tap:tapdisk:aio:" and "/x". */
static int take_target(struct conf_disk *d, const char *s, struct err *err)
{
	const struct word *w = NULL;
	const char *at = s;
	size_t len;

	while (!(w && w->ends)) {
		const struct word *next;

		len = strspn(at, ALNUM);
		next = at[len] == ':' ? find_word(at, len) : NULL;
		if (!next)
			break;
		w = next;
		at += len + 1;
	}
	len = strspn(at, ALNUM);
	if (!(w && w->ends) && len && at[len] == ':' && at[len + 1] == '/')
		return err_set(err, -EINVAL, "%.*s: is no prefix of a disk",
			       (int)len, at);
	d->prefix = mem_ndup(s, (size_t)(at - s));
	if (w && w->type)
		replace(&d->type, mem_dup(w->type));
	if (w && w->script)
		replace(&d->script, mem_printf("block-%s", w->name));
	return set(&d->target, "target", at, err);
}

static int take_format(struct conf_disk *d, const char *s, struct err *err)
{
	if (!*s)
		s = "raw";
	if (!is_one_of(formats, ARRAY_SIZE(formats), s))
		return err_set(err, -EINVAL, "%s is no format", s);
	return set(&d->format, "format", s, err);
}

static int take_vdev(struct conf_disk *d, char *s, struct err *err)
{
	char *colon;

	if (!strncmp(s, "ioemu:", 6))
		s += 6;
	colon = strchr(s, ':');
	if (colon && !strcmp(colon, ":cdrom"))
		d->cdrom = true;
	else if (colon && strcmp(colon, ":disk") != 0)
		return err_set(err, -EINVAL, "%s is no device", s);
	if (colon)
		*colon = '\0';
	if (!*s || s[strspn(s, "/" ALNUM)])
		return err_set(err, -EINVAL, "%s is no device", s);
	return set(&d->vdev, "vdev", s, err);
}

static int take_access(struct conf_disk *d, const char *s, struct err *err)
{
	static const char *const modes[] = {
		"", "r", "ro", "w", "rw", "w!", "!"
	};

	if (!is_one_of(modes, ARRAY_SIZE(modes), s))
		return err_set(err, -EINVAL, "%s is no mode of access", s);
	return *s ? set(&d->access, "access", s, err) : 0;
}

/* A disk of xend's can say at its end in which domain its image is. */
static int take_last(struct take *t, const char *s, struct err *err)
{
	struct conf_disk *d = t->d;

	if (!d->prefix || !*d->prefix || d->backend || !*s)
		return err_set(err, -EINVAL, "%s: one field too many", s);
	return set(&d->backend, "backend", s, err);
}

static int take_position(struct take *t, char *s, struct err *err)
{
	struct conf_disk *d = t->d;
	bool prefixed = d->prefix && *d->prefix;
	bool drive = d->target && !*d->target && strstr(s, ":cdrom");

	if (!d->target)
		return take_target(d, s, err);
	/* What xend's lines say of the image stands before the target. */
	if (!d->format && !prefixed && !drive)
		return take_format(d, s, err);
	if (!d->format && drive)
		d->format = mem_dup("empty");
	if (!d->vdev)
		return take_vdev(d, s, err);
	if (t->access)
		return take_last(t, s, err);
	t->access = true;
	return take_access(d, s, err);
}

static void carry(struct conf_disk *d, const char *s)
{
	replace(&d->other,
		d->other ? mem_printf("%s,%s", d->other, s) : mem_dup(s));
}

static int take_value(struct conf_disk *d, const char *key, char *value,
		      struct err *err)
{
	if (!strcmp(key, "vdev"))
		return take_vdev(d, value, err);
	if (!strcmp(key, "access"))
		return take_access(d, value, err);
	if (!strcmp(key, "format"))
		return take_format(d, value, err);
	if (!strcmp(key, "script"))
		return set(&d->script, key, value, err);
	if (!strcmp(key, "backend"))
		return set(&d->backend, key, value, err);
	if (!strcmp(key, "backendtype"))
		return set(&d->backendtype, key, value, err);
	if (!strcmp(key, "devtype") && !strcmp(value, "cdrom"))
		d->cdrom = true;
	else if (strcmp(key, "devtype") != 0 || strcmp(value, "disk") != 0)
		return err_set(err, -EINVAL, "%s=%s is unknown", key, value);
	return 0;
}

/* One field, which ended at a comma. */
static int take_field(struct take *t, char *s, struct err *err)
{
	char *eq = strchr(s, '=');

	if (!strcmp(s, "cdrom")) {
		t->d->cdrom = true;
		return 0;
	}
	if (eq)
		*eq = '\0';
	if (is_one_of(carried, ARRAY_SIZE(carried), s)) {
		if (eq)
			*eq = '=';
		carry(t->d, s);
		return 0;
	}
	return eq ? take_value(t->d, s, eq + 1, err) : take_position(t, s, err);
}

/* All that is left, with its blanks, but for a last comma. */
static int take_rest(struct conf_disk *d, char *s, struct err *err)
{
	size_t len = strlen(s);

	if (len && s[len - 1] == ',')
		s[len - 1] = '\0';
	return set(&d->target, "target", s, err);
}

static int take_all(struct conf_disk *d, char *s, struct err *err)
{
	struct take t = { .d = d };
	int rc = 0;

	while (s && !rc) {
		char *next;

		s += strspn(s, BLANK);
		if (!strncmp(s, "target=", 7))
			return take_rest(d, s + 7, err);
		next = strchr(s, ',');
		if (next)
			*next++ = '\0';
		s = trim(s);
		if (*s || next) /* a last comma is nothing */
			rc = take_field(&t, s, err);
		s = next;
	}
	return rc;
}

/* A type that is said by a prefix, and another by a format: which? */
static int check_type(const struct conf_disk *d, struct err *err)
{
	if (!d->format || !d->type || !strcmp(d->type, d->format))
		return 0;
	return err_set(err, -EINVAL, "its prefix says %s, its format %s",
		       d->type, d->format);
}

static int check(const struct conf_disk *d, struct err *err)
{
	if (!d->vdev)
		return err_set(err, -EINVAL, "no device of the guest is named");
	if (!d->cdrom && strcmp(d->type, "empty") != 0 &&
	    (!d->target || !*d->target))
		return err_set(err, -EINVAL, "no target");
	return 0;
}

void conf_disk_parse(struct conf_disk *disk)
{
	struct err err = { 0 };
	char *copy = mem_dup(disk->text);
	int rc = take_all(disk, copy, &err);

	if (!rc)
		rc = check_type(disk, &err);
	if (!disk->type)
		disk->type = mem_dup(disk->format ? disk->format : "raw");
	if (!disk->prefix)
		disk->prefix = mem_dup("");
	if (!rc)
		rc = check(disk, &err);
	if (rc)
		disk->problem = mem_dup(err.msg);
	free(copy);
}
