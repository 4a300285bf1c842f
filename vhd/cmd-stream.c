/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-stream.c - images through pipes: dm-decrypt, dm-encrypt,
 * clone-metadata, stream-coalesce.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vhd/cmd.h"
#include "vhd/data.h"
#include "vhd/image.h"
#include "vhd/merge.h"
#include "vhd/stream.h"

static const struct vhd_progress shown = { .step = vhd_cmd_progress };

struct args {
	const char *in, *vhd, *out;
	unsigned n; /* images */
	bool progress, keep, any_order, info;
	int (*fill)(struct vhd_io *io, struct args *a,
		    struct vhd_cmd_image *img, struct err *err);
};

/* "-" is standard input; a FIFO or a socket is read as a pipe too. */
static int open_input(struct vhd_cmd_image *img, const char *name)
{
	bool is_stdin = !strcmp(name, "-");
	struct err err = { 0 };
	struct stat st;
	int fd, rc;

	if (!is_stdin && (stat(name, &st) || !S_ISFIFO(st.st_mode)))
		return vhd_cmd_open(img, name, 0);
	*img = (struct vhd_cmd_image){ .name = name };
	fd = is_stdin ? dup(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);
	rc = fd < 0 ? -errno : vhd_io_stream(&img->io, fd);
	if (!rc)
		rc = vhd_open(&img->vhd, img->io, false, &err);
	if (!rc)
		return 0;
	if (!img->io && fd >= 0)
		(void)close(fd); /* nothing was taken from it */
	vhd_cmd_close(img);
	return vhd_cmd_fail("error opening", name, rc, &err);
}

static int fail(const char *verb, const char *name, int rc,
		const struct err *err)
{
	return rc ? vhd_cmd_fail(verb, name, rc, err) : 0;
}

/* Devices are taken as they are, but not one that is still to be read. */
static int may_make(const struct args *a, const struct vhd_cmd_image *img,
		    struct err *err)
{
	struct vhd_files *files = vhd_cmd_files();
	bool same = files->same && a->in && files->same(files, a->in, a->out);

	for (unsigned i = 0; i < a->n; i++)
		same |= files->same && files->same(files, img[i].name, a->out);
	return same ? err_set(err, -EINVAL, "%s is read from", a->out) : 0;
}

/* The new file a->out, filled by a->fill(), or removed again. */
static int make(struct args *a, struct vhd_cmd_image *img)
{
	struct vhd_files *files = vhd_cmd_files();
	struct err err = { 0 };
	struct vhd_io *io;
	bool made;
	int rc = may_make(a, img, &err);

	if (!rc)
		rc = vhd_cmd_new(&io, a->out, NULL, false, &made, &err);
	if (!rc) {
		rc = a->fill(io, a, img, &err);
		if (!rc)
			rc = io->sync(io);
		io->close(io);
		if (rc && made)
			(void)files->remove(files, a->out); /* rc counts */
	}
	if (a->progress)
		(void)fprintf(stderr, "\n");
	return fail("error creating", a->out, rc, &err);
}

static int clone_image(struct vhd_io *io, struct args *a,
		       struct vhd_cmd_image *img, struct err *err)
{
	(void)a;
	return vhd_clone(io, img->vhd, NULL, false, err);
}

int vhd_cmd_clone(int argc, char **argv)
{
	struct vhd_cmd_image img;
	struct args a = { .fill = clone_image, .n = 1 };
	int c, rc;

	while ((c = getopt(argc, argv, "i:o:qh")) != -1) {
		if (c == 'i')
			a.in = optarg;
		else if (c == 'o')
			a.out = optarg;
		else if (c != 'q') /* it says nothing anyhow */
			return vhd_cmd_usage("clone-metadata");
	}
	if (!a.in || !a.out || optind != argc)
		return vhd_cmd_usage("clone-metadata");
	rc = open_input(&img, a.in);
	if (rc)
		return rc;
	rc = make(&a, &img);
	vhd_cmd_close(&img);
	return rc;
}

