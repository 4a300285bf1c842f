/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-takeover.c - blktap-migrate takeover, giveback: one disk of a running
 * guest, by hand.
 */
#include <errno.h>
#include <stdio.h>

#include "lib/err.h"
#include "lib/parse.h"
#include "migrate/cmd.h"
#include "migrate/live.h"

static int parse(const struct cmd_args *args, struct live_request *req,
		 struct err *err)
{
	uint64_t domid, devid;

	if (args->argc < 2 || args->argc > 3)
		return err_set(err, -EINVAL,
			       "wanted: DOMID DEVID [TYPE:PATH], as in the "
			       "name of backend/vbd/DOMID/DEVID");
	if (parse_uint(&domid, args->argv[0], 0, 0x7fef) < 0 ||
	    parse_uint(&devid, args->argv[1], 0, UINT32_MAX) < 0)
		return err_set(err, -EINVAL, "%s/%s is no disk", args->argv[0],
			       args->argv[1]);
	*req = (struct live_request){ .domid = (unsigned)domid,
				      .devid = (unsigned)devid };
	if (args->argc == 3)
		req->spec = args->argv[2];
	return 0;
}

static void print_steps(void)
{
	unsigned count;
	const struct live_step *steps = live_steps(&count);

	for (unsigned i = 0; i < count; i++)
		(void)printf("  %u. %s\n", i + 1, steps[i].what);
}

/* What the pause was made of. */
static void print_times(const struct live *l, const char *whose, unsigned ms)
{
	unsigned count;
	const struct live_step *steps = live_steps(&count);

	(void)printf("%s after %u ms:", whose, ms);
	for (unsigned i = 0; i < count; i++)
		(void)printf("%s %s %u", i ? "," : "", steps[i].name,
			     live_step_ms(l, i));
	(void)printf("\n");
}

static enum cmd_status take(struct live *l, bool really, struct err *err)
{
	unsigned ms;
	int rc = live_may_take(l, err);

	if (rc < 0)
		return CMD_REFUSED;
	(void)printf("%s: may be taken over\n", live_spec(l));
	if (!really) {
		print_steps();
		return CMD_DONE;
	}
	rc = live_take(l, &ms, err);
	if (rc < 0)
		return rc == -EUCLEAN ? CMD_HALF : CMD_ROLLED_BACK;
	print_times(l, "ours", ms);
	return CMD_DONE;
}

static enum cmd_status give(struct live *l, bool really, struct err *err)
{
	unsigned ms;
	int rc = live_may_return(l, err);

	if (rc < 0)
		return CMD_REFUSED;
	(void)printf("%s: may be given back\n", live_spec(l));
	if (!really)
		return CMD_DONE;
	if (live_return(l, &ms, err) < 0)
		return CMD_HALF;
	print_times(l, "blkback's", ms);
	return CMD_DONE;
}

static enum cmd_status run(const struct cmd_args *args, struct err *err,
			   enum cmd_status (*act)(struct live *l, bool really,
						  struct err *err))
{
	struct live_request req;
	enum cmd_status status = CMD_REFUSED;
	struct live_env *env;
	struct live *l;

	if (parse(args, &req, err) < 0)
		return CMD_USAGE;
	if (live_env_open(&env, NULL, err) < 0)
		return CMD_REFUSED;
	if (!live_open(&l, env, &req, err)) {
		status = act(l, args->really, err);
		live_close(l);
	}
	live_env_close(env);
	return status;
}

static enum cmd_status run_take(const struct cmd_args *args, struct err *err)
{
	return run(args, err, take);
}

static enum cmd_status run_give(const struct cmd_args *args, struct err *err)
{
	return run(args, err, give);
}

const struct cmd cmd_takeover = { "takeover", CMD_YES | CMD_DISK, run_take };
const struct cmd cmd_giveback = { "giveback", CMD_YES | CMD_DISK, run_give };
