/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf.c - disks in the configuration of VMs. */
#include "migrate/conf.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/err.h"
#include "migrate/mem.h"

void conf_read(struct conf_vm *out, enum conf_kind kind, const char *path,
	       const char *text, size_t len)
{
	(void)text;
	(void)len;
	*out = (struct conf_vm){ .kind = kind, .path = mem_dup(path) };
	out->problem = mem_dup("not read yet");
}

static void free_disk(struct conf_disk *disk)
{
	free(disk->text);
	free(disk->prefix);
	free(disk->type);
	free(disk->format);
	free(disk->target);
	free(disk->vdev);
	free(disk->access);
	free(disk->backendtype);
	free(disk->script);
	free(disk->backend);
	free(disk->other);
	free(disk->problem);
}

void conf_free(struct conf_vm *vm)
{
	for (size_t i = 0; i < vm->count; i++)
		free_disk(&vm->disks[i]);
	free(vm->disks);
	free(vm->path);
	free(vm->name);
	free(vm->uuid);
	free(vm->bootloader);
	free(vm->problem);
	*vm = (struct conf_vm){ 0 };
}

int conf_convert(char **out, const struct conf_vm *vm,
		 const struct conf_disk *disk, const struct conf_goal *goal,
		 struct err *err)
{
	(void)out;
	(void)vm;
	(void)disk;
	(void)goal;
	return err_set(err, -EINVAL, "not converted yet");
}

int conf_export(char **out, const struct conf_vm *vm, const char *text,
		size_t len, const struct conf_goal *goal, struct err *err)
{
	(void)out;
	(void)vm;
	(void)text;
	(void)len;
	(void)goal;
	return err_set(err, -EINVAL, "not exported yet");
}
