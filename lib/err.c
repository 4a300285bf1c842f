/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * err.c - sentences about what went wrong, built from the inside out.
 */
#include "lib/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set(struct err *err, int code, const char *fmt, va_list ap)
{
	if (!err)
		return;
	err->code = code;
	(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap); /* cut is fine */
}

static void append(struct err *err, const char *tail)
{
	size_t len = strlen(err->msg);

	(void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s",
		       tail); /* cut is fine */
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(err, code, fmt, ap);
	va_end(ap);
	return code;
}

int err_sys(struct err *err, const char *fmt, ...)
{
	int code = errno ? errno : EIO;
	char text[128];
	va_list ap;

	va_start(ap, fmt);
	set(err, -code, fmt, ap);
	va_end(ap);
	if (err)
		append(err, strerror_r(code, text, sizeof(text)));
	return -code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char inner[sizeof(err->msg)];
	va_list ap;

	if (!err)
		return -EIO;
	memcpy(inner, err->msg, sizeof(inner));
	va_start(ap, fmt);
	set(err, err->code, fmt, ap);
	va_end(ap);
	append(err, inner);
	return err->code;
}