/* --- dm-decrypt: sectors of an image from a device ------------------------ */

struct decrypt {
	struct vhd_layer_source layer; /* first: its bits */
	struct vhd_io *device;
	struct vhd_io *out; /* NULL: standard output */
	uint64_t pos;
};

static int device_read(struct vhd_source *s, uint64_t sector, uint32_t count,
		       void *buf, struct err *err)
{
	struct decrypt *d = (struct decrypt *)s;
	int rc = d->device->pread(d->device, buf, (size_t)count * VHD_SECTOR,
				  sector * VHD_SECTOR);

	return rc ? err_set(err, rc, "error reading the device: %s",
			    strerror(-rc))
		  : 0;
}

static int write_out(void *arg, const void *buf, size_t len)
{
	struct decrypt *d = arg;
	int rc = 0;

	if (d->out)
		rc = d->out->pwrite(d->out, buf, len, d->pos);
	else if (fwrite(buf, 1, len, stdout) != len)
		rc = -EIO;
	d->pos += len;
	return rc;
}

static int decrypt(struct vhd_io *io, struct args *a, struct vhd_cmd_image *img,
		   struct err *err)
{
	struct vhd_files *files = vhd_cmd_files();
	struct decrypt d = { .out = io };
	struct vhd_forward f = {
		.like = img->vhd,
		.from = &d.layer.source,
		.keyhash = a->keep,
		.out = write_out,
		.arg = &d,
		.progress = a->progress && io ? &shown : NULL,
	};
	int rc = files->open(files, &d.device, a->in, 0, err);

	if (rc)
		return rc;
	vhd_layer_source(&d.layer, img->vhd, NULL);
	d.layer.source.read = device_read;
	rc = vhd_forward(&f, err);
	d.device->close(d.device);
	if (!rc && !io && fflush(stdout))
		rc = err_set(err, -EIO, "error writing");
	return rc;
}

int vhd_cmd_decrypt(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "keep-keyhash", no_argument, NULL, 'K' },
		{ 0 },
	};
	struct vhd_cmd_image img;
	struct err err = { 0 };
	struct args a = { .fill = decrypt, .n = 1 };
	int c, rc;

	while ((c = getopt_long(argc, argv, "i:I:o:ph", longopts, NULL)) !=
	       -1) {
		if (c == 'i')
			a.in = optarg;
		else if (c == 'I')
			a.vhd = optarg;
		else if (c == 'o')
			a.out = optarg;
		else if (c == 'p')
			a.progress = true;
		else if (c == 'K')
			a.keep = true;
		else
			return vhd_cmd_usage("dm-decrypt");
	}
	if (!a.in || !a.vhd || !a.out || optind != argc)
		return vhd_cmd_usage("dm-decrypt");
	rc = vhd_cmd_open(&img, a.vhd, 0);
	if (rc)
		return rc;
	if (strcmp(a.out, "-")) {
		rc = make(&a, &img);
	} else {
		rc = decrypt(NULL, &a, &img, &err);
		if (rc)
			(void)fprintf(stderr, "%s: %s\n", a.vhd, err.msg);
	}
	vhd_cmd_close(&img);
	return rc;
}

/* --- dm-encrypt: an image's sectors into a device ------------------------- */

static int put_block(struct vhd_layer_source *l, struct vhd_io *device,
		     uint32_t block, uint8_t *buf, struct err *err)
{
	uint32_t secs = vhd_block_sectors(l->vhd), i = 0;
	uint32_t used = vhd_block_used(l->vhd, block);
	uint64_t base = (uint64_t)block * secs;
	uint8_t map[VHD_SECTOR];
	int rc = l->source.bits(&l->source, base, used, map, err);

	/* A block without sectors is one over there too. */
	if (!rc && vhd_bit_next(map, 0, used, true) == used) {
		memset(buf, 0, VHD_SECTOR);
		return device->pwrite(device, buf, VHD_SECTOR,
				      base * VHD_SECTOR);
	}
	while (!rc && (i = vhd_bit_next(map, i, used, true)) < used) {
		uint32_t to = vhd_bit_next(map, i, used, false);

		rc = l->source.read(&l->source, base + i, to - i, buf, err);
		if (!rc)
			rc = device->pwrite(device, buf,
					    (size_t)(to - i) * VHD_SECTOR,
					    (base + i) * VHD_SECTOR);
		i = to;
	}
	return rc;
}

