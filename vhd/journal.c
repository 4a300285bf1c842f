/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* journal.c - writing a journal, and following it back. */
#include "vhd/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/image.h"

#define HEADER_BYTES 512u
#define ENTRY_BYTES  32u
#define ENTRY_COOKIE 0xaaaa12344321aaaaull
#define MAX_ENTRY    (64u << 20)

static const uint8_t cookie[8] = "vjournal";

struct entry {
	uint32_t type;
	uint32_t size;
	uint64_t off;
	uint32_t checksum;
};

static int say(struct err *err, int rc)
{
	return rc ? err_set(err, rc, "error writing journal: %s", strerror(-rc))
		  : 0;
}

static int write_header(struct vhd_journal *j)
{
	uint8_t buf[HEADER_BYTES] = { 0 };
	int rc;

	memcpy(buf, cookie, 8);
	memcpy(buf + 8, j->id, 16);
	bytes_put_be64(buf + 24, j->footer_off);
	bytes_put_be32(buf + 32, j->data);
	bytes_put_be32(buf + 36, j->metadata);
	bytes_put_be64(buf + 40, j->data_off);
	bytes_put_be64(buf + 48, HEADER_BYTES);
	/* The one field that was never put in order. */
	bytes_put_le64(buf + 56, j->eof);
	rc = j->io->pwrite(j->io, buf, sizeof(buf), 0);
	return rc ? rc : j->io->sync(j->io);
}

/* A copy of what lies at off, behind the entries so far. */
static int add(struct vhd_journal *j, struct vhd *vhd, uint32_t type,
	       uint64_t off, uint64_t len)
{
	uint8_t *buf;
	int rc;

	if (!len)
		return 0;
	if (len > MAX_ENTRY)
		return -EFBIG;
	buf = calloc(1, ENTRY_BYTES + (size_t)len);
	if (!buf)
		return -ENOMEM;
	rc = vhd_pread_zero(vhd, buf + ENTRY_BYTES, (size_t)len, off);
	bytes_put_be64(buf, ENTRY_COOKIE);
	bytes_put_be32(buf + 8, type);
	bytes_put_be32(buf + 12, (uint32_t)len);
	bytes_put_be64(buf + 16, off);
	bytes_put_be32(buf + 24, vhd_checksum(buf + ENTRY_BYTES, (size_t)len,
					      VHD_NO_SUM));
	if (!rc)
		rc = j->io->pwrite(j->io, buf, ENTRY_BYTES + (size_t)len,
				   j->end);
	free(buf);
	j->end += ENTRY_BYTES + len;
	if (type == VHD_JOURNAL_DATA)
		j->data++;
	else
		j->metadata++;
	return rc;
}

static int add_metadata(struct vhd_journal *j, struct vhd *vhd)
{
	const struct vhd_header *h = &vhd->header;
	const struct vhd_batmap *bm = &vhd->batmap;
	int rc = add(j, vhd, VHD_JOURNAL_FOOTER, vhd->footer_off,
		     VHD_FOOTER_BYTES);

	if (!rc)
		rc = add(j, vhd, VHD_JOURNAL_COPY, 0, VHD_FOOTER_BYTES);
	if (!rc)
		rc = add(j, vhd, VHD_JOURNAL_HEADER, vhd->footer.data_off,
			 VHD_HEADER_BYTES);
	for (unsigned i = 0; !rc && i < VHD_LOCATORS; i++) {
		if (h->loc[i].code)
			rc = add(j, vhd, VHD_JOURNAL_LOCATOR, h->loc[i].off,
				 vhd_locator_room(&h->loc[i]));
	}
	/* All of the table, also where the disk does not reach yet. */
	if (!rc)
		rc = add(j, vhd, VHD_JOURNAL_BAT, h->table_off,
			 vhd_table_bytes(h->max_bat));
	if (!rc && bm->there)
		rc = add(j, vhd, VHD_JOURNAL_BATMAP_HEADER, bm->at, VHD_SECTOR);
	if (!rc && bm->there)
		rc = add(j, vhd, VHD_JOURNAL_BATMAP, bm->hdr.off, bm->len);
	return rc;
}

int vhd_journal_start(struct vhd_journal *j, struct vhd *vhd, struct vhd_io *io,
		      struct err *err)
{
	int rc;

	*j = (struct vhd_journal){
		.io = io,
		.footer_off = vhd->footer_off,
		.eof = vhd->file_size,
		.end = HEADER_BYTES,
	};
	memcpy(j->id, vhd->footer.id, sizeof(j->id));
	rc = add_metadata(j, vhd);
	j->data_off = j->end;
	if (!rc)
		rc = io->sync(io);
	return say(err, rc ? rc : write_header(j));
}

int vhd_journal_data(struct vhd_journal *j, struct vhd *vhd, uint64_t off,
		     uint64_t len, struct err *err)
{
	int rc = add(j, vhd, VHD_JOURNAL_DATA, off, len);

	if (!rc)
		rc = j->io->sync(j->io);
	return say(err, rc ? rc : write_header(j));
}

