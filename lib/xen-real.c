/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xen-real.c - Xen as it is: libxenevtchn, libxengnttab, libxenstore.
 *
 * Ports are read and written many at a time, which the library has no calls
 * for; the kernel's side of its descriptor is an array of 32-bit ports.
 */
#include "lib/xen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "lib/err.h"

#define PORTS 64
#define COPY  1024 /* pieces given to the kernel at once */

struct real {
	struct xen xen;
	xenevtchn_handle *evtchn;
	xengnttab_handle *gnttab;
	struct xs_handle *store;

	uint32_t ports[PORTS]; /* read and not yet told */
	unsigned have;
	unsigned told;

	xengnttab_grant_copy_segment_t segs[COPY];
};

static struct real *real_of(struct xen *xen)
{
	return (struct real *)(void *)xen;
}

/* The libraries say -1 or false, and errno; not always errno. */
static int failed(void)
{
	return errno ? -errno : -EIO;
}

static int real_bind(struct xen *xen, uint32_t domid, uint32_t remote_port)
{
	int port;

	errno = 0;
	port = xenevtchn_bind_interdomain(real_of(xen)->evtchn, domid,
					  remote_port);
	return port < 0 ? failed() : port;
}

static int real_next(struct xen *xen)
{
	struct real *r = real_of(xen);
	bool last = r->have && r->have < PORTS;
	ssize_t n;

	if (r->told < r->have)
		return (int)r->ports[r->told++];
	r->told = r->have = 0;
	/* It was a short read: there is no more, and no call is needed. */
	if (last)
		return -EAGAIN;
	do {
		n = read(xen->evtchn_fd, r->ports, sizeof(r->ports));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	r->have = (unsigned)((size_t)n / sizeof(r->ports[0]));
	return r->have ? (int)r->ports[r->told++] : -EAGAIN;
}

static int real_unmask(struct xen *xen, const uint32_t *ports, unsigned count)
{
	size_t size = count * sizeof(*ports);
	ssize_t n;

	do {
		n = write(xen->evtchn_fd, ports, size);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}

static int real_notify(struct xen *xen, int port)
{
	errno = 0;
	if (xenevtchn_notify(real_of(xen)->evtchn, (evtchn_port_t)port))
		return failed();
	return 0;
}

static int real_unbind(struct xen *xen, int port)
{
	struct real *r = real_of(xen);
	unsigned i, kept = r->told;

	/* The number may be another's soon. */
	for (i = r->told; i < r->have; i++) {
		if (r->ports[i] != (uint32_t)port)
			r->ports[kept++] = r->ports[i];
	}
	r->have = kept;
	errno = 0;
	if (xenevtchn_unbind(r->evtchn, (evtchn_port_t)port))
		return failed();
	return 0;
}

static void *real_map(struct xen *xen, uint32_t domid, const uint32_t *grefs,
		      unsigned count, bool writable)
{
	uint32_t *refs = calloc(count, sizeof(*refs)); /* it wants no const */
	void *addr;

	if (!refs)
		return NULL;
	memcpy(refs, grefs, count * sizeof(*refs));
	errno = 0;
	addr = xengnttab_map_domain_grant_refs(
		real_of(xen)->gnttab, count, domid, refs,
		writable ? PROT_READ | PROT_WRITE : PROT_READ);
	free(refs);
	if (!addr && !errno)
		errno = EIO;
	return addr;
}

static int real_unmap(struct xen *xen, void *addr, unsigned count)
{
	errno = 0;
	if (xengnttab_unmap(real_of(xen)->gnttab, addr, count))
		return failed();
	return 0;
}

static void seg_of(xengnttab_grant_copy_segment_t *seg,
		   const struct xen_copy *piece)
{
	union xengnttab_copy_ptr guest, local;

	memset(&guest, 0, sizeof(guest));
	memset(&local, 0, sizeof(local));
	guest.foreign.ref = piece->gref;
	guest.foreign.offset = piece->off;
	guest.foreign.domid = piece->domid;
	local.virt = piece->local;
	seg->source = piece->to_guest ? local : guest;
	seg->dest = piece->to_guest ? guest : local;
	seg->len = piece->len;
	seg->flags = piece->to_guest ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
	seg->status = GNTST_general_error;
}

static int copy_some(struct real *r, struct xen_copy *pieces, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		seg_of(&r->segs[i], &pieces[i]);
	errno = 0;
	if (xengnttab_grant_copy(r->gnttab, count, r->segs))
		return failed();
	for (i = 0; i < count; i++)
		pieces[i].err = r->segs[i].status == GNTST_okay ? 0 : -EIO;
	return 0;
}

static int real_copy(struct xen *xen, struct xen_copy *pieces, unsigned count)
{
	unsigned some;
	int rc = 0;

	for (; count && !rc; pieces += some, count -= some) {
		some = count < COPY ? count : COPY;
		rc = copy_some(real_of(xen), pieces, some);
	}
	return rc;
}

static int real_begin(struct xen *xen, uint32_t *tx)
{
	errno = 0;
	*tx = xs_transaction_start(real_of(xen)->store);
	return *tx ? 0 : failed();
}

static int real_end(struct xen *xen, uint32_t tx, bool commit)
{
	errno = 0;
	if (!xs_transaction_end(real_of(xen)->store, tx, !commit))
		return failed();
	return 0;
}

static char *real_read(struct xen *xen, uint32_t tx, const char *path)
{
	unsigned len;

	return xs_read(real_of(xen)->store, tx, path, &len);
}

static char **real_list(struct xen *xen, uint32_t tx, const char *path)
{
	unsigned count, i;
	char **names = xs_directory(real_of(xen)->store, tx, path, &count);
	size_t table = (count + 1) * sizeof(*names), bytes = 0;
	char **out, *to;

	if (!names)
		return NULL;
	for (i = 0; i < count; i++)
		bytes += strlen(names[i]) + 1;
	out = malloc(table + bytes);
	to = (char *)out + table;
	for (i = 0; out && i < count; i++) {
		out[i] = to;
		to = stpcpy(to, names[i]) + 1;
	}
	if (out)
		out[count] = NULL;
	free(names);
	return out;
}

static int real_write(struct xen *xen, uint32_t tx, const char *path,
		      const char *value)
{
	errno = 0;
	if (!xs_write(real_of(xen)->store, tx, path, value,
		      (unsigned)strlen(value)))
		return failed();
	return 0;
}

static int real_remove(struct xen *xen, uint32_t tx, const char *path)
{
	errno = 0;
	return xs_rm(real_of(xen)->store, tx, path) ? 0 : failed();
}

static int real_watch(struct xen *xen, const char *path, const char *token)
{
	errno = 0;
	return xs_watch(real_of(xen)->store, path, token) ? 0 : failed();
}

static int real_unwatch(struct xen *xen, const char *path, const char *token)
{
	errno = 0;
	return xs_unwatch(real_of(xen)->store, path, token) ? 0 : failed();
}

static char **real_next_watch(struct xen *xen)
{
	return xs_check_watch(real_of(xen)->store);
}

static int real_alive(struct xen *xen, uint32_t domid)
{
	struct real *r = real_of(xen);

	return r->store ? xs_is_domain_introduced(r->store, domid) : -ENOSYS;
}

static void real_free(struct xen *xen)
{
	struct real *r = real_of(xen);

	if (r->evtchn)
		(void)xenevtchn_close(r->evtchn); /* nothing to be done */
	if (r->gnttab)
		(void)xengnttab_close(r->gnttab); /* nothing to be done */
	if (r->store)
		xs_close(r->store);
	free(r);
}

static int open_rings(struct real *r, struct err *err)
{
	int flags;

	r->evtchn = xenevtchn_open(NULL, 0);
	if (!r->evtchn)
		return err_sys(err, "/dev/xen/evtchn");
	r->xen.evtchn_fd = xenevtchn_fd(r->evtchn);
	flags = fcntl(r->xen.evtchn_fd, F_GETFL);
	if (flags < 0 || fcntl(r->xen.evtchn_fd, F_SETFL, flags | O_NONBLOCK))
		return err_sys(err, "/dev/xen/evtchn");
	r->gnttab = xengnttab_open(NULL, 0);
	if (!r->gnttab)
		return err_sys(err, "/dev/xen/gntdev");
	if (xengnttab_grant_copy(r->gnttab, 0, r->segs))
		return err_sys(err, "/dev/xen/gntdev: no grant copy");
	return 0;
}

static int open_store(struct real *r, struct err *err)
{
	r->store = xs_open(0);
	if (!r->store)
		return err_sys(err, "xenstore");
	r->xen.store_fd = xs_fileno(r->store);
	return 0;
}

static const struct xen calls = {
	.evtchn_fd = -1,
	.bind = real_bind,
	.next = real_next,
	.unmask = real_unmask,
	.notify = real_notify,
	.unbind = real_unbind,
	.map = real_map,
	.unmap = real_unmap,
	.copy = real_copy,
	.store_fd = -1,
	.begin = real_begin,
	.end = real_end,
	.read = real_read,
	.list = real_list,
	.write = real_write,
	.remove = real_remove,
	.watch = real_watch,
	.unwatch = real_unwatch,
	.next_watch = real_next_watch,
	.alive = real_alive,
	.free = real_free,
};

int xen_open(struct xen **out, unsigned what, struct err *err)
{
	struct real *r = calloc(1, sizeof(*r));
	int rc = 0;

	if (!r)
		return err_set(err, -ENOMEM, "xen: no memory");
	r->xen = calls;
	if (what & XEN_RINGS)
		rc = open_rings(r, err);
	if (!rc && (what & XEN_STORE))
		rc = open_store(r, err);
	if (rc) {
		real_free(&r->xen);
		return rc;
	}
	*out = &r->xen;
	return 0;
}
