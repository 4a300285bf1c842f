/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * locator.c - parent locators, to and from paths.
 *
 * MacX holds a URL of UTF-8, W2ku and W2ru UTF-16 with backslashes.  Those
 * of this family are all relative, to the folder of the image.
 */
#include "vhd/locator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/image.h"
#include "vhd/utf16.h"

#define URL      "file://"
#define MAX_PATH 4096u /* UTF-8, the end included */

static void replace(char *s, char from, char to)
{
	while ((s = strchr(s, from)))
		*s++ = to;
}

static int decode(char *out, uint32_t code, const uint8_t *raw, size_t len)
{
	const char *text = (const char *)raw;

	if (code != VHD_CODE_MACX) {
		int n = vhd_utf16_decode(out, MAX_PATH, raw, len, false);

		replace(out, '\\', '/');
		return n < 0 ? n : 0;
	}
	if (len >= strlen(URL) && !memcmp(text, URL, strlen(URL))) {
		text += strlen(URL);
		len -= strlen(URL);
	}
	len = strnlen(text, len);
	if (len >= MAX_PATH)
		return -ENAMETOOLONG;
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}

static int read_path(struct vhd *vhd, const struct vhd_locator *loc, char *out,
		     struct err *err)
{
	uint8_t raw[MAX_PATH * 2];
	int rc;

	if (!loc->len || loc->len > sizeof(raw) ||
	    loc->len > vhd_locator_room(loc) ||
	    !bytes_within(loc->off, loc->len, vhd->file_size))
		return err_set(err, -EINVAL, "locator: invalid length");
	rc = vhd->io->pread(vhd->io, raw, loc->len, loc->off);
	if (rc)
		return err_set(err, rc, "locator: %s", strerror(-rc));
	rc = decode(out, loc->code, raw, loc->len);
	if (rc)
		return err_set(err, rc, "locator: invalid name");
	return 0;
}

int vhd_locator_path(struct vhd *vhd, unsigned i, char **out, struct err *err)
{
	const struct vhd_locator *loc = &vhd->header.loc[i];
	char *path;
	int rc;

	if (loc->code != VHD_CODE_MACX && loc->code != VHD_CODE_W2KU &&
	    loc->code != VHD_CODE_W2RU)
		return err_set(err, -ENOENT, "locator: empty");
	path = malloc(MAX_PATH);
	if (!path)
		return err_set(err, -ENOMEM, "locator");
	path[0] = '\0';
	rc = read_path(vhd, loc, path, err);
	if (!rc && !path[0])
		rc = err_set(err, -EINVAL, "locator: empty name");
	if (rc) {
		free(path);
		return rc;
	}
	*out = path;
	return 0;
}

int vhd_locator_encode(uint8_t **out, uint32_t *len, uint32_t code,
		       const char *path)
{
	size_t room = strlen(path) * 2 + strlen(URL) + 1;
	uint8_t *buf;
	char *text;
	int n;

	if (room > MAX_PATH * 2)
		return -ENAMETOOLONG;
	buf = malloc(room);
	text = strdup(path);
	if (!buf || !text) {
		free(buf);
		free(text);
		return -ENOMEM;
	}
	if (code == VHD_CODE_MACX) {
		/* "./../x" is written "../x" here, and only here. */
		const char *p = strncmp(text, "./../", 5) ? text : text + 2;

		memcpy(buf, URL, strlen(URL));
		memcpy(buf + strlen(URL), p, strlen(p));
		n = (int)(strlen(URL) + strlen(p));
	} else {
		replace(text, '/', '\\');
		n = vhd_utf16_encode(buf, room, text, false);
	}
	free(text);
	if (n < 0) {
		free(buf);
		return n;
	}
	*out = buf;
	*len = (uint32_t)n;
	return 0;
}
