/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhd-mem.c - image files in memory, whose every write is remembered. */
#include "tests/lib/vhd-mem.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"

struct mem_io {
	struct vhd_io io;
	struct vhd_mem *m;
	unsigned file;
};

static struct vhd_mem_file *file_of(struct vhd_io *io)
{
	struct mem_io *mio = (struct mem_io *)io;

	return &mio->m->file[mio->file];
}

static int mem_pread(struct vhd_io *io, void *buf, size_t len, uint64_t off)
{
	struct vhd_mem_file *f = file_of(io);

	if (!bytes_within(off, len, f->size))
		return -ERANGE;
	if (len)
		memcpy(buf, f->data + off, len);
	return 0;
}

static void grow(struct vhd_mem_file *f, uint64_t size)
{
	if (size > f->size) {
		f->data = realloc(f->data, size);
		assert(f->data);
		memset(f->data + f->size, 0, size - f->size);
	}
	f->size = size;
}

static void log_op(struct vhd_mem *m, struct vhd_mem_op op, const void *data)
{
	if (!m->record)
		return;
	if (m->n == m->room) {
		m->room = m->room * 2 + 64;
		m->op = realloc(m->op, m->room * sizeof(*m->op));
		assert(m->op);
	}
	if (op.len) {
		op.data = malloc(op.len);
		assert(op.data);
		memcpy(op.data, data, op.len);
	}
	m->op[m->n++] = op;
}

static int may_fail(struct vhd_mem *m)
{
	m->calls++;
	if (!m->fail || m->calls < m->fail)
		return 0;
	return m->calls == m->fail || m->fail_on ? m->fail_rc : 0;
}

static int mem_pwrite(struct vhd_io *io, const void *buf, size_t len,
		      uint64_t off)
{
	struct mem_io *mio = (struct mem_io *)io;
	struct vhd_mem_file *f = file_of(io);
	int rc = may_fail(mio->m);

	if (rc)
		return rc;
	if (mio->m->device && !bytes_within(off, len, f->size))
		return -ENOSPC;
	if (off + len > f->size)
		grow(f, off + len);
	memcpy(f->data + off, buf, len);
	mio->m->touched += len;
	log_op(mio->m,
	       (struct vhd_mem_op){ .what = MEM_WRITE,
				    .file = mio->file,
				    .off = off,
				    .len = len },
	       buf);
	return 0;
}

static int mem_resize(struct vhd_io *io, uint64_t size)
{
	struct mem_io *mio = (struct mem_io *)io;
	int rc = may_fail(mio->m);

	if (rc)
		return rc;
	grow(file_of(io), size);
	log_op(mio->m,
	       (struct vhd_mem_op){
		       .what = MEM_RESIZE, .file = mio->file, .off = size },
	       NULL);
	return 0;
}

static int mem_sync(struct vhd_io *io)
{
	struct mem_io *mio = (struct mem_io *)io;

	log_op(mio->m,
	       (struct vhd_mem_op){ .what = MEM_SYNC, .file = mio->file },
	       NULL);
	return 0;
}

static int mem_size(struct vhd_io *io, uint64_t *out)
{
	*out = file_of(io)->size;
	return 0;
}

static unsigned attr_of(const char *name)
{
	size_t n = strlen(name);

	return n > 7 && !strcmp(name + n - 7, "keyhash");
}

static int mem_get_attr(struct vhd_io *io, const char *name, void *buf,
			size_t len)
{
	struct vhd_mem_file *f = file_of(io);
	unsigned i = attr_of(name);

	if (!f->attr_len[i])
		return -ENODATA;
	if (f->attr_len[i] != len)
		return -EINVAL;
	memcpy(buf, f->attr[i], len);
	return 0;
}

static int mem_set_attr(struct vhd_io *io, const char *name, const void *buf,
			size_t len)
{
	struct vhd_mem_file *f = file_of(io);
	unsigned i = attr_of(name);

	assert(len <= sizeof(f->attr[i]));
	memcpy(f->attr[i], buf, len);
	f->attr_len[i] = len;
	return 0;
}

static int mem_copy(struct vhd_io *io, uint64_t off, struct vhd_io *from,
		    uint64_t from_off, uint64_t len)
{
	struct vhd_mem_file *f = file_of(from);

	if (!bytes_within(from_off, len, f->size))
		return -EOPNOTSUPP;
	return mem_pwrite(io, f->data + from_off, len, off);
}

static void mem_close(struct vhd_io *io)
{
	free(io);
}

static struct vhd_mem_file *find(struct vhd_mem *m, const char *name)
{
	for (unsigned i = 0; i < VHD_MEM_FILES; i++) {
		if (!strcmp(m->file[i].name, name))
			return &m->file[i];
	}
	return NULL;
}

