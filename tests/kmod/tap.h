/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap.h - the module's device as a test sees it, and TAP output.
 *
 * One program is tapdisk and the disk's user: the user's system calls run in
 * a child process or a thread, since they wait for answers.
 */
#ifndef TESTS_KMOD_TAP_H
#define TESTS_KMOD_TAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "compat/blktap2/abi.h"

/* "ok N - what", and how many were not. */
bool tap_check(bool ok, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int tap_failed(void);
void tap_done(void);

/* The fd of the control device, by either naming. */
int tap_control(void);
bool tap_is_classic(void);

struct tap {
	struct abi_handle h;
	int fd;                /* ring device, or -1 */
	uint8_t *map;          /* or NULL */
	size_t window;         /* mapped behind the rest */
	struct abi_ring *ring; /* = map */
	uint32_t req_cons;
	char ring_node[64];
	char disk_node[64];
	char sysfs[128];
};

int tap_alloc(struct tap *tap, int control);
int tap_open(struct tap *tap);
int tap_map(struct tap *tap);
int tap_map_large(struct tap *tap, size_t window); /* it was promised */
void tap_close(struct tap *tap);

/* 0 or -errno. flags are ABI_RO, ABI_FLUSH, ABI_TRIM. */
int tap_create(struct tap *tap, uint64_t sectors, uint32_t sector_size,
	       unsigned flags);
int tap_ioctl(int fd, unsigned long nr, unsigned long arg);

/* Wait for a request, at most so long; copies it. false: none came. */
bool tap_next(struct tap *tap, struct abi_request *req, int timeout_ms);
void tap_answer(struct tap *tap, uint64_t id, uint8_t op, int16_t status);
uint8_t *tap_data(struct tap *tap, uint64_t id);
uint8_t *tap_bytes(struct tap *tap, const struct abi_request *req);

/* Serve from memory until the stop flag is set; what a tapdisk does. */
void tap_serve(struct tap *tap, uint8_t *disk, uint64_t size,
	       volatile bool *stop);

/* Content of a sysfs file, without the newline; "" if it cannot be read. */
void tap_sysfs(const struct tap *tap, const char *file, char *out, size_t n);
int tap_write_file(const char *path, const char *text);

#endif /* TESTS_KMOD_TAP_H */