static int encrypt(struct vhd *vhd, struct vhd_io *device, bool progress,
		   struct err *err)
{
	uint32_t n, *order = vhd_blocks_in_file(vhd, &n);
	uint8_t *buf = malloc(2u << 20);
	struct vhd_layer_source l;
	int rc = order && buf ? 0 : -ENOMEM;

	vhd_layer_source(&l, vhd, NULL);
	for (uint32_t i = 0; !rc && i < n; i++) {
		rc = put_block(&l, device, order[i], buf, err);
		if (progress)
			vhd_cmd_progress(NULL, i + 1, n);
	}
	free(order);
	free(buf);
	return rc ? rc : device->sync(device);
}

/* The caller's own command, as a shell takes it. */
static int run_command(const char *command, struct err *err)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	int status, rc;
	pid_t pid;

	rc = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ);
	if (rc)
		return err_set(err, -rc, "%s: %s", command, strerror(rc));
	if (waitpid(pid, &status, 0) < 0)
		return err_sys(err, "%s", command);
	return status ? err_set(err, -EIO, "%s: it failed", command) : 0;
}

/* An empty image like img, and what makes of it the device to write to. */
static int bring_up(const char *new, const char *command,
		    struct vhd_cmd_image *img, struct err *err)
{
	struct args a = { .out = new, .fill = clone_image, .n = 1 };
	int rc = make(&a, img);

	if (rc)
		return rc;
	rc = run_command(command, err);
	if (rc)
		(void)vhd_cmd_files()->remove(vhd_cmd_files(), new);
	return rc;
}

int vhd_cmd_encrypt(int argc, char **argv)
{
	struct vhd_files *files = vhd_cmd_files();
	const char *new = NULL, *command = NULL;
	struct vhd_cmd_image img;
	struct err err = { 0 };
	struct args a = { 0 };
	struct vhd_io *device;
	int c, rc;

	while ((c = getopt(argc, argv, "i:o:c:C:ph")) != -1) {
		if (c == 'i')
			a.in = optarg;
		else if (c == 'o')
			a.out = optarg;
		else if (c == 'c')
			new = optarg;
		else if (c == 'C')
			command = optarg;
		else if (c == 'p')
			a.progress = true;
		else
			return vhd_cmd_usage("dm-encrypt");
	}
	if (!a.in || !a.out || !new != !command || optind != argc)
		return vhd_cmd_usage("dm-encrypt");
	rc = open_input(&img, a.in);
	if (rc)
		return rc;
	a.n = 1;
	rc = vhd_header(img.vhd) ? may_make(&a, &img, &err) : -EINVAL;
	if (!rc && new)
		rc = bring_up(new, command, &img, &err);
	if (!rc)
		rc = files->open(files, &device, a.out, VHD_FILES_WRITE, &err);
	if (!rc) {
		rc = encrypt(img.vhd, device, a.progress, &err);
		device->close(device);
	}
	vhd_cmd_close(&img);
	return fail("error writing", a.out, rc, &err);
}

/* --- stream-coalesce: several images into one ----------------------------- */

#define MOST_INPUTS 64u

struct inputs {
	struct args args; /* first */
	unsigned n;
	struct vhd_cmd_image img[MOST_INPUTS];
};

