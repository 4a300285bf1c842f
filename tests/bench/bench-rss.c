/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-rss.c - the memory of a tapdisk with one idle disk, a VHD of 10 GiB.
 *
 * Run from the build tree: the tapdisk is the one built beside it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/err.h"
#include "vhd/vhd.h"

#define DISK_SIZE (10ull << 30)

struct bench {
	char dir[64];
	pid_t pid;
	int minor;
};

static int fail(const char *what, const struct err *err)
{
	fprintf(stderr, "bench-rss: %s: %s\n", what, err->msg);
	return -1;
}

static int make_image(const char *path, struct err *err)
{
	struct vhd_new p = { .type = VHD_DYNAMIC, .size = DISK_SIZE };
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct vhd_io *io;
	int rc;

	if (fd < 0)
		return err_sys(err, "%s", path);
	rc = vhd_io_file(&io, fd);
	if (rc < 0)
		return err_set(err, rc, "%s", path);
	vhd_new_id(p.id);
	rc = vhd_create(io, &p, err);
	io->close(io);
	return rc;
}

static int tell(struct bench *b, enum wire_type type, const char *spec,
		struct err *err)
{
	struct tapctl_request req = { .dir = b->dir, .pid = b->pid };

	req.msg.type = type;
	req.msg.cookie = (uint16_t)b->minor;
	if (spec)
		(void)snprintf(req.msg.u.params.path, WIRE_PATH, "%s",
			       spec); /* it fits */
	return tapctl_exchange(&req, NULL, err);
}

static long rss_kib(pid_t pid)
{
	char line[256], path[32];
	long kib = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		(void)sscanf(line, "VmRSS: %ld kB", &kib);
	if (f)
		(void)fclose(f); /* was read only */
	return kib;
}

/* The program beside build/tests/bench is build/bin/tapdisk. */
static int use_built(void)
{
	char self[PATH_MAX - 32], path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return -1;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	(void)snprintf(path, sizeof(path), "%s/../../bin/tapdisk",
		       self); /* it fits */
	return setenv("TAPDISK", path, 1);
}

static int run(struct bench *b)
{
	char image[96], spec[112];
	struct err err = { 0 };

	(void)snprintf(image, sizeof(image), "%s/a.vhd", b->dir);
	(void)snprintf(spec, sizeof(spec), "vhd:%s", image);
	if (make_image(image, &err) < 0)
		return fail("image", &err);
	if (tapctl_allocate(b->dir, TAPCTL_KIND_XENIO, &b->minor, &err) < 0 ||
	    tapctl_spawn(b->dir, &b->pid, &err) < 0)
		return fail("spawn", &err);
	if (tell(b, WIRE_ATTACH, NULL, &err) < 0 ||
	    tell(b, WIRE_OPEN, spec, &err) < 0)
		return fail(spec, &err);
	printf("bench tapdisk.rss %ld KiB\n", rss_kib(b->pid));
	if (tell(b, WIRE_CLOSE, NULL, &err) < 0 ||
	    tell(b, WIRE_DETACH, NULL, &err) < 0)
		return fail("close", &err);
	b->pid = 0;
	return 0;
}

static void remove_all(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		(void)unlinkat(dirfd(d), e->d_name, 0); /* not "." and ".." */
	if (d)
		(void)closedir(d); /* was read only */
	(void)rmdir(dir);          /* if it is empty */
}

int main(void)
{
	struct bench b = { .dir = "/tmp/blktap-rss-XXXXXX" };
	char sub[96];
	int rc;

	if (use_built() < 0 || !mkdtemp(b.dir))
		return 1;
	(void)setenv("BLKTAP_LOG_DIR", b.dir, 1); /* enough memory for it */
	rc = run(&b);
	if (b.pid > 0)
		(void)kill(b.pid, SIGKILL); /* our own */
	(void)snprintf(sub, sizeof(sub), "%s/tapdisk", b.dir);
	remove_all(sub);
	remove_all(b.dir);
	return rc ? 1 : 0;
}
