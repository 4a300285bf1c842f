/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cbt-util.c - makes, shows, changes and joins logs of changed blocks. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cbt.h"
#include "lib/err.h"
#include "lib/parse.h"
#include "lib/streams.h"

#define CHUNK (1u << 20)

struct log {
	int fd;
	bool exact; /* a file, which ends with its bitmap */
	struct cbt_header h;
};

/* run: an error without a sentence is one of the command line. */
struct command {
	const char *name;
	int (*run)(int argc, char **argv, struct err *err);
	const char *usage;
};

static int read_all(int fd, void *buf, size_t len, uint64_t off,
		    struct err *err)
{
	while (len) {
		ssize_t n = pread(fd, buf, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "error reading");
		if (!n)
			return err_set(err, -EIO, "it ends too soon");
		buf = (char *)buf + n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_all(int fd, const void *buf, size_t len, uint64_t off,
		     struct err *err)
{
	while (len) {
		ssize_t n = pwrite(fd, buf, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, "error writing");
		buf = (const char *)buf + n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int sync_all(int fd, struct err *err)
{
	return fdatasync(fd) ? err_sys(err, "error writing") : 0;
}

/* How long a file or a device is. */
static int length(struct log *log, uint64_t *out, struct err *err)
{
	struct stat st;

	if (fstat(log->fd, &st))
		return err_sys(err, "error opening");
	log->exact = !S_ISBLK(st.st_mode);
	*out = (uint64_t)st.st_size;
	if (!log->exact && ioctl(log->fd, BLKGETSIZE64, out))
		return err_sys(err, "error opening");
	if (log->exact && !S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "neither file nor device");
	return 0;
}

static int load(struct log *log, struct err *err)
{
	uint8_t buf[CBT_HEADER];
	uint64_t size;
	int rc = length(log, &size, err);

	if (!rc && size < sizeof(buf))
		rc = err_set(err, -EINVAL, "too short for a log");
	if (!rc)
		rc = read_all(log->fd, buf, sizeof(buf), 0, err);
	return rc ? rc : cbt_decode(&log->h, buf, size, log->exact, err);
}

static int open_log(struct log *log, const char *name, int mode,
		    struct err *err)
{
	int rc;

	log->fd = open(name, mode | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	rc = log->fd < 0 ? err_sys(err, "error opening") : load(log, err);
	return rc ? err_wrap(err, "%s", name) : 0;
}

static void close_log(struct log *log)
{
	if (log->fd >= 0)
		(void)close(log->fd); /* what was written was synced */
}

static int save_header(struct log *log, struct err *err)
{
	uint8_t buf[CBT_HEADER];
	int rc;

	cbt_encode(buf, &log->h);
	rc = write_all(log->fd, buf, sizeof(buf), 0, err);
	return rc ? rc : sync_all(log->fd, err);
}

/* Bits from..to of the bitmap, in bytes: all clear. */
static int clear(struct log *log, uint64_t from, uint64_t to, struct err *err)
{
	static const uint8_t zero[4096];
	int rc = 0;

	if (log->exact)
		return ftruncate(log->fd, (off_t)(CBT_HEADER + to))
			       ? err_sys(err, "error writing")
			       : 0;
	while (!rc && from < to) {
		size_t n = to - from < sizeof(zero) ? (size_t)(to - from)
						    : sizeof(zero);

		rc = write_all(log->fd, zero, n, CBT_HEADER + from, err);
		from += n;
	}
	return rc;
}

/* --- create --------------------------------------------------------------- */

static int parse_size(uint64_t *out, const char *text, struct err *err)
{
	if (parse_uint(out, text, 1, CBT_MAX_BYTES))
		return err_set(err, -EINVAL, "%s: no size of a disk in bytes",
			       text);
	return 0;
}

/* The header last: until then it is no log. */
static int make(struct log *log, struct err *err)
{
	uint64_t have, bits = cbt_bitmap_bytes(log->h.size);
	uint8_t none[CBT_HEADER] = { 0 };
	int rc = length(log, &have, err);

	if (!rc && !log->exact && have < CBT_HEADER + bits)
		rc = err_set(err, -ENOSPC, "the device is too small");
	if (!rc && log->exact && ftruncate(log->fd, 0))
		rc = err_sys(err, "error writing");
	if (!rc && !log->exact)
		rc = write_all(log->fd, none, sizeof(none), 0, err);
	if (!rc)
		rc = clear(log, 0, bits, err);
	if (!rc)
		rc = sync_all(log->fd, err);
	return rc ? rc : save_header(log, err);
}

static int create(int argc, char **argv, struct err *err)
{
	const int mode = O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY;
	const char *name = NULL, *size = NULL;
	struct log log = { 0 };
	bool made;
	int c, rc;

	while ((c = getopt(argc, argv, "n:s:h")) != -1) {
		if (c == 'n')
			name = optarg;
		else if (c == 's')
			size = optarg;
		else
			return -EINVAL;
	}
	if (!name || !size || optind != argc)
		return -EINVAL;
	rc = parse_size(&log.h.size, size, err);
	if (rc)
		return rc;
	log.fd = open(name, mode | O_EXCL, 0644);
	made = log.fd >= 0;
	if (!made && errno == EEXIST)
		log.fd = open(name, mode, 0644);
	rc = log.fd < 0 ? err_sys(err, "error opening") : make(&log, err);
	close_log(&log);
	if (rc && made)
		(void)unlink(name); /* it is rc that counts */
	return rc ? err_wrap(err, "%s", name) : 0;
}

/* --- set and get ---------------------------------------------------------- */

struct fields {
	const char *name;
	const char *parent, *child, *flag, *size;
};

/* Nothing is written before all is understood. */
static int understand(struct cbt_header *h, const struct fields *f,
		      struct err *err)
{
	uint64_t flag = h->consistent;

	if (f->parent && cbt_id_parse(h->parent, f->parent))
		return err_set(err, -EINVAL, "%s: no uuid", f->parent);
	if (f->child && cbt_id_parse(h->child, f->child))
		return err_set(err, -EINVAL, "%s: no uuid", f->child);
	if (f->flag && parse_uint(&flag, f->flag, 0, 1))
		return err_set(err, -EINVAL, "%s: neither 0 nor 1", f->flag);
	h->consistent = flag;
	return f->size ? parse_size(&h->size, f->size, err) : 0;
}

/* The announcement, and what it announces; cut short, the log is the old. */
static int make_room(struct log *log, uint64_t from, uint64_t to,
		     struct err *err)
{
	int rc = 0;

	/* What an earlier attempt left is not what is announced now. */
	if (log->exact && log->h.growing) {
		rc = clear(log, 0, from, err);
		if (!rc)
			rc = sync_all(log->fd, err);
	}
	if (!rc && log->exact && to > from) {
		log->h.growing = (uint32_t)to;
		rc = save_header(log, err);
	}
	if (!rc)
		rc = clear(log, from, to, err);
	return rc ? rc : sync_all(log->fd, err);
}

static int grow(struct log *log, uint64_t size, struct err *err)
{
	uint64_t have, from = cbt_bitmap_bytes(log->h.size);
	uint64_t to = cbt_bitmap_bytes(size);
	int rc = length(log, &have, err);

	if (!rc && size < log->h.size)
		rc = err_set(err, -EINVAL, "the log does not shrink");
	if (!rc && !log->exact && have < CBT_HEADER + to)
		rc = err_set(err, -ENOSPC, "the device is too small");
	return rc ? rc : make_room(log, from, to, err);
}

static int set_fields(struct log *log, const struct fields *f, struct err *err)
{
	struct cbt_header h = log->h;
	uint64_t was = cbt_bitmap_bytes(h.size);
	int rc = understand(&h, f, err);

	if (!rc && f->size)
		rc = grow(log, h.size, err);
	if (!rc) {
		h.growing = f->size ? 0 : h.growing;
		log->h = h;
		rc = save_header(log, err);
	}
	/* What is announced is allowed, not wanted. */
	if (rc && f->size && log->exact &&
	    ftruncate(log->fd, (off_t)(CBT_HEADER + was)) < 0)
		return err_wrap(err, "left with the wrong length");
	return rc;
}

static int set(int argc, char **argv, struct err *err)
{
	struct fields f = { 0 };
	struct log log;
	int c, rc;

	while ((c = getopt(argc, argv, "n:p:c:f:s:h")) != -1) {
		if (c == 'n')
			f.name = optarg;
		else if (c == 'p')
			f.parent = optarg;
		else if (c == 'c')
			f.child = optarg;
		else if (c == 'f')
			f.flag = optarg;
		else if (c == 's')
			f.size = optarg;
		else
			return -EINVAL;
	}
	if (!f.name || optind != argc ||
	    !(f.parent || f.child || f.flag || f.size))
		return -EINVAL;
	rc = open_log(&log, f.name, O_RDWR, err);
	if (!rc) {
		rc = set_fields(&log, &f, err);
		rc = rc ? err_wrap(err, "%s", f.name) : 0;
	}
	close_log(&log);
	return rc;
}

static int put_bitmap(struct log *log, struct err *err)
{
	uint64_t left = cbt_bitmap_bytes(log->h.size), off = CBT_HEADER;
	uint8_t *buf = malloc(CHUNK);
	int rc = buf ? 0 : err_set(err, -ENOMEM, "no memory");

	while (!rc && left) {
		size_t n = left < CHUNK ? (size_t)left : CHUNK;

		rc = read_all(log->fd, buf, n, off, err);
		if (!rc && fwrite(buf, 1, n, stdout) != n)
			rc = err_sys(err, "error writing");
		off += n;
		left -= n;
	}
	free(buf);
	return rc;
}

static int put_field(struct log *log, int field, struct err *err)
{
	char text[CBT_TEXT];

	if (field == 'b')
		return put_bitmap(log, err);
	if (field == 'f')
		(void)printf("%d\n", log->h.consistent);
	else if (field == 's')
		(void)printf("%llu\n", (unsigned long long)log->h.size);
	if (field != 'p' && field != 'c')
		return 0;
	cbt_id_text(text, field == 'p' ? log->h.parent : log->h.child);
	(void)puts(text);
	return 0;
}

static int get(int argc, char **argv, struct err *err)
{
	const char *name = NULL;
	int c, rc, field = 0, fields = 0;
	struct log log;

	while ((c = getopt(argc, argv, "n:pcfsbh")) != -1) {
		if (c == 'n') {
			name = optarg;
		} else if (c == 'h' || c == '?') {
			return -EINVAL;
		} else {
			field = c;
			fields++;
		}
	}
	if (!name || fields != 1 || optind != argc)
		return -EINVAL;
	rc = open_log(&log, name, O_RDONLY, err);
	if (!rc)
		rc = put_field(&log, field, err);
	if (!rc && fflush(stdout))
		rc = err_sys(err, "error writing");
	close_log(&log);
	return rc;
}

/* --- coalesce ------------------------------------------------------------- */

/* The parent's bits into the child's. */
static int join(struct log *child, struct log *parent, struct err *err)
{
	uint64_t left = cbt_bitmap_bytes(parent->h.size), off = CBT_HEADER;
	uint8_t *buf = malloc(2 * (size_t)CHUNK);
	int rc = buf ? 0 : err_set(err, -ENOMEM, "no memory");

	while (!rc && left) {
		size_t n = left < CHUNK ? (size_t)left : CHUNK;

		rc = read_all(parent->fd, buf, n, off, err);
		if (!rc)
			rc = read_all(child->fd, buf + CHUNK, n, off, err);
		for (size_t i = 0; !rc && i < n; i++)
			buf[i] |= buf[CHUNK + i];
		if (!rc)
			rc = write_all(child->fd, buf, n, off, err);
		off += n;
		left -= n;
	}
	free(buf);
	return rc ? rc : sync_all(child->fd, err);
}

static int coalesce(int argc, char **argv, struct err *err)
{
	struct log parent = { .fd = -1 }, child = { .fd = -1 };
	const char *from = NULL, *to = NULL;
	int c, rc;

	while ((c = getopt(argc, argv, "p:c:h")) != -1) {
		if (c == 'p')
			from = optarg;
		else if (c == 'c')
			to = optarg;
		else
			return -EINVAL;
	}
	if (!from || !to || optind != argc)
		return -EINVAL;
	rc = open_log(&parent, from, O_RDONLY, err);
	if (!rc)
		rc = open_log(&child, to, O_RDWR, err);
	if (!rc && parent.h.size > child.h.size)
		rc = err_set(err, -EINVAL, "%s is of a larger disk than %s",
			     from, to);
	if (!rc)
		rc = join(&child, &parent, err);
	close_log(&parent);
	close_log(&child);
	return rc;
}

static const struct command commands[] = {
	{ "create", create,
	  "<-n name> <-s size of the disk (bytes)> [-h help]" },
	{ "set", set,
	  "<-n name> [-p parent uuid] [-c child uuid] [-f consistent: 0 or 1] "
	  "[-s size (bytes)] [-h help]" },
	{ "get", get,
	  "<-n name> <-p parent | -c child | -f flag | -s size | -b bitmap> "
	  "[-h help]" },
	{ "coalesce", coalesce, "<-p parent> <-c child> [-h help]" },
	{ NULL, NULL, NULL },
};

static void usage(void)
{
	(void)printf("usage: cbt-util COMMAND [OPTIONS]\n");
	(void)printf("COMMAND is one of:");
	for (const struct command *c = commands; c->name; c++)
		(void)printf(" %s", c->name);
	(void)printf("\n");
}

static int run(const struct command *c, int argc, char **argv)
{
	struct err err = { 0 };
	int rc;

	opterr = 0;
	rc = c->run(argc, argv, &err);
	if (rc && !err.msg[0])
		(void)printf("usage: cbt-util %s %s\n", c->name, c->usage);
	else if (rc)
		(void)fprintf(stderr, "cbt-util: %s\n", err.msg);
	return abs(streams_finish(rc));
}

int main(int argc, char **argv)
{
	streams_open();
	if (argc < 2 || !strcmp(argv[1], "-h")) {
		usage();
		return EINVAL;
	}
	for (const struct command *c = commands; c->name; c++) {
		if (!strcmp(c->name, argv[1]))
			return run(c, argc - 1, argv + 1);
	}
	/* As ever: no error in the end. */
	(void)fprintf(stderr, "Invalid COMMAND %s\n", argv[1]);
	usage();
	return 0;
}
