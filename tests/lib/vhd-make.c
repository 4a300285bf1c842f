/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhd-make.c - VHDs in a folder of the test's own. */
#include "tests/lib/vhd-make.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"
#include "tests/lib/test.h"
#include "vhd/vhd.h"

static char folder[256];

void vhd_make_quick(void)
{
	if (!getenv("TMPDIR") && !access("/dev/shm", W_OK))
		(void)setenv("TMPDIR", "/dev/shm", 1); /* else slow */
}

void vhd_make_folder(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/vhd-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
}

void vhd_make_gone(void)
{
	DIR *dir = opendir(folder);
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(dir), e->d_name, 0), 0);
	closedir(dir);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(folder), 0);
}

static struct vhd_io *fresh(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct vhd_io *io;

	assert_true(fd >= 0);
	assert_int_equal(vhd_io_file(&io, fd), 0);
	return io;
}

static void make(const char *name, enum vhd_type type, uint64_t size)
{
	struct vhd_new p = {
		.type = type, .size = size, .sparse = true, .time = 1700000000
	};
	struct vhd_io *io = fresh(name);
	struct err err = { 0 };

	vhd_new_id(p.id);
	if (vhd_create(io, &p, &err))
		fail_msg("%s: %s", name, err.msg);
	io->close(io);
}

void vhd_make(const char *name, uint64_t size)
{
	make(name, VHD_DYNAMIC, size);
}

void vhd_make_fixed(const char *name, uint64_t size)
{
	make(name, VHD_FIXED, size);
}

void vhd_make_child(const char *name, const char *parent)
{
	struct vhd_snapshot snap = { .name = name,
				     .parent = parent,
				     .empty = true };
	struct vhd_new p = { .time = 1700000000 };
	struct vhd_io *io = fresh(name);
	struct err err = { 0 };

	vhd_new_id(p.id);
	if (vhd_snapshot(io, vhd_files_local(), &snap, &p, &err))
		fail_msg("%s: %s", name, err.msg);
	io->close(io);
}

void vhd_make_encrypted(const char *name, const uint8_t *key, unsigned len)
{
	static const uint8_t nonce[32];
	struct vhd_keyhash kh;
	struct err err = { 0 };
	struct vhd_io *io;
	struct vhd *vhd;

	assert_int_equal(vhd_io_file(&io, open(name, O_RDWR | O_CLOEXEC)), 0);
	assert_int_equal(vhd_open(&vhd, io, true, &err), 0);
	assert_int_equal(vhd_keyhash_make(&kh, nonce, key, len), 0);
	assert_int_equal(vhd_keyhash_set(vhd, &kh, &err), 0);
	vhd_close(vhd);
	io->close(io);
}

void vhd_make_check(const char *name)
{
	const unsigned flags =
		VHD_CHECK_PARENTS | VHD_CHECK_BITMAPS | VHD_CHECK_NO_TIME;
	struct err err = { 0 };

	if (vhd_check(vhd_files_local(), name, flags, 1700000001, &err))
		fail_msg("%s: %s", name, err.msg);
}
