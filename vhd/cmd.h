/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd.h - what the subcommands of vhd-util share.
 *
 * A subcommand returns 0 or -errno, and vhd-util exits with its amount.  It
 * says itself what went wrong: the texts that others parse differ too much.
 */
#ifndef VHD_CMD_H
#define VHD_CMD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "vhd/vhd.h"

struct json;

struct vhd_cmd {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage; /* what comes behind the name */
};

/* vhd-util.c lists them with their usage. */
int vhd_cmd_create(int argc, char **argv);
int vhd_cmd_snapshot(int argc, char **argv);
int vhd_cmd_query(int argc, char **argv);
int vhd_cmd_read(int argc, char **argv);
int vhd_cmd_set(int argc, char **argv);
int vhd_cmd_repair(int argc, char **argv);
int vhd_cmd_resize(int argc, char **argv);
int vhd_cmd_fill(int argc, char **argv);
int vhd_cmd_coalesce(int argc, char **argv);
int vhd_cmd_modify(int argc, char **argv);
int vhd_cmd_scan(int argc, char **argv);
int vhd_cmd_check(int argc, char **argv);
int vhd_cmd_revert(int argc, char **argv);
int vhd_cmd_key(int argc, char **argv);
int vhd_cmd_copy(int argc, char **argv);
int vhd_cmd_convert(int argc, char **argv);
int vhd_cmd_clone(int argc, char **argv);
int vhd_cmd_decrypt(int argc, char **argv);
int vhd_cmd_encrypt(int argc, char **argv);
int vhd_cmd_stream(int argc, char **argv);

/* Sorted as they are listed; ends with a NULL name. */
extern const struct vhd_cmd vhd_cmds[];

/* Usage of a command, on stdout but for key and convert; returns -EINVAL. */
int vhd_cmd_usage(const char *name);

/* Where images are found: local files, or a server that was named. */
struct vhd_files *vhd_cmd_files(void);
struct vhd_files *vhd_cmd_key_files(void);

struct vhd_cmd_image {
	const char *name;
	struct vhd_io *io;
	struct vhd *vhd;
};

/* flags are VHD_OPEN_x. Says "error opening NAME: N" itself. */
int vhd_cmd_open(struct vhd_cmd_image *img, const char *name, unsigned flags);
/* The same without a word. */
int vhd_cmd_try(struct vhd_cmd_image *img, const char *name, unsigned flags,
		struct err *err);
void vhd_cmd_close(struct vhd_cmd_image *img);

/*
 * A name for a new image: refuses to write over one unless overwrite, and
 * over what source, which it is made from, is or has behind it. May be NULL.
 */
int vhd_cmd_new(struct vhd_io **out, const char *name, const char *source,
		bool overwrite, bool *made, struct err *err);

/* "verb NAME: N", and why behind it on stderr if there is more to say. */
int vhd_cmd_fail(const char *verb, const char *name, int rc,
		 const struct err *err);

/* MB as the old tools take them, in bytes; rounded up to whole blocks. */
int vhd_cmd_size(uint64_t *bytes, const char *mb);

/* Print what json holds and free it. */
int vhd_cmd_json(struct json *json);

/* Lower-case hexadecimal; out holds 2 * len + 1. */
void vhd_cmd_hex(char *out, const uint8_t *in, unsigned len);

/* The dump of read -p and of a failing check. */
int vhd_cmd_dump(const char *name);

/*
 * Whether what is done is to stop at this point: storage managers test their
 * recovery with VHD_CMD_FAULT and the point's name in the environment.
 */
#define VHD_CMD_FAULT "VHD_UTIL_TEST_FAIL_"
int vhd_cmd_fault(void *arg, const char *point);

/* "12.34%" on a terminal, for what takes long. */
void vhd_cmd_progress(void *arg, uint64_t done, uint64_t all);

#endif /* VHD_CMD_H */
