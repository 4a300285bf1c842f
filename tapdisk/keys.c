/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keys.c - a key that was pushed, or directories of key files.
 *
 * A key file is called NAME,aes-xts-plain,BITS.key; NAME is the layer's file
 * name up to the first ".vhd". All directories are searched for one of 512
 * bits, then all for one of 256, and the first that exists is the one of its
 * size. One that is too short does not count, but is remembered.
 */
#include "tapdisk/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

#define SUFFIX ".vhd"

struct keys {
	enum keys_from from;
	size_t len;
	uint8_t key[KEYS_MAX];
	char dirs[];
};

static int keys_new(struct keys **out, const char *dirs, struct err *err)
{
	size_t len = strlen(dirs) + 1;
	struct keys *keys = calloc(1, sizeof(*keys) + len);

	if (!keys)
		return err_set(err, -ENOMEM, "no memory for keys");
	/* The process has mostly locked all it has; then this adds nothing. */
	(void)mlock(keys, sizeof(*keys));
	memcpy(keys->dirs, dirs, len);
	*out = keys;
	return 0;
}

int keys_new_pushed(struct keys **out, const void *key, size_t len,
		    struct err *err)
{
	int rc;

	if (len != 32 && len != 64)
		return err_set(err, -EINVAL,
			       "a key of %zu bytes; 32 and 64 are possible",
			       len);
	rc = keys_new(out, "", err);
	if (rc < 0)
		return rc;
	(*out)->from = KEYS_PUSHED;
	(*out)->len = len;
	memcpy((*out)->key, key, len);
	return 0;
}

int keys_new_dirs(struct keys **out, const char *dirs, struct err *err)
{
	int rc = keys_new(out, dirs, err);

	if (!rc)
		(*out)->from = KEYS_DIRS;
	return rc;
}

void keys_free(struct keys *keys)
{
	if (!keys)
		return;
	explicit_bzero(keys->key, sizeof(keys->key));
	free(keys);
}

enum keys_from keys_from(const struct keys *keys)
{
	return keys ? keys->from : KEYS_NONE;
}

/* The whole key, or -errno; -ENOENT if there is no such file. */
static int read_key(const char *path, uint8_t *key, size_t len)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t have = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (have < len && n) {
		n = read(fd, key + have, len - have);
		if (n < 0 && errno != EINTR)
			break;
		have += n > 0 ? (size_t)n : 0;
	}
	if (have == len)
		return 0;
	n = n < 0 ? -errno : -EINVAL;
	explicit_bzero(key, len);
	return (int)n;
}

/* In the first of the directories that has one of this size. */
static int find_size(const struct keys *keys, const char *base, uint8_t *key,
		     size_t len)
{
	const char *dir = keys->dirs, *end;
	char path[PATH_MAX];
	int n, rc;

	while (*dir) {
		end = strchrnul(dir, ',');
		n = snprintf(path, sizeof(path),
			     "%.*s/%s,aes-xts-plain,%zu.key", (int)(end - dir),
			     dir, base, len * 8);
		if (n < 0 || (size_t)n >= sizeof(path))
			return -ENAMETOOLONG;
		rc = end > dir ? read_key(path, key, len) : -ENOENT;
		if (rc != -ENOENT)
			return rc;
		dir = *end ? end + 1 : end;
	}
	return -ENOENT;
}

int keys_find(const struct keys *keys, const char *name, uint8_t key[KEYS_MAX],
	      size_t *len, struct err *err)
{
	const char *slash = strrchr(name, '/');
	cleanup_free char *base = strdup(slash ? slash + 1 : name);
	char *suffix = base ? strstr(base, SUFFIX) : NULL;
	int rc = -ENOENT;

	if (!base)
		return err_set(err, -ENOMEM, "no memory for a key's name");
	if (suffix)
		*suffix = '\0';
	switch (keys_from(keys)) {
	case KEYS_NONE:
		break;
	case KEYS_PUSHED:
		memcpy(key, keys->key, keys->len);
		*len = keys->len;
		return 0;
	case KEYS_DIRS:
		*len = 64;
		rc = find_size(keys, base, key, *len);
		if (rc != -ENOENT && rc != -EINVAL)
			break;
		*len = 32;
		rc = find_size(keys, base, key, *len);
		break;
	}
	if (rc == -ENOENT)
		return err_set(err, rc, "%s: there is no key", base);
	if (rc < 0)
		return err_set(err, rc, "%s: key of %zu bits: %s", base,
			       *len * 8, strerror(-rc));
	return 0;
}
