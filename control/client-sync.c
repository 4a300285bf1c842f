/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client-sync.c - one exchange, run to its end on a loop of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/client.h"
#include "lib/err.h"
#include "lib/loop.h"

struct wait {
	struct loop *loop;
	struct wire_msg *rsp; /* NULL once it is filled */
	char **text;
	int error;
	struct err *err;
};

static void got_reply(void *arg, const struct wire_msg *msg)
{
	struct wait *w = arg;

	if (w->rsp)
		*w->rsp = *msg;
	w->rsp = NULL;
}

static void got_text(void *arg, const char *text, size_t len)
{
	struct wait *w = arg;

	if (w->text)
		*w->text = strndup(text, len);
}

static void ended(void *arg, int error, const struct err *err)
{
	struct wait *w = arg;

	w->error = error;
	if (w->err)
		*w->err = *err;
	loop_stop(w->loop);
}

static int run(const struct tapctl_request *req, struct wait *w,
	       struct err *err)
{
	const struct tapctl_events events = { got_reply, got_text, ended, w };
	struct tapctl_request to = *req;
	struct tapctl_call *call;
	int rc;

	rc = tapctl_lineage(&to.lineage, req->dir, req->pid, req->timeout_ms,
			    err);
	if (rc < 0)
		return rc;
	rc = loop_new(&w->loop, err);
	if (rc < 0)
		return rc;
	w->err = err;
	rc = tapctl_start(&call, w->loop, &to, &events, err);
	if (!rc)
		loop_run(w->loop);
	loop_free(w->loop);
	return rc ? rc : w->error;
}

int tapctl_exchange(const struct tapctl_request *req, struct wire_msg *rsp,
		    struct err *err)
{
	struct wait w = { .rsp = rsp };

	return run(req, &w, err);
}

int tapctl_stats(const char *dir, pid_t pid, int minor, char **json,
		 struct err *err)
{
	struct tapctl_request req = { .dir = dir, .pid = pid };
	struct wait w = { .text = json };
	int rc;

	*json = NULL;
	req.msg.type = WIRE_STATS;
	req.msg.cookie = minor < 0 ? WIRE_COOKIE_ALL : (uint16_t)minor;
	rc = run(&req, &w, err);
	if (rc) {
		free(*json);
		*json = NULL;
		return rc;
	}
	return *json ? 0 : err_set(err, -ENOMEM, "no memory");
}