/* There is one folder, the root. */
static const char *base(const char *name)
{
	while (!strncmp(name, "./", 2) || *name == '/')
		name += *name == '/' ? 1 : 2;
	return name;
}

struct vhd_mem_file *vhd_mem_file(struct vhd_mem *m, const char *name)
{
	struct vhd_mem_file *f;

	name = base(name);
	f = find(m, name);
	if (!f) {
		f = find(m, "");
		assert(f);
		(void)snprintf(f->name, sizeof(f->name), "%s", name);
	}
	return f;
}

static int files_open(struct vhd_files *files, struct vhd_io **out,
		      const char *name, unsigned flags, struct err *err)
{
	struct vhd_mem *m = (struct vhd_mem *)files;
	struct vhd_mem_file *f = find(m, base(name));
	struct mem_io *mio;

	if (!f && !(flags & VHD_FILES_CREATE))
		return err_set(err, -ENOENT, "%s: %s", name, strerror(ENOENT));
	if (!f)
		f = vhd_mem_file(m, name);
	mio = calloc(1, sizeof(*mio));
	assert(mio);
	mio->io = (struct vhd_io){
		.pread = mem_pread,
		.pwrite = mem_pwrite,
		.sync = mem_sync,
		.resize = m->device ? NULL : mem_resize,
		.size = mem_size,
		.get_attr = mem_get_attr,
		.set_attr = mem_set_attr,
		.copy = m->copies ? mem_copy : NULL,
		.close = mem_close,
	};
	mio->m = m;
	mio->file = (unsigned)(f - m->file);
	*out = &mio->io;
	return 0;
}

static int files_remove(struct vhd_files *files, const char *name)
{
	struct vhd_mem_file *f = vhd_mem_file((struct vhd_mem *)files, name);

	free(f->data);
	*f = (struct vhd_mem_file){ 0 };
	return 0;
}

static char *files_resolve(struct vhd_files *files, const char *name)
{
	char *out;

	(void)files;
	return asprintf(&out, "/%s", base(name)) < 0 ? NULL : out;
}

void vhd_mem_init(struct vhd_mem *m)
{
	*m = (struct vhd_mem){
		.files = { .open = files_open,
			   .remove = files_remove,
			   .resolve = files_resolve },
	};
}

void vhd_mem_free(struct vhd_mem *m)
{
	for (unsigned i = 0; i < VHD_MEM_FILES; i++)
		free(m->file[i].data);
	for (unsigned i = 0; i < m->n; i++)
		free(m->op[i].data);
	free(m->op);
	vhd_mem_init(m);
}

void vhd_mem_put(struct vhd_mem *m, const char *name, const void *data,
		 size_t len)
{
	struct vhd_mem_file *f = vhd_mem_file(m, name);

	grow(f, len);
	if (len)
		memcpy(f->data, data, len);
}

struct vhd_io *vhd_mem_open(struct vhd_mem *m, const char *name)
{
	struct vhd_io *io;
	int rc = files_open(&m->files, &io, name,
			    VHD_FILES_WRITE | VHD_FILES_CREATE, NULL);

	assert(!rc);
	return io;
}

void vhd_mem_copy(struct vhd_mem *out, const struct vhd_mem *m)
{
	vhd_mem_init(out);
	out->device = m->device;
	out->copies = m->copies;
	for (unsigned i = 0; i < VHD_MEM_FILES; i++) {
		out->file[i] = m->file[i];
		out->file[i].data = NULL;
		out->file[i].size = 0;
		grow(&out->file[i], m->file[i].size);
		if (m->file[i].size)
			memcpy(out->file[i].data, m->file[i].data,
			       m->file[i].size);
	}
}

void vhd_mem_fail(struct vhd_mem *m, unsigned nth, int rc, bool on)
{
	m->calls = 0;
	m->fail = nth;
	m->fail_rc = rc;
	m->fail_on = on;
}

static void apply(struct vhd_mem *m, const struct vhd_mem_op *op)
{
	struct vhd_mem_file *f = &m->file[op->file];

	if (op->what == MEM_RESIZE)
		grow(f, op->off);
	if (op->what != MEM_WRITE)
		return;
	if (op->off + op->len > f->size)
		grow(f, op->off + op->len);
	memcpy(f->data + op->off, op->data, op->len);
}

void vhd_mem_replay(struct vhd_mem *out, const struct vhd_mem *before,
		    const struct vhd_mem *log, unsigned n, unsigned skip)
{
	vhd_mem_copy(out, before);
	/* Files that the run made. */
	for (unsigned i = 0; i < VHD_MEM_FILES; i++)
		memcpy(out->file[i].name, log->file[i].name,
		       sizeof(out->file[i].name));
	for (unsigned i = 0; i < n; i++) {
		if (i != skip)
			apply(out, &log->op[i]);
	}
}
