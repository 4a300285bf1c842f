/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd-dump.c - the metadata of an image as text.
 *
 * The labels are parsed by others.  What is damaged is shown as far as it
 * can be read, with the checksums that say so.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/bytes.h"
#include "vhd/cmd.h"
#include "vhd/format.h"
#include "vhd/image.h"
#include "vhd/locator.h"

__attribute__((format(printf, 2, 3))) static void line(const char *label,
						       const char *fmt, ...)
{
	va_list ap;

	(void)printf("%-20s: ", label);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)printf("\n");
}

static void title(const char *text)
{
	(void)printf("%s\n", text);
	for (size_t i = 0; text[i]; i++)
		(void)putchar('-');
	(void)putchar('\n');
}

static void print_time(const char *label, uint32_t when)
{
	time_t t = (time_t)when + VHD_EPOCH;
	char text[64] = "";
	struct tm tm;

	if (localtime_r(&t, &tm))
		(void)strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
	line(label, "%s", text);
}

static void print_id(const char *label, const uint8_t *id)
{
	char hex[33];

	vhd_cmd_hex(hex, id, 16);
	line(label, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
	     hex + 16, hex + 20);
}

static void print_sum(uint32_t have, uint32_t sum)
{
	line("Checksum", "0x%x|0x%x (%s)", have, sum,
	     have == sum ? "Good!" : "Bad!");
}

static void print_bytes(const char *label, uint64_t bytes)
{
	line(label, "%llu MB (%llu Bytes)", (unsigned long long)(bytes >> 20),
	     (unsigned long long)bytes);
}

static const char *type_name(uint32_t type)
{
	static const char *const names[] = {
		"None",
		"Reserved (deprecated)",
		"Fixed hard disk",
		"Dynamic hard disk",
		"Differencing hard disk",
		"Reserved (deprecated)",
		"Reserved (deprecated)",
	};

	return type < ARRAY_SIZE(names) ? names[type] : "Unknown type!";
}

static const char *os_name(uint32_t os)
{
	if (os == 0x5769326b)
		return "Windows";
	return os == 0x4d616320 ? "Macintosh" : "Unknown!";
}

static void dump_footer(const uint8_t *b)
{
	uint64_t chs = (uint64_t)bytes_be16(b + 56) * b[58] * b[59] * 512;
	uint32_t features = bytes_be32(b + 8);

	title("VHD Footer Summary:");
	line("Cookie", "%.8s", (const char *)b);
	line("Features", "(0x%08x) %s%s", features,
	     features & 1 ? "<TEMP>" : "", features & 2 ? "<RESV>" : "");
	line("File format version", "Major: %u, Minor: %u", bytes_be16(b + 12),
	     bytes_be16(b + 14));
	line("Data offset", "%llu", (unsigned long long)bytes_be64(b + 16));
	print_time("Timestamp", bytes_be32(b + 24));
	line("Creator Application", "'%.4s'", (const char *)b + 28);
	line("Creator version", "Major: %u, Minor: %u", bytes_be16(b + 32),
	     bytes_be16(b + 34));
	line("Creator OS", "%s", os_name(bytes_be32(b + 36)));
	print_bytes("Original disk size", bytes_be64(b + 40));
	print_bytes("Current disk size", bytes_be64(b + 48));
	line("Geometry", "Cyl: %u, Hds: %u, Sctrs: %u", bytes_be16(b + 56),
	     b[58], b[59]);
	line("", "= %llu MB (%llu Bytes)", (unsigned long long)(chs >> 20),
	     (unsigned long long)chs);
	line("Disk type", "%s", type_name(bytes_be32(b + 60)));
	print_sum(bytes_be32(b + 64),
		  vhd_checksum_like(bytes_be32(b + 64), b, 512,
				    VHD_FOOTER_SUM_AT));
	print_id("UUID", b + 68);
	line("Saved state", "%s", b[84] ? "Yes" : "No");
	line("Hidden", "%u", b[85]);
	(void)printf("\n");
}

