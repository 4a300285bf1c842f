/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drivers.c - the drivers there are, one line each.
 */
#include <stddef.h>

#include "tapdisk/driver.h"

extern const struct driver cbt_driver;
extern const struct driver fault_driver;
extern const struct driver nbd_driver;
extern const struct driver null_driver;
extern const struct driver ram_driver;
extern const struct driver raw_driver;
extern const struct driver vhd_driver;

const struct driver *const drivers[] = {
	&cbt_driver, &fault_driver, &null_driver,
	&ram_driver, &raw_driver,   &vhd_driver,
#ifdef WITH_NBD
	&nbd_driver,
#endif
	NULL,
};

/* The numbers are those of the statistics that older tools read. */
const struct driver_alias driver_aliases[] = {
	{ "aio", 0, &raw_driver },  { "sync", 1, &raw_driver },
	{ "vhd", 4, &vhd_driver },  { "vhdsync", 3, &vhd_driver },
	{ "ram", 5, &ram_driver },  { "log", 9, &cbt_driver },
#ifdef WITH_NBD
	{ "nbd", 15, &nbd_driver },
#endif
	{ NULL, -1, NULL },
};
