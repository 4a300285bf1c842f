/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-int.h - the parts of host.c among each other.
 *
 * Paths are those of the host; these functions put the root before them.
 */
#ifndef MIGRATE_HOST_INT_H
#define MIGRATE_HOST_INT_H

#include "migrate/host.h"

struct err;

/*
 * Where a path of a host leads to, without links, malloc'd; in a tree an
 * absolute link begins at its root. NULL: in circles. Whether it is there is
 * not said.
 */
char *host_resolve(const char *root, const char *path);

/* A name that editors, package managers and we give to copies of files. */
bool host_is_copy(const char *name);

/* A whole file, NUL-terminated; NULL, and noted unless it is not there. */
char *host_slurp(struct host *host, const char *path, size_t *len);

/* The first line of a file, without its end; NULL. */
char *host_line(struct host *host, const char *path);

/* The names in a folder, sorted, without . and ..; noted like host_slurp(). */
void host_names(struct host *host, const char *path, struct mem_list *out);

/* What a symbolic link says; NULL. */
char *host_link(struct host *host, const char *path);

/* A name; a folder, and anything, behind what links there are. */
bool host_exists(const struct host *host, const char *path);
bool host_is_folder(const struct host *host, const char *path);
bool host_is_there(const struct host *host, const char *path);

/* One more item; detail is copied. */
struct host_item *host_item(struct host *host, enum host_what what,
			    const char *path, const char *detail);

/* As host_version's text says: "4.17.6-pre" is 4 and 17. */
void host_version(struct host_version *out, const char *text);

/* text is what "xenstore-ls -f" prints: nodes, sorted. */
void host_store_parse(struct host *host, const char *text);

/* Texts of other files, which may be changed: /proc/modules; dpkg's status; a
 * list whose lines are of a kind (HOST_MODULE_LINE, _MODPROBE, _UDEV,
 * _DKMS_AUTO). */
void host_loaded_parse(struct host *host, char *text);
void host_packages_parse(struct host *host, const char *text);
void host_lines_parse(struct host *host, enum host_what what, const char *path,
		      char *text);

/* Each of these fills in what its file is named after. */
void host_items_read(struct host *host);
void host_services_read(struct host *host);
void host_tapdisks_read(struct host *host);
void host_tapdisks_parse(struct host *host, const char *text);
void host_tapdevs_read(struct host *host);
int host_store_read(struct host *host, struct err *err);
void host_disks_read(struct host *host);
void host_confs_read(struct host *host);
void host_chains_read(struct host *host);

/* The lineage of a program by its contents, name and the host's world. */
enum host_lineage host_lineage(struct host *host, const char *path);

#endif /* MIGRATE_HOST_INT_H */
