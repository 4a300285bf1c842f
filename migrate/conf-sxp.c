/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf-sxp.c - reads xend's expressions, and says them as xl would.
 */
#include "migrate/conf-sxp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "migrate/conf-disk.h"
#include "migrate/conf.h"
#include "migrate/mem.h"

/* Deeper than any domain of xend. */
enum {
	DEPTH_MAX = 32
};

#define BLANK " \t\r\n"

/* (name value... (name ...)): an atom has no parts, a list no atom. */
struct sxp {
	char *atom;
	struct sxp *part;
	size_t count;
	size_t off, len;
};

struct scan {
	const char *text, *at, *end;
	const char *problem;
};

static void sxp_free(struct sxp *x)
{
	for (size_t i = 0; i < x->count; i++)
		sxp_free(&x->part[i]);
	free(x->part);
	free(x->atom);
	*x = (struct sxp){ 0 };
}

static bool left(const struct scan *s)
{
	return s->at < s->end;
}

static void quoted(struct scan *s, struct sxp *x)
{
	char quote = *s->at++;
	char *to = x->atom = mem_zalloc((size_t)(s->end - s->at) + 1);

	while (left(s) && *s->at != quote) {
		if (*s->at == '\\' && s->end - s->at > 1)
			s->at++;
		*to++ = *s->at++;
	}
	if (!left(s))
		s->problem = "a string without an end";
	else
		s->at++;
}

static void atom(struct scan *s, struct sxp *x)
{
	const char *from = s->at;

	if (*s->at == '\'' || *s->at == '"') {
		quoted(s, x);
		return;
	}
	while (left(s) && !strchr("()" BLANK, *s->at))
		s->at++;
	x->atom = mem_ndup(from, (size_t)(s->at - from));
}

static void skip(struct scan *s)
{
	while (left(s) && strchr(BLANK, *s->at))
		s->at++;
}

static void expression(struct scan *s, struct sxp *x, unsigned depth)
{
	x->off = (size_t)(s->at - s->text);
	if (*s->at != '(') {
		atom(s, x);
	} else {
		s->at++;
		if (depth == DEPTH_MAX)
			s->problem = "too deep";
		for (skip(s); !s->problem && left(s) && *s->at != ')'; skip(s))
			expression(s, mem_add(&x->part, &x->count, sizeof(*x)),
				   depth + 1);
		if (!s->problem && !left(s))
			s->problem = "a list without an end";
		s->at += left(s);
	}
	x->len = (size_t)(s->at - s->text) - x->off;
}

/* The whole of a file; NULL, or what is wrong with it. */
static const char *sxp_parse(struct sxp *x, const char *text, size_t len)
{
	struct scan s = { .text = text, .at = text, .end = text + len };

	*x = (struct sxp){ 0 };
	skip(&s);
	if (!left(&s) || *s.at != '(')
		return "no expression of xend";
	expression(&s, x, 0);
	skip(&s);
	if (!s.problem && left(&s))
		s.problem = "more than one expression";
	return s.problem;
}

static const char *name_of(const struct sxp *x)
{
	return x->count && x->part[0].atom ? x->part[0].atom : "";
}

/* The list (name ...) in x; NULL. */
static const struct sxp *find(const struct sxp *x, const char *name)
{
	for (size_t i = 0; x && i < x->count; i++) {
		if (!strcmp(name_of(&x->part[i]), name))
			return &x->part[i];
	}
	return NULL;
}

/* The atom of (name atom) in x; NULL: there is none, or it is empty. */
static const char *value(const struct sxp *x, const char *name)
{
	const struct sxp *found = find(x, name);

	if (!found || found->count < 2 || !found->part[1].atom ||
	    !*found->part[1].atom)
		return NULL;
	return found->part[1].atom;
}

static bool is_disk(const struct sxp *x)
{
	const char *name = name_of(x);

	return !strcmp(name, "vbd") || !strcmp(name, "tap") ||
	       !strcmp(name, "tap2");
}

