/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd.h - what the commands of tap-ctl share.
 *
 * A command is a const struct: its name, its options, what it does. All
 * options of all commands are fields of one struct; a command's table says
 * which letters it has and which of them it cannot do without.
 */
#ifndef CONTROL_CMD_H
#define CONTROL_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "control/client.h"

struct err;

enum cmd_kind {
	CMD_KIND_DEFAULT,
	CMD_KIND_XENIO,
	CMD_KIND_BLKTAP2,
};

#define CMD_KEY_MAX 64

struct cmd_args {
	const char *dir; /* the control directory; NULL: the usual one */
	bool debug;
	pid_t pid;          /* -1: not given */
	int minor;          /* -1: not given */
	const char *spec;   /* type:path */
	const char *type;   /* of list */
	const char *file;   /* of list */
	const char *device; /* a node's name, for the kernel device */
	const char *topics; /* of debug */
	enum cmd_kind kind; /* -t xenio, -t blktap2 */
	bool timed;         /* -t SECONDS was given */
	unsigned timeout_s; /* its value */
	uint32_t flags;     /* WIRE_* */
	bool writable;      /* -W was given */
	uint32_t prt;       /* minor whose tapdisk has the parent */
	const char *secondary;
	const char *log;
	bool force;
	bool chardev;
	bool json;
	uint8_t key[CMD_KEY_MAX];
	size_t key_len;
};

struct cmd_opt {
	char letter; /* 0 ends a table */
	bool required;
	const char *value; /* what it takes, for usage; NULL: nothing */
	int (*set)(struct cmd_args *args, const char *value);
	const char *name; /* the long one, or NULL */
};

struct cmd {
	const char *name;
	const struct cmd_opt *opts;

	/* 0 or -errno with a sentence. */
	int (*run)(struct cmd_args *args, struct err *err);
};

/* Options that more than one command has. */
int cmd_set_pid(struct cmd_args *args, const char *value);
int cmd_set_minor(struct cmd_args *args, const char *value);
int cmd_set_spec(struct cmd_args *args, const char *value);
int cmd_set_device(struct cmd_args *args, const char *value);
int cmd_set_rdonly(struct cmd_args *args, const char *value);
int cmd_set_writable(struct cmd_args *args, const char *value);
int cmd_set_buffered(struct cmd_args *args, const char *value);
int cmd_set_lcache(struct cmd_args *args, const char *value);
int cmd_set_prt(struct cmd_args *args, const char *value);
int cmd_set_secondary(struct cmd_args *args, const char *value);
int cmd_set_standby(struct cmd_args *args, const char *value);
int cmd_set_seconds(struct cmd_args *args, const char *value);
int cmd_set_kind(struct cmd_args *args, const char *value);
int cmd_set_time_or_kind(struct cmd_args *args, const char *value);
int cmd_set_log(struct cmd_args *args, const char *value);
int cmd_set_force(struct cmd_args *args, const char *value);

/* 0, -EINVAL, or 1 when help was asked for. */
int cmd_parse(const struct cmd *cmd, struct cmd_args *args, int argc,
	      char **argv);

/* "usage: tap-ctl NAME -m MINOR [-t SECONDS]", a line. */
void cmd_usage(const struct cmd *cmd, FILE *file);

/* A request to args->pid about args->minor; *rsp may be NULL. */
int cmd_exchange(const struct cmd_args *args, struct tapctl_request *req,
		 struct wire_msg *rsp, struct err *err);

/* A request that is its number alone. */
int cmd_simple(const struct cmd_args *args, enum wire_type type,
	       struct err *err);

/* Start a tapdisk, whose pid is args->pid then; its warnings are printed. */
int cmd_start(struct cmd_args *args, struct err *err);

/* If no pid was given: that of whoever has the minor. */
int cmd_find_pid(struct cmd_args *args, struct err *err);

/* Which kind of device it shall be; -ENODEV when this host has it not. */
int cmd_decide(struct cmd_args *args, struct err *err);

/* What is printed for a new minor. */
void cmd_print_device(const struct cmd_args *args);

/* Take a minor of the kind that was decided, make its node (-d). */
int cmd_allocate_minor(struct cmd_args *args, struct err *err);

/* Send the open message, with its trailers. */
int cmd_send_open(struct cmd_args *args, enum wire_type type, struct err *err);

/* Close, wait as long as args says. */
int cmd_send_close(struct cmd_args *args, struct err *err);

extern const struct cmd cmd_list, cmd_allocate, cmd_free, cmd_create,
	cmd_destroy, cmd_spawn, cmd_attach, cmd_detach, cmd_open, cmd_close,
	cmd_pause, cmd_unpause, cmd_stats, cmd_major, cmd_check, cmd_debug;

#endif /* CONTROL_CMD_H */
