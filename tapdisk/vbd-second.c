/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vbd-second.c - a disk's second image, and how it takes over.
 *
 * It lies in the chain (chain.h).  As a copy it is behind the leaf and given
 * every change too; as a standby it is in front of the leaf and given nothing.
 * The first write that finds no space moves the disk to it for good: what is
 * asked from then on goes to it, and so does that write, before it is
 * answered.
 *
 *  - A copy: the leaf is left alone from then on.  A write that the leaf
 *    was still busy with is made again, since the copy of it may have failed
 *    meanwhile.  A copy that has missed a write takes nothing over.
 *  - A standby: what the leaf has shows through it.  A flush goes to the
 *    leaf first, which may hold what was answered before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tapdisk/chain.h"
#include "tapdisk/mirror.h"
#include "tapdisk/vbd-core.h"

/* "/run/blktap-control" has it beside it. */
static int flag_path(const struct vbd *vbd, char *path, size_t room)
{
	int n;

	if (!vbd->env.dir)
		return -ENOENT;
	n = snprintf(path, room, "%s/../tapdisk-enospc%u", vbd->env.dir,
		     vbd->minor);
	return n > 0 && (size_t)n < room ? 0 : -ENAMETOOLONG;
}

void vbd_lower_flag(struct vbd *vbd)
{
	char path[256];

	if (!flag_path(vbd, path, sizeof(path)))
		(void)unlink(path); /* mostly there is none */
}

static void raise_flag(struct vbd *vbd)
{
	char path[256];
	int fd;

	if (flag_path(vbd, path, sizeof(path)))
		return;
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || fchmod(fd, 0644))
		log_warn("%s: %m", path);
	if (fd >= 0)
		(void)close(fd); /* nothing was written */
}

void vbd_find_second(struct vbd *vbd)
{
	vbd->second = chain_second(vbd->top);
	if (vbd->second && !vbd->standby)
		mirror_attach(vbd->mirror, vbd->second);
}

void vbd_lose_second(struct vbd *vbd)
{
	if (vbd->second && !vbd->standby)
		mirror_attach(vbd->mirror, NULL);
	vbd->second = NULL;
}

struct image *vbd_target(const struct vbd *vbd, const struct req *req)
{
	const struct vbd_req *vr = req_extra((struct req *)req);

	if (!vbd->moved || !vbd->second)
		return vbd->top;
	if (vbd->standby && req->op == REQ_FLUSH && !vr->half)
		return vbd->top;
	return vbd->second;
}

static bool may_move(const struct vbd *vbd)
{
	return vbd->standby || !mirror_failed(vbd->mirror);
}

static void move(struct vbd *vbd)
{
	vbd->moved = true;
	log_error("vbd %u: %s: no space left; goes on with %s", vbd->minor,
		  vbd->spec, vbd->second_spec);
	raise_flag(vbd);
}

bool vbd_goes_on(struct vbd *vbd, struct req *req)
{
	struct vbd_req *vr = req_extra(req);
	bool write = req->op == REQ_WRITE || req->op == REQ_ZERO;

	if (!vbd->second || vbd->state == VBD_DEAD)
		return false;
	if (vr->to == vbd->second) {
		if (vbd->standby && write && !req->err)
			vbd->redirected += req->len >> 9;
		return false;
	}
	if (vbd->moved && vbd->standby && req->op == REQ_FLUSH) {
		vr->half = true;
		return !req->err;
	}
	if (vbd->moved && !vbd->standby)
		return req->op != REQ_READ && req->op != REQ_EXTENTS;
	if (!write || req->err != -ENOSPC || (!vbd->moved && !may_move(vbd)))
		return false;
	if (!vbd->moved)
		move(vbd);
	return true;
}
