/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf-read.c - a VM's configuration, whatever its kind.
 */
#include "migrate/conf.h"

#include <stdlib.h>
#include <string.h>

#include "migrate/conf-disk.h"
#include "migrate/conf-libvirt.h"
#include "migrate/conf-sxp.h"
#include "migrate/conf-text.h"
#include "migrate/mem.h"

void conf_read(struct conf_vm *out, enum conf_kind kind, const char *path,
	       const char *text, size_t len)
{
	*out = (struct conf_vm){ .kind = kind, .path = mem_dup(path) };
	if (memchr(text, '\0', len)) {
		out->problem = mem_dup("it is no text");
		return;
	}
	switch (kind) {
	case CONF_XL:
	case CONF_XM:
		conf_text_read(out, text, len);
		break;
	case CONF_LIBVIRT:
		conf_libvirt_read(out, text, len);
		break;
	case CONF_SXP:
		conf_sxp_read(out, text, len);
		break;
	}
}

void conf_free(struct conf_vm *vm)
{
	for (size_t i = 0; i < vm->count; i++)
		conf_disk_free(&vm->disks[i]);
	free(vm->disks);
	free(vm->path);
	free(vm->name);
	free(vm->uuid);
	free(vm->bootloader);
	free(vm->problem);
	*vm = (struct conf_vm){ 0 };
}
