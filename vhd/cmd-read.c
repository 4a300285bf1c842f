/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd-read.c - vhd-util read: metadata and data of an image. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/parse.h"
#include "vhd/chain.h"
#include "vhd/cmd.h"
#include "vhd/data.h"
#include "vhd/image.h"

#define CHUNK_SECTORS 2048u

/* What can be asked for, in the order in which it is answered. */
static const char asks[] = "ptbBmieajdrR";

#define ASKS (sizeof(asks) - 1)

struct ask {
	const char *name;
	int what; /* the option's letter */
	uint64_t from;
	uint64_t count;
	bool hex;
};

static int put(const void *buf, size_t len)
{
	return fwrite(buf, 1, len, stdout) == len ? 0 : -EIO;
}

/* A number that names a block or a sector, or -ERANGE. */
static int bounded(uint64_t n, uint64_t count, uint64_t limit)
{
	return n < limit && count <= limit - n ? 0 : -ERANGE;
}

static const char *number(char out[24], uint64_t n, bool hex)
{
	(void)snprintf(out, 24, hex ? "0x%llx" : "%llu", (unsigned long long)n);
	return out;
}

static int print_block(struct vhd *vhd, uint32_t block, bool hex)
{
	uint64_t off = vhd_bitmap_off(vhd, block);
	char at[24];

	if (off)
		(void)printf("block: %u: offset: %s\n", block,
			     number(at, off / VHD_SECTOR, hex));
	else
		(void)printf("block: %u: offset: not allocated\n", block);
	return 0;
}

static int print_sector(struct vhd *vhd, uint64_t sector, bool hex)
{
	uint32_t secs = vhd_block_sectors(vhd);
	uint32_t block = (uint32_t)(sector / secs);
	uint32_t in = (uint32_t)(sector % secs);
	uint64_t off = vhd_block_off(vhd, block);
	char where[24] = "not allocated", name[24];

	if (off)
		(void)number(where, off / VHD_SECTOR + in, hex);
	(void)printf("logical sector %s: block number: %u, sector offset: "
		     "%u, file offset: %s\n",
		     number(name, sector, hex), block, in, where);
	return 0;
}

static int print_bit(struct vhd *vhd, uint64_t sector)
{
	uint32_t secs = vhd_block_sectors(vhd);
	uint32_t block = (uint32_t)(sector / secs);
	uint8_t map[VHD_SECTOR];
	int rc = vhd_bitmap_read(vhd, block, map, NULL);

	if (!rc)
		(void)printf("block %u: sec: %u: %d\n", block,
			     (uint32_t)(sector % secs),
			     vhd_bit(map, (uint32_t)(sector % secs)));
	return rc;
}

static int put_bitmap(struct vhd *vhd, uint32_t block)
{
	uint8_t map[VHD_SECTOR];
	int rc = vhd_bitmap_off(vhd, block)
			 ? vhd_bitmap_read(vhd, block, map, NULL)
			 : -EINVAL;

	return rc ? rc : put(map, vhd_bitmap_size(vhd));
}

static int put_block(struct vhd *vhd, uint32_t block)
{
	uint8_t *buf = malloc(vhd->header.block_size);
	uint64_t off = vhd_block_off(vhd, block);
	int rc = buf ? 0 : -ENOMEM;

	if (!rc)
		rc = off ? vhd_pread_zero(vhd, buf, vhd->header.block_size, off)
			 : -EINVAL;
	if (!rc)
		rc = put(buf, vhd->header.block_size);
	free(buf);
	return rc;
}

/* A bit a block that is there. */
static int put_table(struct vhd *vhd)
{
	size_t len = (vhd->blocks + 7) / 8;
	uint8_t *map = calloc(1, len + 1);
	int rc;

	if (!map)
		return -ENOMEM;
	for (uint32_t i = 0; i < vhd->blocks; i++) {
		if (vhd->bat[i] != VHD_NO_BLOCK)
			vhd_bits_set(map, i, 1);
	}
	rc = put(map, len);
	free(map);
	return rc;
}

static int put_batmap(struct vhd *vhd)
{
	if (!vhd->batmap.there)
		return -EINVAL;
	return put(vhd->batmap.map, vhd->batmap.len);
}

/* "start count", of all written sectors from one on, count extents. */
static int print_extents(struct vhd *vhd, uint64_t from, uint64_t count)
{
	uint32_t secs = vhd_block_sectors(vhd);
	uint64_t start = 0, end = 0;
	uint8_t map[VHD_SECTOR];

	for (uint64_t b = from / secs; b < vhd->blocks; b++) {
		uint32_t i = b == from / secs ? (uint32_t)(from % secs) : 0;
		int rc = vhd_bitmap_read(vhd, (uint32_t)b, map, NULL);

		if (rc)
			return rc;
		while ((i = vhd_bit_next(map, i, secs, true)) < secs) {
			uint32_t to = vhd_bit_next(map, i, secs, false);

			if (b * secs + i != end && end != start) {
				(void)printf("%llu %llu\n",
					     (unsigned long long)start,
					     (unsigned long long)(end - start));
				if (count && !--count)
					return 0;
			}
			if (b * secs + i != end)
				start = b * secs + i;
			end = b * secs + to;
			i = to;
		}
	}
	if (end != start)
		(void)printf("%llu %llu\n", (unsigned long long)start,
			     (unsigned long long)(end - start));
	return 0;
}