/* Their order, and that one key, or none, is for all. */
static int agree(struct inputs *in, struct err *err)
{
	struct vhd_keyhash first = { 0 }, kh;
	int rc = 0;

	for (unsigned i = 0; !rc && i < in->n; i++) {
		struct vhd *vhd = in->img[i].vhd;
		struct vhd *next = i + 1 < in->n ? in->img[i + 1].vhd : NULL;

		if (!vhd_header(vhd))
			return err_set(err, -EINVAL, "%s: it is fixed",
				       in->img[i].name);
		if (next && !in->args.any_order &&
		    memcmp(vhd->header.parent_id, next->footer.id, 16))
			return err_set(err, -EINVAL, "%s: invalid parent uuid",
				       in->img[i].name);
		if (next && vhd->header.block_size != next->header.block_size)
			return err_set(err, -EINVAL, "block sizes differ");
		rc = vhd_keyhash(vhd, i ? &kh : &first);
		if (!rc && i && memcmp(&kh, &first, sizeof(kh)))
			rc = err_set(err, -EINVAL, "the key hashes differ");
	}
	return rc;
}

static int add_input(struct vhd *to, struct vhd *from, bool progress,
		     struct err *err)
{
	struct vhd_layer_source l;
	struct vhd_merge m = {
		.from = &l.source,
		.count = (vhd_size(to) + VHD_SECTOR - 1) / VHD_SECTOR,
		.fresh = true,
		.progress = progress ? &shown : NULL,
	};
	uint32_t *order = vhd_blocks_in_file(from, &m.n);
	int rc;

	if (!order)
		return err_set(err, -ENOMEM, "allocating memory");
	vhd_layer_source(&l, from, to);
	m.order = order;
	rc = vhd_merge(to, &m, err);
	free(order);
	return rc;
}

static int add_all(struct vhd_io *io, struct args *a, struct vhd_cmd_image *img,
		   struct err *err)
{
	struct inputs *in = (struct inputs *)a;
	struct vhd *to = NULL;
	int rc = vhd_clone(io, img[in->n - 1].vhd, img[0].vhd, true, err);

	if (!rc)
		rc = vhd_open(&to, io, true, err);
	for (unsigned i = 0; !rc && i < in->n; i++)
		rc = add_input(to, img[i].vhd, a->progress, err);
	vhd_close(to);
	return rc;
}

static int open_inputs(struct inputs *in, char **names)
{
	struct err err = { 0 };
	int rc = 0;

	for (; !rc && *names && in->n < MOST_INPUTS; names++) {
		rc = open_input(&in->img[in->n], *names);
		in->n += !rc;
	}
	if (!rc && *names)
		rc = vhd_cmd_fail("error opening", *names, -E2BIG, NULL);
	if (!rc && agree(in, &err))
		rc = vhd_cmd_fail("error coalescing", in->img[0].name, -EINVAL,
				  &err);
	return rc;
}

int vhd_cmd_stream(int argc, char **argv)
{
	struct inputs in = { .args = { .fill = add_all } };
	int c, rc;

	while ((c = getopt(argc, argv, "o:Dpixh")) != -1) {
		if (c == 'o')
			in.args.out = optarg;
		else if (c == 'D')
			in.args.any_order = true;
		else if (c == 'p')
			in.args.progress = true;
		else if (c == 'i')
			in.args.info = true;
		else if (c != 'x')
			return vhd_cmd_usage("stream-coalesce");
	}
	if (!in.args.out == !in.args.info || optind == argc)
		return vhd_cmd_usage("stream-coalesce");
	rc = open_inputs(&in, argv + optind);
	for (unsigned i = 0; !rc && in.args.info && i < in.n; i++)
		(void)printf("%s: %u blocks of %u\n", in.img[i].name,
			     vhd_allocated(in.img[i].vhd),
			     vhd_blocks(in.img[i].vhd));
	in.args.n = in.n;
	if (!rc && !in.args.info)
		rc = make(&in.args, in.img);
	for (unsigned i = 0; i < in.n; i++)
		vhd_cmd_close(&in.img[i]);
	return rc;
}
