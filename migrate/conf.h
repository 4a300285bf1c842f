/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf.h - disks in the configuration of VMs: where they stand, what they
 * say, and the same disk said for ours.
 *
 * Nothing here opens a file: text comes in, text goes out.  A disk that is
 * not understood has a problem and is never touched.
 */
#ifndef MIGRATE_CONF_H
#define MIGRATE_CONF_H

#include <stdbool.h>
#include <stddef.h>

struct err;

enum conf_kind {
	CONF_XL,      /* /etc/xen/NAME.cfg */
	CONF_XM,      /* /etc/xen/NAME: python; more than literals: a problem */
	CONF_LIBVIRT, /* /etc/libvirt/libxl/NAME.xml */
	CONF_SXP,     /* xend's config.sxp: exported, never edited */
};

/* One disk. Strings are NULL when the entry does not say it. */
struct conf_disk {
	unsigned line; /* of its first byte, from 1 */
	size_t off;    /* the bytes that conf_convert() gives others for: */
	size_t len;    /* without quotes in xl and xm, an element in XML */
	char *text;    /* these bytes */

	char *prefix; /* words before the path: "tap:aio:", "phy:", "" */
	char *type;   /* of the image, by prefix or format: raw, vhd, ... */
	char *format; /* as format= or the second field says */
	char *target; /* the path, without the words before it */
	char *vdev;   /* without ":cdrom" */
	char *access; /* r, w, w!, ... as written */
	char *backendtype; /* phy, tap, qdisk, standalone; XML: driver's name */
	char *script;
	char *backend; /* driver domain */
	char *other;   /* what else is said, with commas between */
	bool cdrom;

	char *problem; /* why the rest is not to be relied upon; NULL: it is */
};

/* The configuration of one VM. */
struct conf_vm {
	enum conf_kind kind;
	char *path; /* of the file, without the root; "" for no file */
	char *name; /* NULL: not said */
	char *uuid;
	char *bootloader; /* pygrub, ...: needs the disk in domain 0 */
	bool hvm;
	bool keep; /* pinned by the comment "blktap-migrate: keep" */
	struct conf_disk *disks;
	size_t count;
	char *problem; /* about the file as a whole: code, not XML, ... */
};

/* What is converted to. */
struct conf_goal {
	bool native;       /* Xen >= 4.19: backendtype=tap; else block-xenio */
	bool include_file; /* file: too */
	bool shared;       /* w! is confirmed */
	bool qcow_script;  /* qcow and qcow2 by the script, not MANUAL */
};

/*
 * Read len bytes of text; a problem is found in out, not returned. path is
 * for out alone. Free with conf_free().
 */
void conf_read(struct conf_vm *out, enum conf_kind kind, const char *path,
	       const char *text, size_t len);
void conf_free(struct conf_vm *vm);

/*
 * The text to stand instead of disk->text: 1 and *out, malloc'd; 0 when it
 * is left as it is; -EINVAL when a person must decide, why in err.
 */
int conf_convert(char **out, const struct conf_vm *vm,
		 const struct conf_disk *disk, const struct conf_goal *goal,
		 struct err *err);

/* A managed domain of xend as the text of an xl configuration, malloc'd. */
int conf_export(char **out, const struct conf_vm *vm, const char *text,
		size_t len, const struct conf_goal *goal, struct err *err);

#endif /* MIGRATE_CONF_H */