/* What a guest would read. */
static int put_data(const struct ask *a)
{
	struct vhd_chain *chain;
	struct err err = { 0 };
	uint8_t *buf = malloc((size_t)CHUNK_SECTORS * VHD_SECTOR);
	uint64_t unit = a->what == 'R' ? 1 : VHD_SECTOR;
	uint64_t at = a->from * unit, left = a->count * unit;
	int rc = vhd_chain_open(&chain, vhd_cmd_files(), a->name, 0, &err);

	if (rc) {
		free(buf);
		return vhd_cmd_fail("error opening", a->name, rc, &err);
	}
	rc = buf ? bounded(at, left, vhd_size(chain->layer[0].vhd)) : -ENOMEM;
	while (!rc && left) {
		uint32_t skip = (uint32_t)(at % VHD_SECTOR);
		uint64_t n = (uint64_t)CHUNK_SECTORS * VHD_SECTOR - skip;

		n = n < left ? n : left;
		rc = vhd_chain_read(chain, buf, at / VHD_SECTOR,
				    (uint32_t)((skip + n + 511) / VHD_SECTOR),
				    &err);
		if (!rc)
			rc = put(buf + skip, (size_t)n);
		at += n;
		left -= n;
	}
	vhd_chain_close(chain);
	free(buf);
	return rc ? vhd_cmd_fail("error reading", a->name, rc, &err) : 0;
}

/* Callers of one lineage read it on stderr, those of the other on stdout. */
static void print_full(struct vhd *vhd, uint32_t block)
{
	int full = vhd_block_full(vhd, block);
	struct stat out, err;
	bool one = !fstat(STDOUT_FILENO, &out) && !fstat(STDERR_FILENO, &err) &&
		   out.st_dev == err.st_dev && out.st_ino == err.st_ino;

	if (!one)
		(void)printf("batmap for block %u: %d\n", block, full);
	(void)fprintf(stderr, "batmap for block %u: %d\n", block, full);
}

static int answer(struct vhd *vhd, const struct ask *a)
{
	uint64_t secs = (uint64_t)vhd->blocks * vhd_block_sectors(vhd);
	bool is_block = strchr("bmjd", a->what);
	int rc = 0;

	if (a->what == 'B')
		return put_table(vhd);
	if (a->what == 'a')
		return put_batmap(vhd);
	if (a->what == 'e')
		return print_extents(vhd, a->from, a->count);
	rc = bounded(a->from, a->count, is_block ? vhd->blocks : secs);
	for (uint64_t i = a->from; !rc && i < a->from + a->count; i++) {
		uint32_t block = (uint32_t)i;

		if (a->what == 'b')
			rc = print_block(vhd, block, a->hex);
		else if (a->what == 'm')
			rc = put_bitmap(vhd, block);
		else if (a->what == 'd')
			rc = put_block(vhd, block);
		else if (a->what == 't')
			rc = print_sector(vhd, i, a->hex);
		else if (a->what == 'i')
			rc = print_bit(vhd, i);
		else
			print_full(vhd, block);
	}
	return rc;
}

static int read_image(const struct ask *a)
{
	struct vhd_cmd_image img;
	int rc;

	if (a->what == 'r' || a->what == 'R')
		return put_data(a);
	rc = vhd_cmd_open(&img, a->name,
			  a->what == 'p' ? VHD_OPEN_POISONED | VHD_OPEN_LOOSE
					 : 0);
	if (rc)
		return rc;
	if (a->what == 'p')
		rc = vhd_cmd_dump(a->name);
	else
		rc = vhd_header(img.vhd) ? answer(img.vhd, a) : -EINVAL;
	vhd_cmd_close(&img);
	return rc ? vhd_cmd_fail("error reading", a->name, rc, NULL) : 0;
}

/* One after the other, those that were asked for. */
static int read_all(struct ask *a, const bool *asked, const uint64_t *from,
		    bool counted)
{
	uint64_t count = a->count;
	int rc = 0;

	for (size_t i = 0; !rc && i < ASKS; i++) {
		if (!asked[i])
			continue;
		a->what = (unsigned char)asks[i];
		a->from = from[i];
		a->count = counted || asks[i] == 'e' ? count : 1;
		rc = read_image(a);
	}
	return rc;
}

int vhd_cmd_read(int argc, char **argv)
{
	bool counted = false, asked[ASKS] = { false }, any = false;
	uint64_t from[ASKS] = { 0 };
	struct ask a = { .count = 0 };
	const char *at;
	int c, rc = 0;

	while ((c = getopt(argc, argv, "n:pt:b:Bm:i:e:aj:d:c:r:R:xh")) != -1) {
		if (c == 'n')
			a.name = optarg;
		else if (c == 'c')
			rc = parse_uint(&a.count, optarg, 0, UINT32_MAX),
			counted = true;
		else if (c == 'x')
			a.hex = true;
		else if (c == 'h' || c == '?')
			return vhd_cmd_usage("read");
		else if ((at = strchr(asks, c)))
			any = asked[at - asks] = true;
		if (c != 'n' && c != 'c' && optarg)
			rc = parse_uint(&from[strchr(asks, c) - asks], optarg,
					0, UINT64_MAX >> 10);
		if (rc)
			return vhd_cmd_usage("read");
	}
	if (!a.name || !any || optind != argc)
		return vhd_cmd_usage("read");
	return read_all(&a, asked, from, counted);
}
