/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* names.c - paths as text; looks at no file. */
#include "vhd/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPPER "/dev/mapper/"
#define DRBD   "/dev/drbd/by-res/"

const char *vhd_name_base(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

char *vhd_name_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);
	char *out;

	if (*name == '/')
		return strdup(name);
	if (asprintf(&out, "%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/",
		     name) < 0)
		return NULL;
	return out;
}

char *vhd_name_beside(const char *file, const char *name)
{
	const char *slash = strrchr(file, '/');
	char *dir, *out;

	if (*name == '/' || !slash)
		return strdup(name);
	dir = strndup(file, (size_t)(slash - file + 1));
	if (!dir)
		return NULL;
	out = vhd_name_join(dir, name);
	free(dir);
	return out;
}

char *vhd_name_relative(const char *from, const char *to)
{
	size_t common = 0, up = 0, len;
	char *out, *p;

	for (size_t i = 0; from[i] && from[i] == to[i]; i++) {
		if (from[i] == '/')
			common = i + 1;
	}
	for (const char *s = from + common; *s; s++)
		up += *s == '/';
	len = 2 + 3 * up + strlen(to + common) + 1;
	out = malloc(len);
	if (!out)
		return NULL;
	memcpy(out, "./", 2);
	p = out + 2;
	for (; up; up--, p += 3)
		memcpy(p, "../", 3);
	memcpy(p, to + common, strlen(to + common) + 1);
	return out;
}

char *vhd_name_volume(const char *name)
{
	char *out, *p;
	bool slash = false;

	if (strncmp(name, MAPPER, strlen(MAPPER)))
		return NULL;
	name += strlen(MAPPER);
	out = malloc(strlen("/dev/") + strlen(name) + 1);
	if (!out)
		return NULL;
	memcpy(out, "/dev/", 5);
	p = out + 5;
	for (; *name; name++) {
		if (*name == '-' && name[1] == '-') {
			*p++ = *name++;
		} else if (*name == '-') {
			*p++ = '/';
			slash = true;
		} else {
			*p++ = *name;
		}
	}
	*p = '\0';
	if (slash)
		return out;
	free(out);
	return NULL;
}

bool vhd_name_is_volume(const char *name)
{
	const char *slash;

	if (!strncmp(name, DRBD, strlen(DRBD)))
		return true;
	if (strncmp(name, "/dev/", 5) || !strncmp(name, MAPPER, strlen(MAPPER)))
		return false;
	slash = strchr(name + 5, '/');
	return slash && slash[1] && !strchr(slash + 1, '/');
}
