/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen-fake.c - the fake Xen's domains, grants and event channels.
 *
 * A port is a pair of ends with a number: port N of the guest is port N of
 * the backend too.  The backend's end is masked, pending or neither; what
 * becomes pending unmasked is written to a pipe, masked, and read from there
 * by next(), as the kernel's driver does it.
 */
#include "tests/lib/xen-fake.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "tests/lib/xen-fake-int.h"

#define PORTS 64

struct fake_port {
	uint32_t domid;
	atomic_uint allocated;
	atomic_uint bound;
	atomic_uint masked;
	atomic_uint pending;
	int to_guest; /* eventfd */
};

struct fake_ports {
	struct fake_port port[PORTS];
};

struct xen_fake *fake_of(struct xen *xen)
{
	return (struct xen_fake *)(void *)xen;
}

int fake_call(struct xen_fake *fake, enum xen_fake_call call)
{
	fake->counts[XEN_FAKE_ANY]++;
	fake->counts[call]++;
	if (!fake->fail_n ||
	    (fake->fail_call != XEN_FAKE_ANY && fake->fail_call != call))
		return 0;
	return --fake->fail_n ? 0 : fake->fail_err;
}

void xen_fake_fail(struct xen_fake *fake, enum xen_fake_call call, unsigned n,
		   int err)
{
	fake->fail_call = call;
	fake->fail_n = n;
	fake->fail_err = err;
}

bool xen_fake_failed(struct xen_fake *fake)
{
	bool happened = fake->fail_n == 0;

	fake->fail_n = 0;
	return happened;
}

unsigned xen_fake_count(const struct xen_fake *fake, enum xen_fake_call call)
{
	return fake->counts[call];
}

void xen_fake_syscalls(struct xen_fake *fake, bool on)
{
	fake->syscalls = on;
}

unsigned xen_fake_mapped(const struct xen_fake *fake)
{
	return fake->mapped;
}

unsigned xen_fake_bound(const struct xen_fake *fake)
{
	return fake->bound;
}

static void trivial_syscall(const struct xen_fake *fake)
{
	if (fake->syscalls)
		(void)syscall(SYS_getppid); /* for its being one */
}

/* --- domains and grants ------------------------------------------------- */

static void *shared(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert(mem != MAP_FAILED);
	return mem;
}

void xen_fake_domain(struct xen_fake *fake, uint32_t domid, unsigned pages)
{
	struct fake_domain *d = &fake->domains[domid];
	size_t size = (size_t)pages * XEN_FAKE_PAGE;

	assert(domid < FAKE_DOMAINS && !d->alive && !d->memory);
	d->alive = true;
	d->pages = pages;
	d->memfd = memfd_create("domain", MFD_CLOEXEC);
	assert(d->memfd >= 0);
	if (ftruncate(d->memfd, (off_t)size))
		assert(!"ftruncate");
	d->memory = pages ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
				 d->memfd, 0)
			  : NULL;
	assert(d->memory != MAP_FAILED);
	d->grants = shared(FAKE_GRANTS * sizeof(*d->grants));
}

void xen_fake_destroy(struct xen_fake *fake, uint32_t domid)
{
	unsigned i;

	fake->domains[domid].alive = false;
	for (i = 0; i < PORTS; i++) {
		if (fake->ports->port[i].domid == domid)
			atomic_store(&fake->ports->port[i].allocated, 0);
	}
	fake_store_release(fake);
}

void *xen_fake_memory(struct xen_fake *fake, uint32_t domid)
{
	return fake->domains[domid].memory;
}

void xen_fake_grant(struct xen_fake *fake, uint32_t domid, uint32_t gref,
		    unsigned page, bool writable)
{
	struct fake_domain *d = &fake->domains[domid];

	assert(gref < FAKE_GRANTS && page < d->pages);
	d->grants[gref].writable = writable;
	d->grants[gref].page = page + 1;
}

void xen_fake_revoke(struct xen_fake *fake, uint32_t domid, uint32_t gref)
{
	fake->domains[domid].grants[gref].page = 0;
}

/* NULL if there is no such grant. */
static const struct fake_grant *grant_of(struct xen_fake *fake, uint32_t domid,
					 uint32_t gref, bool writable)
{
	const struct fake_domain *d = &fake->domains[domid];
	const struct fake_grant *g;

	if (domid >= FAKE_DOMAINS || !d->alive || gref >= FAKE_GRANTS)
		return NULL;
	g = &d->grants[gref];
	return g->page && (g->writable || !writable) ? g : NULL;
}

