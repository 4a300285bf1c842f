/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf-libvirt.c - reads libvirt's XML, and changes one attribute in it.
 */
#include "migrate/conf-libvirt.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "migrate/conf.h"
#include "migrate/mem.h"

enum {
	DEPTH_MAX = 16
};

struct read {
	struct conf_vm *vm;
	const char *text;
	size_t len;
	xmlParserCtxtPtr parser;
	unsigned depth;
	const char *open[DEPTH_MAX]; /* names of the elements around */
	char *said;                  /* characters of the innermost element */
	struct conf_disk *disk;      /* inside of one */
};

/* The elements around, the innermost last, are these. */
static bool within(const struct read *r, const char *a, const char *b,
		   const char *c)
{
	const char *const want[] = { a, b, c };
	unsigned n = c ? 3 : b ? 2 : 1;

	if (r->depth != n)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (!r->open[i] || strcmp(r->open[i], want[i]) != 0)
			return false;
	}
	return true;
}

/* Of all characters one is handed on as its number. */
static void decode(char *s)
{
	static const char number[] = "&#38;";

	while ((s = strstr(s, number))) {
		s++;
		memmove(s, s + sizeof(number) - 2,
			strlen(s + sizeof(number) - 2) + 1);
	}
}

/* Attributes come as name, prefix, URI, begin and end of the value. */
static char *attribute(const xmlChar **atts, int n, const char *name)
{
	for (int i = 0; i < n; i++, atts += 5) {
		char *value;

		if (atts[1] || strcmp((const char *)atts[0], name) != 0)
			continue;
		value = mem_ndup((const char *)atts[3],
				 (size_t)(atts[4] - atts[3]));
		decode(value);
		return value;
	}
	return NULL;
}

/*
 * The start tag at hand: libxml2 stands at its end, before or after the
 * bracket, and '<' is in no attribute's value.
 */
static void place(const struct read *r, struct conf_disk *disk,
		  const char *name)
{
	long at = xmlByteConsumed(r->parser);
	size_t from = at < 0 ? 0 : (size_t)at;
	size_t to;

	if (from >= r->len)
		from = r->len ? r->len - 1 : 0;
	to = from;
	while (from && r->text[from] != '<')
		from--;
	while (to < r->len && r->text[to] != '>')
		to++;
	if (to == r->len || strncmp(r->text + from + 1, name, strlen(name))) {
		free(disk->problem);
		disk->problem = mem_dup("its place in the file is not clear");
		return;
	}
	free(disk->text);
	disk->off = from;
	disk->len = to + 1 - from;
	disk->text = mem_ndup(r->text + from, disk->len);
	disk->line = 1;
	for (size_t i = 0; i < from; i++)
		disk->line += r->text[i] == '\n';
}

static void start_disk(struct read *r, const xmlChar **atts, int n)
{
	char *device = attribute(atts, n, "device");

	r->disk = mem_add(&r->vm->disks, &r->vm->count, sizeof(*r->disk));
	r->disk->cdrom = device && !strcmp(device, "cdrom");
	r->disk->prefix = mem_dup("");
	if (device && strcmp(device, "disk") != 0 && !r->disk->cdrom)
		r->disk->other = mem_printf("device=%s", device);
	free(device);
	place(r, r->disk, "disk");
}

static void set(char **field, char *value)
{
	free(*field);
	*field = value;
}

static void in_disk(struct read *r, const char *name, const xmlChar **atts,
		    int n)
{
	struct conf_disk *disk = r->disk;

	if (!strcmp(name, "driver")) {
		set(&disk->backendtype, attribute(atts, n, "name"));
		set(&disk->format, attribute(atts, n, "type"));
		place(r, disk, "driver");
	} else if (!strcmp(name, "source")) {
		char *file = attribute(atts, n, "file");

		set(&disk->target, file ? file : attribute(atts, n, "dev"));
	} else if (!strcmp(name, "target")) {
		set(&disk->vdev, attribute(atts, n, "dev"));
	} else if (!strcmp(name, "readonly")) {
		set(&disk->access, mem_dup("r"));
	} else if (!strcmp(name, "shareable")) {
		set(&disk->access, mem_dup("w!"));
	} else if (!strcmp(name, "script")) {
		set(&disk->script, attribute(atts, n, "path"));
	} else if (!strcmp(name, "backenddomain")) {
		set(&disk->backend, attribute(atts, n, "name"));
	}
}

static void start(void *arg, const xmlChar *name, const xmlChar *prefix,
		  const xmlChar *uri, int namespaces, const xmlChar **ns,
		  int count, int defaulted, const xmlChar **atts)
{
	struct read *r = arg;
	/* What has a prefix is nothing of libvirt's. */
	const char *s = prefix ? "" : (const char *)name;

	(void)uri;
	(void)namespaces;
	(void)ns;
	(void)defaulted;
	set(&r->said, NULL);
	if (within(r, "domain", "devices", NULL) && !strcmp(s, "disk"))
		start_disk(r, atts, count);
	else if (r->disk && within(r, "domain", "devices", "disk"))
		in_disk(r, s, atts, count);
	if (r->depth < DEPTH_MAX)
		r->open[r->depth] = s;
	r->depth++;
}

static void end_disk(struct read *r)
{
	struct conf_disk *disk = r->disk;

	/* An older word for it, which libvirt takes still. */
	if (disk->format && !strcmp(disk->format, "aio"))
		set(&disk->format, mem_dup("raw"));
	disk->type = mem_dup(disk->format ? disk->format : "raw");
	if (!disk->vdev && !disk->problem)
		disk->problem = mem_dup("no device of the guest is named");
	r->disk = NULL;
}

