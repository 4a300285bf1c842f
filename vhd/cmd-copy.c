/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-copy.c - vhd-util copy and convert: images from images. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vhd/chain.h"
#include "vhd/cmd.h"
#include "vhd/copy.h"
#include "vhd/crypt.h"

#define MIB (1u << 20)

struct copy_args {
	const char *name, *new, *key, *format;
	bool from_stdin, from_raw, overwrite;
};

static const struct option longopts[] = {
	{ "overwrite", no_argument, NULL, 'o' },
	{ 0 },
};

/* 32 or 64 bytes, and nothing behind them. */
static int read_stdin(uint8_t key[VHD_KEY_MAX + 1], size_t *len)
{
	ssize_t n = 1;

	for (*len = 0; *len <= VHD_KEY_MAX && n > 0; *len += (size_t)n) {
		n = read(STDIN_FILENO, key + *len, VHD_KEY_MAX + 1 - *len);
		if (n < 0)
			return -errno;
	}
	return *len == 32 || *len == 64 ? 0 : -EINVAL;
}

static int read_file(uint8_t key[VHD_KEY_MAX + 1], size_t *len,
		     const char *path, struct err *err)
{
	struct vhd_files *files = vhd_cmd_key_files();
	struct vhd_io *io;
	uint64_t size;
	int rc = files->open(files, &io, path, 0, err);

	if (rc)
		return rc;
	rc = io->size(io, &size);
	if (!rc && size != 32 && size != 64)
		rc = -EINVAL;
	*len = (size_t)size;
	if (!rc)
		rc = io->pread(io, key, *len, 0);
	io->close(io);
	return rc;
}

static int take_key(const struct copy_args *a, struct vhd_copy *p,
		    struct vhd_keyhash *kh, struct err *err)
{
	static const uint8_t nonce[32];
	uint8_t key[VHD_KEY_MAX + 1];
	size_t len = 0;
	int rc;

	if (!a->key && !a->from_stdin)
		return 0;
	rc = a->key ? read_file(key, &len, a->key, err) : read_stdin(key, &len);
	if (rc)
		err_set(err, rc, "no key of 32 or 64 bytes");
	if (!rc)
		rc = vhd_keyhash_make(kh, nonce, key, len);
	if (!rc)
		rc = vhd_crypt_new(&p->crypt, key, len, err);
	if (!rc && !vhd_crypt_may_encrypt(p->crypt))
		rc = err_set(err, -EINVAL,
			     "a key of two equal halves encrypts nothing");
	explicit_bzero(key, sizeof(key));
	if (!rc && p->size > ((uint64_t)UINT32_MAX + 1) * VHD_SECTOR)
		rc = err_set(err, -EINVAL,
			     "disks over 2 TiB are not encrypted: the cipher's "
			     "sector number has 32 bits");
	return rc;
}

static int open_source(const struct copy_args *a, struct vhd_copy *p,
		       struct err *err)
{
	struct vhd_files *files = vhd_cmd_files();
	int rc;

	if (a->from_raw) {
		rc = files->open(files, &p->plain, a->name, 0, err);
		return rc ? rc : p->plain->size(p->plain, &p->size);
	}
	rc = vhd_chain_open(&p->chain, files, a->name, 0, err);
	if (rc)
		return rc;
	p->size = p->chain->layer[0].size;
	return vhd_chain_is_clear(p->chain, err);
}

static int fill_image(struct vhd_io *io, struct vhd_copy *p, struct err *err)
{
	struct vhd *vhd;
	int rc = vhd_open(&vhd, io, true, err);

	if (rc)
		return rc;
	if (vhd_header(vhd))
		p->to = vhd;
	else
		p->to_plain = io;
	rc = vhd_copy(p, err);
	vhd_close(vhd);
	return rc;
}

