/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alloc_test.c - the Nth allocation fails, for each N.
 *
 * A child over a base is opened, used, paused, resumed and closed, with a
 * second channel that comes late. Each step succeeds or says that there is
 * no memory; nothing crashes, nothing leaks, and the image checks.
 *
 * Linked so that our calls of malloc() and its like come here.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/rig.h"
#include "tests/lib/test.h"
#include "tests/lib/vhd-make.h"

#define DISK (UINT64_C(4) << 20)

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__real_aligned_alloc(size_t align, size_t size);
char *__real_realpath(const char *path, char *out);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__wrap_realpath(const char *path, char *out);
int __wrap_asprintf(char **out, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What the two are called when their arguments are checked. */
int __wrap___asprintf_chk(char **out, int flag, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
char *__wrap___realpath_chk(const char *path, char *out, size_t size);
void __wrap_free(void *p);
/* NOLINTEND(bugprone-reserved-identifier) */

static atomic_long live;  /* allocations not freed */
static atomic_long until; /* allocations that succeed; below 0: all do */
static atomic_bool failed;

static bool fails(void)
{
	if (atomic_load(&until) < 0 || atomic_fetch_sub(&until, 1) != 0)
		return false;
	atomic_store(&failed, true);
	errno = ENOMEM;
	return true;
}

static void *counted(void *p)
{
	live += p != NULL;
	return p;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size)
{
	void *q = fails() ? NULL : __real_realloc(p, size);

	live += q && !p;
	return q;
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : counted(__real_strdup(s));
}

char *__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : counted(__real_strndup(s, n));
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : counted(__real_aligned_alloc(align, size));
}

char *__wrap___realpath_chk(const char *path, char *out, size_t size)
{
	(void)size;
	return __wrap_realpath(path, out);
}

char *__wrap_realpath(const char *path, char *out)
{
	if (out)
		return __real_realpath(path, out);
	return fails() ? NULL : counted(__real_realpath(path, NULL));
}

static int print(char **out, const char *fmt, va_list ap)
{
	int len = fails() ? -1 : vasprintf(out, fmt, ap);

	live += len >= 0;
	return len;
}

int __wrap_asprintf(char **out, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = print(out, fmt, ap);
	va_end(ap);
	return len;
}

int __wrap___asprintf_chk(char **out, int flag, const char *fmt, ...)
{
	va_list ap;
	int len;

	(void)flag;
	va_start(ap, fmt);
	len = print(out, fmt, ap);
	va_end(ap);
	return len;
}

void __wrap_free(void *p)
{
	live -= p != NULL;
	__real_free(p);
}

/* A step went well, or memory was what it lacked. */
static bool went(int err)
{
	if (err)
		assert_int_equal(err, -ENOMEM);
	return !err;
}

static int resume(struct rig *rig)
{
	struct rig_call call;

	vbd_resume(rig->vbd, NULL, rig_call(&call));
	while (!call.done)
		rig_pass(rig, RIG_SECOND); /* between its tries */
	return call.err.code;
}

static void use(struct rig *rig, struct mem_client *late)
{
	char buf[8192];

	memset(buf, 'a', sizeof(buf));
	/* With memory for open, there is memory for all that follows. */
	assert_int_equal(rig_write(rig, (2 << 20) - 4096, buf, 8192), 0);
	assert_int_equal(rig_flush(rig), 0);
	if (went(rig_join(rig, late)))
		assert_non_null(late->ch);
	if (!went(rig_pause(rig)) || !went(resume(rig)))
		return;
	memset(buf, 'b', sizeof(buf));
	assert_int_equal(rig_read(rig, (2 << 20) - 4096, buf, 8192), 0);
	assert_int_equal(buf[8191], 'a');
	assert_int_equal(rig_write(rig, 0, buf, 8192), 0);
}

/* Returns whether an allocation was left to fail. */
static bool run(const struct vbd_open *args, long n)
{
	static struct mem_client late;
	struct rig *rig = rig_new(NULL);
	int err;

	late = (struct mem_client){ .depth = 4 };
	atomic_store(&failed, false);
	atomic_store(&until, n);
	err = rig_open_with(rig, args);
	if (went(err))
		use(rig, &late);
	assert_int_equal(rig_close(rig, false), 0);
	atomic_store(&until, -1);
	assert_int_equal(vbd_outstanding(rig->vbd), 0);
	rig_free(rig);
	return atomic_load(&failed);
}

static void sweep(const struct vbd_open *args)
{
	long n, before;

	atomic_store(&until, -1);
	vhd_make_folder();
	vhd_make("base.vhd", DISK);
	vhd_make_child("child.vhd", "base.vhd");
	vhd_make_child("second.vhd", "base.vhd");
	before = atomic_load(&live);
	for (n = 0; run(args, n); n++) {
		assert_int_equal(atomic_load(&live), before);
		vhd_make_check("child.vhd");
		assert_true(n < 5000);
	}
	assert_int_equal(atomic_load(&live), before);
	assert_true(n > 20);
	vhd_make_gone();
}

static void any_allocation_may_fail(void **state)
{
	const struct vbd_open args = { .spec = "vhd:child.vhd" };

	(void)state;
	sweep(&args);
}

static void with_a_second_image_as_well(void **state)
{
	struct vbd_open args = { .spec = "vhd:child.vhd",
				 .parent = "vhd:base.vhd",
				 .second = "vhd:second.vhd" };

	(void)state;
	sweep(&args);
	args.standby = true;
	sweep(&args);
}

static void with_a_mirror_as_well(void **state)
{
	const struct vbd_open args = { .spec = "vhd:child.vhd",
				       .mirror = "vhd:second.vhd" };

	(void)state;
	sweep(&args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_allocation_may_fail),
		cmocka_unit_test(with_a_second_image_as_well),
		cmocka_unit_test(with_a_mirror_as_well),
	};

	return cmocka_run_group_tests_name("failing allocations", tests, NULL,
					   NULL);
}
