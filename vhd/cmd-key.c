/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-key.c - vhd-util key: which key an image is encrypted with.
 *
 * Keys come from files, never from the command line, and are wiped.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/parse.h"
#include "vhd/cmd.h"
#include "vhd/crypt.h"
#include "vhd/names.h"

#define OLD_KEY_MAX 512u /* bytes that -C hashes */

struct key_args {
	const char *name, *key, *nonce, *hash;
	bool save, check, make, print;
};

static int read_key(uint8_t *key, size_t want, size_t *len, const char *path)
{
	struct vhd_files *files = vhd_cmd_key_files();
	struct err err = { 0 };
	struct vhd_io *io;
	uint64_t size = 0;
	int rc = files->open(files, &io, path, 0, &err);

	if (rc) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return rc;
	}
	rc = io->size(io, &size);
	if (!rc && (!size || size > OLD_KEY_MAX))
		rc = -EINVAL;
	if (!rc && want && size != want)
		rc = size < want ? -EINVAL : -EIO;
	*len = (size_t)size;
	if (!rc)
		rc = io->pread(io, key, *len, 0);
	io->close(io);
	if (rc)
		(void)fprintf(stderr, "key %s: %s\n", path, strerror(-rc));
	return rc;
}

/* The name says the length; 0: it is no key of this image. */
static size_t key_length(const char *image, const char *key)
{
	const char *base = vhd_name_base(image), *end = strstr(base, ".vhd");
	size_t n = end ? (size_t)(end - base) : strlen(base);

	key = vhd_name_base(key);
	if (strncmp(key, base, n))
		return 0;
	if (!strncmp(key + n, ",aes-xts-plain,512.key", 22))
		return 64;
	return strncmp(key + n, ",aes-xts-plain,256.key", 22) ? 0 : 32;
}

static int get_hex(uint8_t out[32], const char *text)
{
	if (!parse_hex(out, 32, text))
		return 0;
	(void)fprintf(stderr, "%s: not 64 hexadecimal digits\n", text);
	return -EINVAL;
}

static int get_nonce(uint8_t nonce[32], const char *text)
{
	memset(nonce, 0, 32);
	return text ? get_hex(nonce, text) : 0;
}

static int hash_key(struct vhd_keyhash *kh, const struct key_args *a,
		    size_t want)
{
	uint8_t key[OLD_KEY_MAX], nonce[32];
	size_t len = 0;
	int rc = get_nonce(nonce, a->nonce);

	if (rc)
		return -EINVAL;
	rc = read_key(key, want, &len, a->key);
	if (!rc)
		rc = vhd_keyhash_make(kh, nonce, key, len);
	explicit_bzero(key, sizeof(key));
	return rc;
}

static int calculate(const struct key_args *a)
{
	struct vhd_keyhash kh;
	char hex[65];
	int rc = hash_key(&kh, a, 0);

	if (rc)
		return rc;
	vhd_cmd_hex(hex, kh.hash, 32);
	(void)printf("%s\n", hex);
	return 0;
}

static int may_save(const struct vhd *vhd)
{
	struct vhd_keyhash now;
	int rc = vhd_keyhash(vhd, &now);

	if (rc)
		return rc;
	if (!vhd_header(vhd)) {
		(void)fprintf(stderr, "can't save key hashes for fixed vhds\n");
		return -EINVAL;
	}
	if (now.set || vhd_allocated(vhd)) {
		(void)fprintf(stderr,
			      "can't save key hashes for non-empty vhds\n");
		return -EINVAL;
	}
	if (vhd_size(vhd) > (uint64_t)UINT32_MAX * VHD_SECTOR + VHD_SECTOR) {
		(void)fprintf(stderr, "disks over 2 TiB are not encrypted: "
				      "the cipher's sector number has 32 "
				      "bits\n");
		return -EINVAL;
	}
	return 0;
}

