/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.h - what there is on a host: the inventory.
 *
 * Read from "/" or from a tree under --root: configuration files where they
 * always are, captured /proc and /sys, and beside them
 *
 *	xenstore-ls      what "xenstore-ls -f" printed
 *	tap-ctl-list     what "tap-ctl list" printed, one line a disk
 *
 * Of a live host both come from xenstored and from the control sockets.
 * Nothing is written, ever.  Places that cannot be read are noted.  All paths
 * in here are those of the host, without the root.
 */
#ifndef MIGRATE_HOST_H
#define MIGRATE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "migrate/conf.h"
#include "migrate/mem.h"

struct err;
struct json;

/* Toolstacks; several may be on a host. */
#define HOST_XL      (1u << 0)
#define HOST_XM      (1u << 1)
#define HOST_LIBVIRT (1u << 2)
#define HOST_XAPI    (1u << 3) /* report only */
#define HOST_OPENXT  (1u << 4)

struct host_version {
	unsigned major;
	unsigned minor;
	char *text; /* NULL: not known */
};

/* A file or line of a file that concerns blktap. */
enum host_what {
	HOST_MODULE_LOADED,
	HOST_MODULE_FILE, /* installed .ko */
	HOST_MODULE_LINE, /* line of /etc/modules, modules-load.d */
	HOST_MODPROBE,    /* line of modprobe.d */
	HOST_DKMS,        /* folder in /usr/src, /var/lib/dkms */
	HOST_DKMS_AUTO,   /* the AUTOINSTALL line of such a folder */
	HOST_UDEV,        /* line of a udev rule */
	HOST_INIT,        /* init script */
	HOST_SERVICE,     /* a link that starts a script or unit at boot */
	HOST_SCRIPT,      /* hotplug script; detail is its SHA-256 */
	HOST_PROGRAM, /* tap-ctl, tapdisk, vhd-util; detail is its lineage */
	HOST_PACKAGE, /* detail: "ii", "rc" and version */
	HOST_SAVE,    /* a save file; detail: the domain's path */
};

struct host_item {
	enum host_what what;
	char *path;    /* file, or name for what is none */
	unsigned line; /* from 1; 0: the file as a whole */
	size_t off;    /* of the line in the file */
	char *detail;  /* the line's text, a link's target, ... */
};

/* An image of a tapdisk. */
struct host_image {
	int minor;
	int state;  /* bits of tap-ctl list; -1: not known */
	char *type; /* aio, vhd, ...; NULL: none open */
	char *path;
};

enum host_lineage {
	HOST_OURS,
	HOST_XEN40,  /* messages of 280 bytes, numbers of their own */
	HOST_XEN42,  /* 280 bytes */
	HOST_BT25,   /* 536 bytes: blktap 2.0.9x, 2.5, OpenXT */
	HOST_EARLY3, /* 536 bytes: the first blktap3 */
	HOST_XAPI2,  /* 544 bytes, without blkif */
	HOST_XAPI3,  /* 544 bytes, 3.x and 4.x */
	HOST_UNKNOWN,
};

struct host_tapdisk {
	pid_t pid;
	char *exe;
	enum host_lineage lineage;
	bool answers;        /* to its control socket, or it was captured */
	struct mem_list env; /* TAPDISK*, LIBVHD*, VHD_*: must survive */
	struct host_image *images;
	size_t count;
};

/* A device of the blktap2 module. */
struct host_tapdev {
	unsigned minor;
	unsigned major;
	pid_t pid;             /* of its tapdisk; -1: none */
	struct mem_list users; /* who holds it: "mounted on /x", "dm-0", ... */
};

/* A node of xenstore; sorted by path. */
struct host_node {
	char *path;
	char *value;
};

/* A disk of a running domain, by its backend's directory. */
struct host_disk {
	unsigned domid;
	unsigned devid;
	char *kind;   /* vbd, tap, vbd3, qdisk, xenio */
	char *back;   /* /local/domain/0/backend/KIND/DOMID/DEVID */
	char *front;  /* NULL: not said */
	char *driver; /* the kernel's driver of it: "vbd"; NULL: none */
	char *vdev;   /* dev */
	char *type; /* the image: aio, vhd, ...; NULL: a device or not known */
	char *path; /* the image, or the device */
	char *domain;   /* name of the domain; NULL: it is gone */
	char *uuid;     /* of the domain */
	int back_state; /* -1: none */
	int front_state;
	bool ours;                          /* our tapdisk serves it */
	const struct host_tapdisk *tapdisk; /* NULL: none or not known */
};

/* One image with its parents, the image first. */
struct host_chain {
	struct mem_list layers; /* "vhd:/a", "vhd:/base", "raw:/x" */
	char *problem;          /* by the check of its format; NULL: clean */
	bool missing;           /* there is no such file */
	bool dirty;             /* open for writing, or not closed cleanly */
	unsigned openers;       /* tapdisks that have it open, or had */
	unsigned paused;        /* of those, as long as they are paused */
	bool locked;   /* by whoever has it open; not known of a tree */
	uint64_t room; /* bytes free on its file system */
};

struct host {
	char *root; /* "" for "/" */
	bool live;  /* this machine, not a tree */
	unsigned toolstacks;
	struct host_version xen;
	struct host_version kernel;
	bool module; /* blktap2 is loaded: "tap-ctl check" succeeds */

	struct host_item *items;
	size_t item_count;
	struct host_tapdisk *tapdisks;
	size_t tapdisk_count;
	struct host_tapdev *tapdevs;
	size_t tapdev_count;
	struct host_node *nodes;
	size_t node_count;
	struct host_disk *disks;
	size_t disk_count;
	struct conf_vm *vms;
	size_t vm_count;
	struct host_chain *chains;
	size_t chain_count;
	struct mem_list unread; /* places without rights, or unreadable */
};

/* Everything; NULL or "" for root is this machine. Free with host_free(). */
int host_read(struct host *out, const char *root, struct err *err);
void host_free(struct host *host);

/* A node's value; NULL if there is none. */
const char *host_node(const struct host *host, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The chain whose first layer is path; NULL. */
const struct host_chain *host_chain(const struct host *host, const char *path);

/* The running disk of a VM's configured one; NULL: it does not run. */
const struct host_disk *host_running(const struct host *host,
				     const struct conf_vm *vm,
				     const struct conf_disk *disk);

/* Whether a target is a block device; a tree's is by its name, /dev/... */
bool host_is_device(const struct host *host, const char *path);

const char *host_what_name(enum host_what what);
const char *host_lineage_name(enum host_lineage lineage);

/* As one object of JSON; or as text for a person. */
void host_json(const struct host *host, struct json *json);
/* What of a running disk is told everywhere, into an object that is open. */
void host_disk_json(const struct host_disk *disk, struct json *json);
void host_print(const struct host *host);

#endif /* MIGRATE_HOST_H */