static int read_header(struct vhd_journal *j, uint64_t size, struct err *err)
{
	uint8_t buf[HEADER_BYTES];
	int rc = size < sizeof(buf) ? -EINVAL
				    : j->io->pread(j->io, buf, sizeof(buf), 0);

	if (rc || memcmp(buf, cookie, 8))
		return err_set(err, rc ? rc : -EINVAL, "this is no journal");
	memcpy(j->id, buf + 8, 16);
	j->footer_off = bytes_be64(buf + 24);
	j->data = bytes_be32(buf + 32);
	j->metadata = bytes_be32(buf + 36);
	j->data_off = bytes_be64(buf + 40);
	j->end = bytes_be64(buf + 48);
	j->eof = bytes_le64(buf + 56);
	if (j->eof > INT64_MAX)
		j->eof = bytes_be64(buf + 56);
	if (j->eof > INT64_MAX || j->eof < VHD_FOOTER_BYTES ||
	    j->end < sizeof(buf) || j->end > size || j->data_off > size)
		return err_set(err, -EINVAL, "journal: invalid header");
	return 0;
}

/* The entry at *at, its bytes malloc'd; *at moves behind it. */
static int read_entry(struct vhd_journal *j, uint64_t size, uint64_t *at,
		      struct entry *e, uint8_t **data)
{
	uint8_t buf[ENTRY_BYTES];

	if (!bytes_within(*at, sizeof(buf), size) ||
	    j->io->pread(j->io, buf, sizeof(buf), *at))
		return -EINVAL;
	*e = (struct entry){
		.type = bytes_be32(buf + 8),
		.size = bytes_be32(buf + 12),
		.off = bytes_be64(buf + 16),
		.checksum = bytes_be32(buf + 24),
	};
	*at += sizeof(buf);
	if (bytes_be64(buf) != ENTRY_COOKIE || !e->size ||
	    e->size > MAX_ENTRY || !bytes_within(*at, e->size, size) ||
	    !bytes_within(e->off, e->size, j->eof))
		return -EINVAL;
	*data = malloc(e->size);
	if (!*data)
		return -ENOMEM;
	if (j->io->pread(j->io, *data, e->size, *at) ||
	    vhd_checksum(*data, e->size, VHD_NO_SUM) != e->checksum) {
		free(*data);
		return -EINVAL;
	}
	*at += e->size;
	return 0;
}

/*
 * Footers come last: until then the image stays poisoned. Without to, all is
 * only looked at.
 */
static int follow(struct vhd_journal *j, uint64_t size, struct vhd_io *to,
		  bool footers, struct err *err)
{
	uint64_t at = j->end, n = (uint64_t)j->metadata + j->data;
	struct entry e;
	uint8_t *data;
	int rc = 0;

	for (uint64_t i = 0; !rc && i < n; i++) {
		if (i == j->metadata)
			at = j->data_off;
		rc = read_entry(j, size, &at, &e, &data);
		if (rc)
			return err_set(err, rc,
				       "journal: entry %llu is damaged",
				       (unsigned long long)i);
		if (to && footers == (e.type == VHD_JOURNAL_FOOTER ||
				      e.type == VHD_JOURNAL_COPY))
			rc = to->pwrite(to, data, e.size, e.off);
		free(data);
	}
	return rc ? err_set(err, rc, "error writing metadata: %s",
			    strerror(-rc))
		  : 0;
}

static int go_back(struct vhd_journal *j, struct vhd_io *io, uint64_t size,
		   struct err *err)
{
	int rc = follow(j, size, NULL, false, err);

	if (!rc)
		rc = follow(j, size, io, false, err);
	if (!rc)
		rc = io->sync(io);
	if (!rc)
		rc = follow(j, size, io, true, err);
	if (!rc && io->resize)
		rc = io->resize(io, j->eof);
	if (rc == -EOPNOTSUPP)
		rc = 0;
	if (!rc)
		rc = io->sync(io);
	return rc;
}

/*
 * The caller is about to remove it: a file must be a journal of this image,
 * or one that was cut before its header was written.
 */
static int is_stale(struct vhd_io *journal, uint64_t size,
		    const struct vhd *vhd, struct err *err)
{
	uint8_t buf[HEADER_BYTES] = { 0 };
	bool blank = true;
	int rc;

	if (!journal->resize)
		return 0;
	rc = journal->pread(journal, buf,
			    size < sizeof(buf) ? (size_t)size : sizeof(buf), 0);
	if (rc)
		return err_set(err, rc, "journal: %s", strerror(-rc));
	for (unsigned i = 0; i < sizeof(buf); i++)
		blank &= !buf[i];
	if (!blank && (memcmp(buf, cookie, 8) ||
		       memcmp(buf + 8, vhd->footer.id, sizeof(vhd->footer.id))))
		return err_set(err, -EINVAL, "this is no journal of it");
	return 0;
}

int vhd_revert(struct vhd_io *io, struct vhd_io *journal, struct err *err)
{
	struct vhd_journal j = { .io = journal };
	struct vhd *vhd;
	uint64_t size = 0;
	bool poisoned;
	int rc = journal->size(journal, &size);

	if (rc)
		return err_set(err, rc, "journal: %s", strerror(-rc));
	/* Its header and tables may be half old and half new. */
	rc = vhd_open_flags(&vhd, io, VHD_OPEN_FOOTER | VHD_OPEN_POISONED, err);
	if (rc)
		return rc;
	poisoned = vhd->poisoned;
	rc = read_header(&j, size, err);
	/* Since then the image can only have become longer. */
	if (!rc && j.eof > vhd->file_size)
		rc = err_set(err, -EINVAL, "journal: invalid end of file");
	/* It never began, or it ended: there is nothing to go back to. */
	if (!poisoned)
		rc = is_stale(journal, size, vhd, err);
	else if (!rc && memcmp(j.id, vhd->footer.id, sizeof(j.id)))
		rc = err_set(err, -EINVAL, "the journal is another image's");
	vhd_close(vhd);
	return rc || !poisoned ? rc : go_back(&j, io, size, err);
}
