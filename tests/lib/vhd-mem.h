/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhd-mem.h - image files in memory, whose every write is remembered.
 *
 * A run is recorded once; then the files can be made anew as a power cut
 * would have left them after any of its writes, also with writes missing
 * that no sync had confirmed.
 */
#ifndef TESTS_VHD_MEM_H
#define TESTS_VHD_MEM_H

#include "vhd/vhd.h"

#define VHD_MEM_FILES 6

struct vhd_mem_file {
	char name[32];
	uint8_t *data;
	uint64_t size;
	uint8_t attr[2][80]; /* of the marker, of the key hash */
	size_t attr_len[2];
};

struct vhd_mem_op {
	enum {
		MEM_WRITE,
		MEM_RESIZE,
		MEM_SYNC
	} what;
	unsigned file;
	uint64_t off; /* or the size */
	size_t len;
	uint8_t *data;
};

struct vhd_mem {
	struct vhd_files files; /* first */
	struct vhd_mem_file file[VHD_MEM_FILES];
	bool record;
	bool device; /* files have a fixed size */
	bool copies; /* files can take bytes of each other */
	unsigned n, room;
	struct vhd_mem_op *op;
	unsigned calls; /* writes and resizes since vhd_mem_fail() */
	unsigned fail;  /* which of them, from 1 on, fails; 0: none */
	int fail_rc;
	bool fail_on;     /* and all after it */
	uint64_t touched; /* bytes written in all */
};

void vhd_mem_init(struct vhd_mem *m);
void vhd_mem_free(struct vhd_mem *m);

/* The file, made if it is not there. */
struct vhd_mem_file *vhd_mem_file(struct vhd_mem *m, const char *name);
void vhd_mem_put(struct vhd_mem *m, const char *name, const void *data,
		 size_t len);

/* Open for reading and writing; asserts. */
struct vhd_io *vhd_mem_open(struct vhd_mem *m, const char *name);

/* out gets what files there are, without the log. */
void vhd_mem_copy(struct vhd_mem *out, const struct vhd_mem *m);

/* Let the nth write or resize fail. */
void vhd_mem_fail(struct vhd_mem *m, unsigned nth, int rc, bool on);

/*
 * before, and the first n operations of log, but for number skip: of a write
 * that no sync follows up to n nobody knows.
 */
void vhd_mem_replay(struct vhd_mem *out, const struct vhd_mem *before,
		    const struct vhd_mem *log, unsigned n, unsigned skip);

#endif /* TESTS_VHD_MEM_H */
