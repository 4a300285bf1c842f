/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uuid.c - a new image's id. */
#include <uuid/uuid.h>

#include "vhd/vhd.h"

void vhd_new_id(uint8_t id[16])
{
	uuid_generate(id);
}
