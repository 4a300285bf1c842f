/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-talk.c - exchanges with a tapdisk, as the commands need them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/cmd.h"
#include "lib/err.h"

int cmd_exchange(const struct cmd_args *args, struct tapctl_request *req,
		 struct wire_msg *rsp, struct err *err)
{
	struct wire_msg own;
	int rc;

	req->dir = args->dir;
	req->pid = args->pid;
	req->msg.cookie = (uint16_t)args->minor;
	if (args->debug)
		fprintf(stderr, "%d: sending '%s', minor %d\n", (int)req->pid,
			wire_name(req->msg.type), args->minor);
	rc = tapctl_exchange(req, rsp ? rsp : &own, err);
	if (args->debug)
		fprintf(stderr, "%d: received '%s'\n", (int)req->pid,
			rc ? strerror(-rc)
			   : wire_name(rsp ? rsp->type : own.type));
	return rc;
}

int cmd_simple(const struct cmd_args *args, enum wire_type type,
	       struct err *err)
{
	struct tapctl_request req = { .msg = { .type = type } };

	if (args->timed && args->timeout_s)
		req.timeout_ms = args->timeout_s * 1000;
	return cmd_exchange(args, &req, NULL, err);
}

int cmd_start(struct cmd_args *args, struct err *err)
{
	int rc = tapctl_spawn(args->dir, &args->pid, err);

	if (!rc && err->msg[0])
		fprintf(stderr, "%s\n", err->msg);
	return rc;
}

int cmd_find_pid(struct cmd_args *args, struct err *err)
{
	struct tapctl_disks disks;
	int rc;

	if (args->pid >= 0)
		return 0;
	rc = tapctl_list(&disks, args->dir, -1, args->minor, NULL);
	if (rc < 0)
		return err_set(err, rc, "listing the tapdisks");
	for (size_t i = 0; i < disks.count; i++) {
		if (disks.disk[i].pid >= 0)
			args->pid = disks.disk[i].pid;
	}
	tapctl_list_free(&disks);
	if (args->pid < 0)
		return err_set(err, -ENODEV, "minor %d: no tapdisk has it",
			       args->minor);
	return 0;
}