static void end(void *arg, const xmlChar *name, const xmlChar *prefix,
		const xmlChar *uri)
{
	struct read *r = arg;
	struct conf_vm *vm = r->vm;

	(void)name;
	(void)prefix;
	(void)uri;
	if (within(r, "domain", "name", NULL))
		set(&vm->name, mem_dup(r->said));
	else if (within(r, "domain", "uuid", NULL))
		set(&vm->uuid, mem_dup(r->said));
	else if (within(r, "domain", "bootloader", NULL))
		set(&vm->bootloader, mem_dup(r->said));
	else if (within(r, "domain", "os", "type"))
		vm->hvm = r->said && !strcmp(r->said, "hvm");
	else if (r->disk && within(r, "domain", "devices", "disk"))
		end_disk(r);
	set(&r->said, NULL);
	r->depth--;
}

static void characters(void *arg, const xmlChar *s, int len)
{
	struct read *r = arg;
	char *more = mem_ndup((const char *)s, (size_t)len);

	set(&r->said,
	    r->said ? mem_printf("%s%s", r->said, more) : mem_dup(more));
	free(more);
}

static void comment(void *arg, const xmlChar *s)
{
	struct read *r = arg;

	if (strstr((const char *)s, "blktap-migrate: keep"))
		r->vm->keep = true;
}

/* Nothing is printed by a reader. */
static void __attribute__((format(printf, 2, 3)))
quiet(void *arg, const char *fmt, ...)
{
	(void)arg;
	(void)fmt;
}

void conf_libvirt_read(struct conf_vm *vm, const char *text, size_t len)
{
	xmlSAXHandler sax = {
		.initialized = XML_SAX2_MAGIC,
		.startElementNs = start,
		.endElementNs = end,
		.characters = characters,
		.cdataBlock = characters,
		.comment = comment,
		.warning = quiet,
		.error = quiet,
	};
	struct read r = { .vm = vm, .text = text, .len = len };

	if (len > INT32_MAX) {
		vm->problem = mem_dup("too long for a configuration");
		return;
	}
	r.parser = xmlCreateMemoryParserCtxt(text, (int)len);
	if (!r.parser) {
		vm->problem = mem_dup("it is empty");
		return;
	}
	*r.parser->sax = sax;
	r.parser->userData = &r;
	(void)xmlCtxtUseOptions(r.parser, XML_PARSE_NONET);
	(void)xmlParseDocument(r.parser); /* wellFormed tells */
	if (!r.parser->wellFormed)
		vm->problem = mem_printf("line %d: not XML",
					 r.parser->lastError.line);
	xmlFreeParserCtxt(r.parser);
	free(r.said);
}

/* Where the value of a tag's attribute begins and ends; false: none. */
static bool value_of(const char *tag, const char *name, size_t *from,
		     size_t *to)
{
	const char *s = tag + strcspn(tag, " \t\r\n");
	size_t len = strlen(name);

	while (*s && *s != '>') {
		const char *word = s += strspn(s, " \t\r\n/");
		size_t n = strcspn(s, " \t\r\n=/>");
		char quote;

		s += n;
		s += strspn(s, " \t\r\n");
		if (*s != '=')
			return false;
		s++;
		s += strspn(s, " \t\r\n");
		quote = *s;
		if ((quote != '"' && quote != '\'') || !strchr(s + 1, quote))
			return false;
		*from = (size_t)(s + 1 - tag);
		s = strchr(s + 1, quote) + 1;
		*to = (size_t)(s - 1 - tag);
		if (n == len && !memcmp(word, name, n))
			return true;
	}
	return false;
}

/* What keeps a tap disk from being ours; NULL: nothing. */
static const char *obstacle(const struct conf_vm *vm,
			    const struct conf_disk *disk, bool native)
{
	if (!native)
		return "libvirt has no words for a script on Xen 4.13 to 4.18: "
		       "use an xl configuration, or name='qemu'";
	if (disk->backend)
		return "another domain serves it: convert it there";
	if (!disk->target)
		return "its source is no file and no device";
	if (disk->access && !strcmp(disk->access, "w!"))
		return "several guests may write it, and libxl's tap has no "
		       "words for that";
	if (disk->target[strcspn(disk->target, ": \t")])
		return "a hotplug script would split its path at the colon or "
		       "blank: rename the file";
	if (vm->hvm && !strcmp(disk->type, "raw") && !disk->script)
		return "QEMU would open this raw image too: add <script "
		       "path='block-tap'/>";
	return NULL;
}

int conf_libvirt_convert(char **out, const struct conf_vm *vm,
			 const struct conf_disk *disk,
			 const struct conf_goal *goal, struct err *err)
{
	const char *name = disk->backendtype;
	const char *why;
	size_t from;
	size_t to;

	if (disk->cdrom || disk->other || !name ||
	    (strcmp(name, "tap") != 0 && strcmp(name, "tap2") != 0))
		return 0;
	/* libvirt hands these to QEMU, whatever the name says. */
	if (strcmp(disk->type, "raw") != 0 && strcmp(disk->type, "vhd") != 0)
		return 0;
	why = obstacle(vm, disk, goal->native);
	if (why)
		return err_set(err, -EINVAL, "driver %s: %s", name, why);
	if (!strcmp(name, "tap"))
		return 0;
	if (!value_of(disk->text, "name", &from, &to))
		return err_set(err, -EINVAL, "%s: not understood", disk->text);
	*out = mem_printf("%.*stap%s", (int)from, disk->text, disk->text + to);
	return 1;
}