static int want_length(const struct key_args *a, size_t *want)
{
	*want = key_length(a->name, a->key);
	if (*want)
		return 0;
	(void)fprintf(stderr, "Invalid key name\n");
	return -EPERM; /* exit 1 */
}

static int save(struct vhd *vhd, const struct key_args *a)
{
	struct vhd_keyhash kh = { .set = true };
	struct err err = { 0 };
	size_t want;
	int rc = may_save(vhd);

	if (rc)
		return rc;
	if (a->hash) {
		rc = get_hex(kh.hash, a->hash);
		if (!rc)
			rc = get_nonce(kh.nonce, a->nonce);
	} else {
		rc = want_length(a, &want);
		if (!rc)
			rc = hash_key(&kh, a, want);
	}
	if (!rc)
		rc = vhd_keyhash_set(vhd, &kh, &err);
	if (err.msg[0])
		(void)fprintf(stderr, "%s: %s\n", a->name, err.msg);
	return rc;
}

static int check(const struct vhd *vhd, const struct key_args *a)
{
	uint8_t key[OLD_KEY_MAX];
	struct vhd_keyhash kh;
	size_t want, len;
	int rc = vhd_keyhash(vhd, &kh);

	if (!rc)
		rc = want_length(a, &want);
	if (!rc)
		rc = read_key(key, want, &len, a->key);
	if (!rc && !vhd_keyhash_match(&kh, key, len))
		rc = -EINVAL;
	explicit_bzero(key, sizeof(key));
	return rc;
}

static int print(const struct vhd *vhd)
{
	struct vhd_keyhash kh;
	char nonce[65], hash[65];
	int rc = vhd_keyhash(vhd, &kh);

	if (rc)
		return rc;
	vhd_cmd_hex(nonce, kh.nonce, 32);
	vhd_cmd_hex(hash, kh.hash, 32);
	if (kh.set)
		(void)printf("%s %s\n", nonce, hash);
	else
		(void)printf("none\n");
	return 0;
}

static int run(const struct key_args *a)
{
	struct vhd_cmd_image img;
	struct err err = { 0 };
	int rc = vhd_cmd_try(&img, a->name, a->save ? VHD_OPEN_WRITE : 0, &err);

	if (rc) {
		(void)fprintf(stderr, "error opening %s: %d: %s\n", a->name, rc,
			      err.msg);
		return rc;
	}
	if (a->save)
		rc = save(img.vhd, a);
	else if (a->check)
		rc = check(img.vhd, a);
	if (!rc && a->save)
		rc = img.io->sync(img.io);
	if (a->print)
		rc = print(img.vhd);
	vhd_cmd_close(&img);
	return rc;
}

static bool makes_sense(const struct key_args *a)
{
	if (a->make)
		return a->key && !a->save && !a->check && !a->print &&
		       !a->hash && !a->name;
	if (!a->name || (a->save && a->check))
		return false;
	if (a->save)
		return !a->key != !a->hash;
	if (a->check)
		return a->key && !a->nonce && !a->hash;
	return a->print;
}

int vhd_cmd_key(int argc, char **argv)
{
	struct key_args a = { 0 };
	int c;

	while ((c = getopt(argc, argv, "n:k:N:H:scCph")) != -1) {
		if (c == 'n')
			a.name = optarg;
		else if (c == 'k')
			a.key = optarg;
		else if (c == 'N')
			a.nonce = optarg;
		else if (c == 'H')
			a.hash = optarg;
		else if (c == 's')
			a.save = true;
		else if (c == 'c')
			a.check = true;
		else if (c == 'C')
			a.make = true;
		else if (c == 'p')
			a.print = true;
		else
			return vhd_cmd_usage("key"), c == 'h' ? 0 : -EINVAL;
	}
	if (!makes_sense(&a) || optind != argc)
		return vhd_cmd_usage("key");
	return a.make ? calculate(&a) : run(&a);
}