static void dump_header(const uint8_t *b, const struct vhd_header *h)
{
	title("VHD Header Summary:");
	line("Cookie", "%.8s", (const char *)b);
	line("Data offset (unusd)", "%llu",
	     (unsigned long long)bytes_be64(b + 8));
	line("Table offset", "%llu", (unsigned long long)bytes_be64(b + 16));
	line("Header version", "0x%08x", bytes_be32(b + 24));
	line("Max BAT size", "%u", bytes_be32(b + 28));
	line("Block size", "%u (%u MB)", bytes_be32(b + 32),
	     bytes_be32(b + 32) >> 20);
	line("Parent name", "%s", h ? h->parent_name : "");
	print_id("Parent UUID", b + 40);
	print_time("Parent timestamp", bytes_be32(b + 56));
	print_sum(bytes_be32(b + 36),
		  vhd_checksum_like(bytes_be32(b + 36), b, 1024,
				    VHD_HEADER_SUM_AT));
	(void)printf("\n");
}

static const char *code_name(uint32_t code)
{
	switch (code) {
	case VHD_CODE_MACX:
		return "PLAT_CODE_MACX";
	case VHD_CODE_W2KU:
		return "PLAT_CODE_W2KU";
	case VHD_CODE_W2RU:
		return "PLAT_CODE_W2RU";
	case 0:
		return "PLAT_CODE_NONE";
	default:
		return "UNKNOWN";
	}
}

static void dump_locators(struct vhd *vhd)
{
	title("VHD Parent Locators:");
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		const struct vhd_locator *loc = &vhd->header.loc[i];
		char *path = NULL;

		if (!loc->code)
			continue;
		(void)vhd_locator_path(vhd, i, &path, NULL); /* or none */
		line("locator:", "%u", i);
		line("       code", "%s", code_name(loc->code));
		line("       data_space", "%u", loc->space);
		line("       data_length", "%u", loc->len);
		line("       data_offset", "%llu",
		     (unsigned long long)loc->off);
		line("       decoded name", "%s", path ? path : "");
		(void)printf("\n");
		free(path);
	}
}

static void dump_batmap(const struct vhd *vhd)
{
	const struct vhd_batmap *bm = &vhd->batmap;
	uint32_t sum = bm->hdr.checksum;
	char hex[65];

	title("VHD Batmap Summary:");
	line("Batmap offset", "%llu", (unsigned long long)bm->hdr.off);
	line("Batmap size (secs)", "%u", bm->hdr.secs);
	line("Batmap version", "0x%08x", bm->hdr.version);
	if (bm->hdr.keyhash.set) {
		vhd_cmd_hex(hex, bm->hdr.keyhash.nonce, 32);
		line("Batmap keyhash nonce", "%s", hex);
		vhd_cmd_hex(hex, bm->hdr.keyhash.hash, 32);
		line("Batmap keyhash hash ", "%s", hex);
	}
	if (!bm->trusted) {
		uint8_t *raw = malloc(bm->len);

		if (raw && !vhd->io->pread(vhd->io, raw, bm->len, bm->hdr.off))
			sum = vhd_checksum_like(sum, raw, bm->len, VHD_NO_SUM);
		free(raw);
	}
	print_sum(bm->hdr.checksum, sum);
	(void)printf("\n");
}

static int dump(struct vhd_io *io)
{
	uint8_t buf[VHD_HEADER_BYTES] = { 0 };
	struct vhd *vhd = NULL;
	uint64_t size;
	int rc = io->size(io, &size);

	if (!rc && size >= 512)
		rc = io->pread(io, buf, 512, size - 512);
	if (rc || size < 512)
		return rc;
	if (vhd_open_flags(&vhd, io, VHD_OPEN_LOOSE | VHD_OPEN_POISONED, NULL))
		vhd = NULL;
	if (vhd && !vhd->primary)
		vhd_footer_encode(buf, &vhd->footer);
	else if (!vhd && memcmp(buf, "conectix", 8))
		(void)io->pread(io, buf, 512, 0); /* the copy tells more */
	dump_footer(buf);
	if (vhd && vhd->footer.type != VHD_FIXED &&
	    !io->pread(io, buf, sizeof(buf), vhd->footer.data_off)) {
		dump_header(buf, &vhd->header);
		if (vhd->footer.type == VHD_DIFFERENCING)
			dump_locators(vhd);
		if (vhd->batmap.there)
			dump_batmap(vhd);
	}
	vhd_close(vhd);
	return 0;
}

int vhd_cmd_dump(const char *name)
{
	struct vhd_files *files = vhd_cmd_files();
	struct vhd_io *io;
	int rc = files->open(files, &io, name, 0, NULL);

	if (rc)
		return rc;
	rc = dump(io);
	io->close(io);
	return rc;
}