static int fill_plain(struct vhd_io *io, struct vhd_copy *p, struct err *err)
{
	int rc = io->resize ? io->resize(io, p->size) : 0;

	p->to_plain = io;
	return rc ? err_set(err, rc, "size") : vhd_copy(p, err);
}

static int fill_new(struct vhd_io *io, const struct copy_args *a,
		    struct vhd_copy *p, struct err *err)
{
	struct vhd_new n = {
		.type = *a->format == 'd' ? VHD_DYNAMIC : VHD_FIXED,
		.size = p->size,
		.sparse = true,
		.time = time(NULL),
	};
	int rc = take_key(a, p, &n.keyhash, err);

	if (rc)
		return rc;
	if (*a->format == 'r')
		return fill_plain(io, p, err);
	/* What is beyond the source is zeroes. */
	if (a->from_raw)
		n.size = (n.size + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
	/* Azure wants whole MiB. */
	if (*a->format == 'a')
		n.size = (n.size + MIB - 1) / MIB * MIB;
	vhd_new_id(n.id);
	rc = vhd_create(io, &n, err);
	return rc ? rc : fill_image(io, p, err);
}

static int copy(const struct copy_args *a, const char *verb)
{
	struct vhd_progress progress = { .step = vhd_cmd_progress };
	bool shown = isatty(STDOUT_FILENO), made = false;
	struct vhd_files *files = vhd_cmd_files();
	struct vhd_copy p = { .progress = shown ? &progress : NULL };
	struct err err = { 0 };
	struct vhd_io *io = NULL;
	int rc = open_source(a, &p, &err);

	if (!rc)
		rc = vhd_cmd_new(&io, a->new, a->name, a->overwrite, &made,
				 &err);
	if (!rc) {
		rc = fill_new(io, a, &p, &err);
		if (!rc)
			rc = io->sync(io);
		io->close(io);
	}
	if (rc && made)
		(void)files->remove(files, a->new); /* it is rc that counts */
	if (shown)
		(void)printf("\n");
	vhd_crypt_free(p.crypt);
	vhd_chain_close(p.chain);
	if (p.plain)
		p.plain->close(p.plain);
	return rc ? vhd_cmd_fail(verb, a->name, rc, &err) : 0;
}

int vhd_cmd_copy(int argc, char **argv)
{
	struct copy_args a = { .format = "dynamic" };
	int c;

	while ((c = getopt_long(argc, argv, "n:N:k:Eh", longopts, NULL)) !=
	       -1) {
		if (c == 'n')
			a.name = optarg;
		else if (c == 'N')
			a.new = optarg;
		else if (c == 'k')
			a.key = optarg;
		else if (c == 'E')
			a.from_stdin = true;
		else if (c == 'o')
			a.overwrite = true;
		else
			return vhd_cmd_usage("copy");
	}
	if (!a.name || !a.new || (a.key && a.from_stdin) || optind != argc)
		return vhd_cmd_usage("copy");
	return copy(&a, "error copying");
}

static bool is_format(const char *s)
{
	return s && (!strcmp(s, "dynamic") || !strcmp(s, "fixed") ||
		     !strcmp(s, "azure") || !strcmp(s, "raw"));
}

int vhd_cmd_convert(int argc, char **argv)
{
	struct copy_args a = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "n:N:I:O:h", longopts, NULL)) !=
	       -1) {
		if (c == 'n')
			a.name = optarg;
		else if (c == 'N')
			a.new = optarg;
		else if (c == 'O')
			a.format = optarg;
		else if (c == 'I' && !strcmp(optarg, "raw"))
			a.from_raw = true;
		else if (c == 'o')
			a.overwrite = true;
		else if (c != 'I' || strcmp(optarg, "vhd"))
			return vhd_cmd_usage("convert"), c == 'h' ? 0 : -EINVAL;
	}
	if (!a.name || !a.new || !is_format(a.format) || optind != argc)
		return vhd_cmd_usage("convert");
	return copy(&a, "error converting");
}