static void add_disk(struct conf_vm *vm, const struct sxp *x, const char *text)
{
	struct conf_disk *disk = mem_add(&vm->disks, &vm->count, sizeof(*disk));
	const char *uname = value(x, "uname");
	const char *dev = value(x, "dev");
	const char *mode = value(x, "mode");
	const char *by = value(x, "backend");

	if (by && (!strcmp(by, "0") || !strcmp(by, "Domain-0")))
		by = NULL;
	disk->off = x->off;
	disk->len = x->len;
	disk->line = 1;
	for (size_t i = 0; i < x->off; i++)
		disk->line += text[i] == '\n';
	disk->text =
		mem_printf("%s,%s,%s%s%s", uname ? uname : "", dev ? dev : "",
			   mode ? mode : "", by ? "," : "", by ? by : "");
	conf_disk_parse(disk);
}

static void read_device(struct conf_vm *vm, const struct sxp *x,
			const char *text)
{
	for (size_t i = 1; i < x->count; i++) {
		if (is_disk(&x->part[i]))
			add_disk(vm, &x->part[i], text);
	}
}

void conf_sxp_read(struct conf_vm *vm, const char *text, size_t len)
{
	struct sxp all;
	const char *problem = sxp_parse(&all, text, len);
	const struct sxp *image = find(&all, "image");

	if (!problem && strcmp(name_of(&all), "domain") != 0)
		problem = "no domain of xend";
	if (problem)
		vm->problem = mem_dup(problem);
	vm->keep = memmem(text, len, "blktap-migrate: keep", 20) != NULL;
	vm->name = mem_dup(value(&all, "name"));
	vm->uuid = mem_dup(value(&all, "uuid"));
	vm->bootloader = mem_dup(value(&all, "bootloader"));
	vm->hvm = find(image, "hvm") != NULL;
	for (size_t i = 0; i < all.count; i++) {
		if (!strcmp(name_of(&all.part[i]), "device"))
			read_device(vm, &all.part[i], text);
	}
	sxp_free(&all);
}

/* --- export --------------------------------------------------------------- */

/* What of a domain has the same meaning in both, by both names. */
static const char *const same[][2] = {
	{ "name", "name" },
	{ "uuid", "uuid" },
	{ "memory", "memory" },
	{ "maxmem", "maxmem" },
	{ "vcpus", "vcpus" },
	{ "on_poweroff", "on_poweroff" },
	{ "on_reboot", "on_reboot" },
	{ "on_crash", "on_crash" },
	{ "bootloader", "bootloader" },
	{ "bootloader_args", "bootloader_args" },
};

/* And of the image of a guest that is not emulated. */
static const char *const same_image[][2] = {
	{ "kernel", "kernel" },
	{ "ramdisk", "ramdisk" },
	{ "args", "extra" },
};

static const char *const vif_keys[] = { "mac",     "bridge", "script", "ip",
					"vifname", "model",  "type" };

struct export
{
	FILE *to;
	struct err *err;
	int rc;
};

/* NAME = "value", or a number as one. */
static void say(struct export *e, const char *name, const char *s)
{
	if (!s)
		return;
	if (strpbrk(s, "\"\\\n"))
		e->rc = err_set(e->err, -EINVAL,
				"%s: a quote in it, which is not exported",
				name);
	if (s[strspn(s, "0123456789")])
		(void)fprintf(e->to, "%s = \"%s\"\n", name, s);
	else
		(void)fprintf(e->to, "%s = %s\n", name, s);
}

static void say_image(struct export *e, const struct sxp *all)
{
	const struct sxp *image = find(all, "image");
	const struct sxp *linux_ = find(image, "linux");

	if (find(image, "hvm")) {
		(void)fprintf(e->to, "builder = \"hvm\"\n");
		say(e, "boot", value(find(image, "hvm"), "boot"));
	}
	for (size_t i = 0; linux_ && i < ARRAY_SIZE(same_image); i++)
		say(e, same_image[i][1], value(linux_, same_image[i][0]));
}

