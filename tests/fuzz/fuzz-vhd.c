/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-vhd.c - hostile images: opened, checked, read, repaired, coalesced,
 * given another parent.
 *
 * The first two bytes are the length, in sectors, of the first of two files;
 * the rest is the second, which the first may have as its parent, or for a
 * journal to be reverted with.  Sums are
 * made right where that gets a field past the first look.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "tests/lib/vhd-mem.h"
#include "vhd/chain.h"
#include "vhd/data.h"
#include "vhd/format.h"

#define SECTORS 16u
#define NOW     (VHD_EPOCH + 1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend_sums(struct vhd_mem_file *f)
{
	if (f->size < 2048)
		return;
	bytes_put_be32(f->data + 64, vhd_checksum(f->data, 512, 64));
	bytes_put_be32(f->data + 512 + 36,
		       vhd_checksum(f->data + 512, 1024, 36));
	bytes_put_be32(f->data + f->size - 512 + 64,
		       vhd_checksum(f->data + f->size - 512, 512, 64));
}

static void read_some(struct vhd_mem *m)
{
	uint8_t buf[SECTORS * 512];
	struct vhd_chain *c;
	struct vhd_stats s;
	struct vhd *vhd;
	uint64_t end;

	if (vhd_chain_open(&c, &m->files, "a", 0, NULL))
		return;
	vhd = c->layer[0].vhd;
	end = vhd_size(vhd) / 512;
	(void)vhd_chain_read(c, buf, 0, SECTORS, NULL); /* not to crash */
	if (end > SECTORS)
		(void)vhd_chain_read(c, buf, end - SECTORS, SECTORS, NULL);
	if (vhd_header(vhd) && vhd_blocks(vhd) < 64)
		(void)vhd_stats(c, &s, NULL);
	vhd_chain_close(c);
}

/* What mends must leave something that opens. */
static void repair(struct vhd_mem *m)
{
	struct vhd_io *io = vhd_mem_open(m, "a");
	struct vhd *vhd;

	if (vhd_open(&vhd, io, true, NULL)) {
		io->close(io);
		return;
	}
	if (!vhd_header(vhd) || vhd_end(vhd) < (64u << 20)) {
		int rc = vhd_repair(vhd, NULL, NULL);

		vhd_close(vhd);
		vhd = NULL;
		if (!rc && vhd_open(&vhd, io, false, NULL))
			abort();
	}
	vhd_close(vhd);
	io->close(io);
}

/* Backwards or not, what is left is read again. */
static void revert(struct vhd_mem *m)
{
	struct vhd_io *io = vhd_mem_open(m, "a"), *j = vhd_mem_open(m, "p");
	struct vhd *vhd;

	if (!vhd_revert(io, j, NULL) && !vhd_open(&vhd, io, true, NULL))
		vhd_close(vhd);
	j->close(j);
	io->close(io);
}

static struct vhd *open_small(struct vhd_mem *m, const char *name,
			      struct vhd_io **io)
{
	struct vhd *vhd = NULL;

	*io = vhd_mem_open(m, name);
	if (vhd_open(&vhd, *io, true, NULL))
		return NULL;
	if (vhd_size(vhd) < (1u << 20) && vhd_end(vhd) < (16u << 20))
		return vhd;
	vhd_close(vhd);
	return NULL;
}

/* Only not to crash, or to write where nothing may be. */
static void coalesce(struct vhd_mem *m)
{
	struct vhd_io *child_io, *io;
	struct vhd *child = open_small(m, "a", &child_io);
	struct vhd *parent = open_small(m, "p", &io);
	uint64_t sectors;

	if (child && parent)
		(void)vhd_coalesce(child, parent, NULL, NULL, &sectors, NULL);
	vhd_close(child);
	vhd_close(parent);
	child_io->close(child_io);
	io->close(io);
}

static void reparent(struct vhd_mem *m)
{
	struct vhd_reparent p = { .name = "a",
				  .files = &m->files,
				  .parent = "p" };
	struct vhd_io *io;
	struct vhd *vhd = open_small(m, "a", &io);

	if (vhd && !vhd_set_parent(vhd, &p, NULL)) {
		vhd_close(vhd);
		if (vhd_open(&vhd, io, false, NULL))
			abort();
	}
	vhd_close(vhd);
	io->close(io);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vhd_mem m;
	struct err err;
	size_t first;

	if (size < 2)
		return 0;
	vhd_mem_init(&m);
	first = (size_t)bytes_be16(data) * 512;
	data += 2;
	size -= 2;
	if (first > size)
		first = size;
	vhd_mem_put(&m, "a", data, first);
	vhd_mem_put(&m, "p", data + first, size - first);
	if (size % 2) {
		mend_sums(vhd_mem_file(&m, "a"));
		mend_sums(vhd_mem_file(&m, "p"));
	}
	(void)vhd_check(&m.files, "a", VHD_CHECK_PARENTS, NOW, &err);
	read_some(&m);
	if (first > 8 && !memcmp(vhd_mem_file(&m, "a")->data, "v_poison", 8))
		revert(&m);
	repair(&m);
	coalesce(&m);
	reparent(&m);
	vhd_mem_free(&m);
	return 0;
}
