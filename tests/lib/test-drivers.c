/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-drivers.c - the drivers that the tests have: ours and theirs.
 *
 * Takes the place of drivers/drivers.c in what is linked with the rig.
 */
#include <stddef.h>

#include "tapdisk/driver.h"
#include "tests/lib/full.h"
#include "tests/lib/hold.h"
#include "tests/lib/layer.h"
#include "tests/lib/store.h"

extern const struct driver cbt_driver;
extern const struct driver fault_driver;
extern const struct driver null_driver;
extern const struct driver ram_driver;
extern const struct driver raw_driver;
extern const struct driver vhd_driver;

const struct driver *const drivers[] = {
	&cbt_driver,   &fault_driver, &full_driver, &null_driver,
	&ram_driver,   &raw_driver,   &vhd_driver,  &hold_driver,
	&layer_driver, &store_driver, NULL,
};

const struct driver_alias driver_aliases[] = {
	{ "aio", 0, &raw_driver },
	{ NULL, -1, NULL },
};