static void *fake_map(struct xen *xen, uint32_t domid, const uint32_t *grefs,
		      unsigned count, bool writable)
{
	struct xen_fake *fake = fake_of(xen);
	int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	int err = fake_call(fake, XEN_FAKE_MAP);
	const struct fake_grant *g;
	uint8_t *addr;
	unsigned i;

	for (i = 0; i < count && !err; i++) {
		if (!grant_of(fake, domid, grefs[i], writable))
			err = -EINVAL;
	}
	if (err) {
		errno = -err;
		return NULL;
	}
	addr = mmap(NULL, (size_t)count * XEN_FAKE_PAGE, prot,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert(addr != MAP_FAILED);
	for (i = 0; i < count; i++) {
		g = grant_of(fake, domid, grefs[i], writable);
		if (mmap(addr + (size_t)i * XEN_FAKE_PAGE, XEN_FAKE_PAGE, prot,
			 MAP_SHARED | MAP_FIXED, fake->domains[domid].memfd,
			 (off_t)(g->page - 1) * XEN_FAKE_PAGE) == MAP_FAILED)
			assert(!"mmap");
	}
	fake->mapped += count;
	return addr;
}

static int fake_unmap(struct xen *xen, void *addr, unsigned count)
{
	struct xen_fake *fake = fake_of(xen);
	int err = fake_call(fake, XEN_FAKE_UNMAP);

	/* Even one that fails: there is nothing the caller could do. */
	assert(fake->mapped >= count);
	fake->mapped -= count;
	if (munmap(addr, (size_t)count * XEN_FAKE_PAGE))
		assert(!"munmap");
	return err;
}

/* By words, and atomic ones: a guest in a thread may write to them as well. */
static void copy_words(void *to, const void *from, size_t len)
{
	const uint64_t *f = from;
	uint64_t *t = to;
	size_t i;

	if (((uintptr_t)to | (uintptr_t)from | len) % sizeof(*t)) {
		memcpy(to, from, len);
		return;
	}
	for (i = 0; i < len / sizeof(*t); i++)
		__atomic_store_n(t + i,
				 __atomic_load_n(f + i, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
}

static int copy_piece(struct xen_fake *fake, const struct xen_copy *piece)
{
	const struct fake_grant *g =
		grant_of(fake, piece->domid, piece->gref, piece->to_guest);
	uint8_t *guest;

	if (!g || piece->off + piece->len > XEN_FAKE_PAGE)
		return -EIO;
	guest = (uint8_t *)fake->domains[piece->domid].memory +
		(size_t)(g->page - 1) * XEN_FAKE_PAGE + piece->off;
	if (piece->to_guest)
		copy_words(guest, piece->local, piece->len);
	else
		copy_words(piece->local, guest, piece->len);
	return 0;
}

static int fake_copy(struct xen *xen, struct xen_copy *pieces, unsigned count)
{
	struct xen_fake *fake = fake_of(xen);
	int err = fake_call(fake, XEN_FAKE_COPY);
	unsigned i;

	trivial_syscall(fake);
	for (i = 0; i < count && !err; i++)
		pieces[i].err = copy_piece(fake, &pieces[i]);
	return err;
}

/* --- event channels ----------------------------------------------------- */

uint32_t xen_fake_port(struct xen_fake *fake, uint32_t domid)
{
	struct fake_port *p;
	uint32_t n = 1;

	while (atomic_load(&fake->ports->port[n].allocated))
		n++;
	assert(n < PORTS);
	p = &fake->ports->port[n];
	p->domid = domid;
	atomic_store(&p->bound, 0);
	if (p->to_guest < 0)
		p->to_guest = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(p->to_guest >= 0);
	atomic_store(&p->allocated, 1);
	return n;
}

static void queue_port(struct xen_fake *fake, uint32_t port)
{
	if (write(fake->pipe[1], &port, sizeof(port)) != sizeof(port))
		assert(!"write");
}

/* It is pending: tell the backend, unless it has it masked. */
static void deliver(struct xen_fake *fake, uint32_t port)
{
	struct fake_port *p = &fake->ports->port[port];

	/* Again if it became pending while it looked masked by us. */
	while (atomic_load(&p->pending) && !atomic_exchange(&p->masked, 1)) {
		if (atomic_exchange(&p->pending, 0)) {
			queue_port(fake, port);
			return;
		}
		atomic_store(&p->masked, 0);
	}
}

void xen_fake_kick(struct xen_fake *fake, uint32_t port)
{
	struct fake_port *p = &fake->ports->port[port];

	if (!atomic_load(&p->bound))
		return;
	atomic_store(&p->pending, 1);
	deliver(fake, port);
}

unsigned xen_fake_notified(struct xen_fake *fake, uint32_t port)
{
	uint64_t n = 0;

	if (read(fake->ports->port[port].to_guest, &n, sizeof(n)) < 0)
		assert(errno == EAGAIN);
	return (unsigned)n;
}

bool xen_fake_wait(struct xen_fake *fake, uint32_t port, int timeout_ms)
{
	struct pollfd pfd = {
		.fd = fake->ports->port[port].to_guest,
		.events = POLLIN,
	};

	return poll(&pfd, 1, timeout_ms) > 0 && xen_fake_notified(fake, port);
}

static struct fake_port *port_of(struct xen_fake *fake, uint32_t port)
{
	struct fake_port *p = &fake->ports->port[port];

	if (port >= PORTS || !atomic_load(&p->bound))
		return NULL;
	return p;
}

static int fake_bind(struct xen *xen, uint32_t domid, uint32_t remote_port)
{
	struct xen_fake *fake = fake_of(xen);
	int err = fake_call(fake, XEN_FAKE_BIND);
	struct fake_port *p = &fake->ports->port[remote_port];

	if (err)
		return err;
	if (remote_port >= PORTS || !atomic_load(&p->allocated) ||
	    p->domid != domid || atomic_load(&p->bound))
		return -EINVAL;
	fake->bound++;
	atomic_store(&p->masked, 0);
	atomic_store(&p->bound, 1);
	/* Xen sets it pending: what was kicked before is not lost. */
	atomic_store(&p->pending, 1);
	deliver(fake, remote_port);
	return (int)remote_port;
}

static int fake_next(struct xen *xen)
{
	struct xen_fake *fake = fake_of(xen);
	int err = fake_call(fake, XEN_FAKE_NEXT);
	ssize_t n;

	if (err)
		return err;
	if (fake->told_next < fake->told_have)
		return (int)fake->told[fake->told_next++];
	fake->told_next = 0;
	if (fake->told_have && fake->told_have < ARRAY_SIZE(fake->told)) {
		fake->told_have = 0;
		return -EAGAIN;
	}
	fake->told_have = 0;
	n = read(fake->pipe[0], fake->told, sizeof(fake->told));
	if (n < 0)
		return -errno;
	fake->told_have = (unsigned)((size_t)n / sizeof(fake->told[0]));
	return (int)fake->told[fake->told_next++];
}

static int fake_unmask(struct xen *xen, const uint32_t *ports, unsigned count)
{
	struct xen_fake *fake = fake_of(xen);
	int err = fake_call(fake, XEN_FAKE_UNMASK);
	struct fake_port *p;
	unsigned i;

	trivial_syscall(fake);
	for (i = 0; i < count && !err; i++) {
		p = port_of(fake, ports[i]);
		if (!p)
			return -EINVAL;
		atomic_store(&p->masked, 0);
		if (atomic_load(&p->pending))
			deliver(fake, ports[i]);
	}
	return err;
}

static int fake_notify(struct xen *xen, int port)
{
	struct xen_fake *fake = fake_of(xen);
	int err = fake_call(fake, XEN_FAKE_NOTIFY);
	struct fake_port *p = port_of(fake, (uint32_t)port);
	uint64_t one = 1;

	if (err)
		return err;
	if (!p)
		return -ENOTCONN;
	if (write(p->to_guest, &one, sizeof(one)) != sizeof(one))
		assert(!"write");
	return 0;
}

static int fake_unbind(struct xen *xen, int port)
{
	struct xen_fake *fake = fake_of(xen);
	int err = fake_call(fake, XEN_FAKE_UNBIND);
	struct fake_port *p = port_of(fake, (uint32_t)port);
	unsigned i, kept = fake->told_next;

	if (!p)
		return -ENOTCONN;
	for (i = fake->told_next; i < fake->told_have; i++) {
		if (fake->told[i] != (uint32_t)port)
			fake->told[kept++] = fake->told[i];
	}
	fake->told_have = kept;
	fake->bound--;
	atomic_store(&p->bound, 0);
	return err;
}

static void fake_free(struct xen *xen)
{
	(void)xen; /* the test's: see xen_fake_free() */
}

struct xen_fake *xen_fake_new(void)
{
	struct xen_fake *fake = calloc(1, sizeof(*fake));
	unsigned i;

	assert(fake);
	fake->ports = shared(sizeof(*fake->ports));
	for (i = 0; i < PORTS; i++)
		fake->ports->port[i].to_guest = -1;
	if (pipe2(fake->pipe, O_CLOEXEC | O_NONBLOCK))
		assert(!"pipe2");
	fake->xen.evtchn_fd = fake->pipe[0];
	fake->xen.bind = fake_bind;
	fake->xen.next = fake_next;
	fake->xen.unmask = fake_unmask;
	fake->xen.notify = fake_notify;
	fake->xen.unbind = fake_unbind;
	fake->xen.map = fake_map;
	fake->xen.unmap = fake_unmap;
	fake->xen.copy = fake_copy;
	fake->xen.free = fake_free;
	fake_store_new(fake);
	return fake;
}

static void free_domain(struct fake_domain *d)
{
	if (!d->grants)
		return;
	(void)munmap(d->grants, FAKE_GRANTS * sizeof(*d->grants)); /* ours */
	if (d->memory)
		(void)munmap(d->memory,
			     (size_t)d->pages * XEN_FAKE_PAGE); /* ours */
	(void)close(d->memfd);                                  /* memory */
}

void xen_fake_free(struct xen_fake *fake)
{
	unsigned i;

	if (!fake)
		return;
	fake_store_free(fake);
	for (i = 0; i < FAKE_DOMAINS; i++)
		free_domain(&fake->domains[i]);
	for (i = 0; i < PORTS; i++) {
		if (fake->ports->port[i].to_guest >= 0)
			(void)close(
				fake->ports->port[i].to_guest); /* no data */
	}
	(void)munmap(fake->ports, sizeof(*fake->ports)); /* ours */
	(void)close(fake->pipe[0]);                      /* no data */
	(void)close(fake->pipe[1]);                      /* no data */
	free(fake);
}

struct xen *xen_fake_xen(struct xen_fake *fake)
{
	return &fake->xen;
}