static void say_vif(struct export *e, const struct sxp *vif)
{
	const char *comma = "";

	(void)fprintf(e->to, "\t'");
	for (size_t i = 0; i < ARRAY_SIZE(vif_keys); i++) {
		const char *s = value(vif, vif_keys[i]);

		if (!s)
			continue;
		if (strpbrk(s, "',\\\n"))
			e->rc = err_set(e->err, -EINVAL,
					"vif: %s is not exported", s);
		(void)fprintf(e->to, "%s%s=%s", comma, vif_keys[i], s);
		comma = ",";
	}
	(void)fprintf(e->to, "',\n");
}

static void say_vifs(struct export *e, const struct sxp *all)
{
	(void)fprintf(e->to, "vif = [\n");
	for (size_t i = 0; i < all->count; i++) {
		const struct sxp *vif = find(&all->part[i], "vif");

		if (vif && !strcmp(name_of(&all->part[i]), "device"))
			say_vif(e, vif);
	}
	(void)fprintf(e->to, "]\n");
}

/* What is left as it is must be of xl's words too, which are fewer. */
static const char *not_said(const struct conf_disk *disk, const char *text)
{
	if (strpbrk(text, "'\\\n"))
		return "a quote in it";
	if (disk->text == text && disk->backend)
		return "another domain serves it";
	if (disk->text == text && disk->access && strchr(disk->access, '!'))
		return "several guests may write it (w!)";
	return NULL;
}

static void say_disk(struct export *e, const struct conf_vm *vm,
		     const struct conf_disk *disk, const struct conf_goal *goal)
{
	cleanup_free char *new = NULL;
	int rc = conf_convert(&new, vm, disk, goal, e->err);
	const char *text = rc > 0 ? new : disk->text;
	const char *why = rc < 0 ? NULL : not_said(disk, text);

	if (why)
		rc = err_set(e->err, -EINVAL,
			     "line %u: %s: %s, which xl has "
			     "no words for",
			     disk->line, disk->text, why);
	if (rc < 0)
		e->rc = rc;
	(void)fprintf(e->to, "\t'%s',\n", text);
}

static void say_disks(struct export *e, const struct conf_vm *vm,
		      const struct conf_goal *goal)
{
	(void)fprintf(e->to, "disk = [\n");
	for (size_t i = 0; i < vm->count && !e->rc; i++)
		say_disk(e, vm, &vm->disks[i], goal);
	(void)fprintf(e->to, "]\n");
}

/* What is left is told, so that a person may look at it. */
static void say_rest(struct export *e, const struct sxp *all)
{
	const struct sxp *hvm = find(find(all, "image"), "hvm");

	for (size_t i = 1; hvm && i < hvm->count; i++) {
		const char *name = name_of(&hvm->part[i]);

		if (*name && !strchr(name, '\n') && strcmp(name, "boot") != 0 &&
		    strcmp(name, "kernel") != 0)
			(void)fprintf(e->to, "# not exported: image %s\n",
				      name);
	}
	for (size_t i = 0; i < all->count; i++) {
		const struct sxp *x = &all->part[i];
		const char *kind = x->count > 1 ? name_of(&x->part[1]) : "";

		if (x->count > 1 && !strcmp(name_of(x), "device") &&
		    strcmp(kind, "vif") != 0 && !is_disk(&x->part[1]) &&
		    !strchr(kind, '\n'))
			(void)fprintf(e->to, "# not exported: device %s\n",
				      kind);
	}
}

int conf_export(char **out, const struct conf_vm *vm, const char *text,
		size_t len, const struct conf_goal *goal, struct err *err)
{
	struct export e = { .err = err };
	struct sxp all;
	const char *problem = sxp_parse(&all, text, len);
	size_t size;

	if (problem || vm->problem) {
		sxp_free(&all);
		return err_set(err, -EINVAL, "%s",
			       problem ? problem : vm->problem);
	}
	e.to = open_memstream(out, &size);
	if (!e.to)
		abort();
	(void)fprintf(e.to, "# exported from %s by blktap-migrate\n", vm->path);
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		say(&e, same[i][1], value(&all, same[i][0]));
	say_image(&e, &all);
	say_vifs(&e, &all);
	say_disks(&e, vm, goal);
	say_rest(&e, &all);
	if (fclose(e.to) != 0)
		abort();
	sxp_free(&all);
	if (e.rc) {
		free(*out);
		*out = NULL;
	}
	return e.rc;
}
