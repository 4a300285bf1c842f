/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-conf.c - configurations of VMs by the first byte's kind: what is found
 * lies inside of the file, and what is converted is not converted again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "migrate/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void convert(const struct conf_vm *vm, const struct conf_disk *disk,
		    const struct conf_goal *goal)
{
	struct err err;
	struct conf_vm again;
	char *new = NULL;
	char *text;

	if (conf_convert(&new, vm, disk, goal, &err) <= 0 ||
	    vm->kind == CONF_LIBVIRT) {
		free(new);
		return;
	}
	if (strpbrk(new, "'\\\n")) {
		free(new);
		return;
	}
	if (asprintf(&text, "%sdisk=['%s']", vm->hvm ? "type='hvm'\n" : "",
		     new) < 0)
		abort();
	free(new);
	conf_read(&again, CONF_XL, "", text, strlen(text));
	assert(!again.problem && again.count == 1 && !again.disks[0].problem);
	assert(!conf_convert(&new, &again, &again.disks[0], goal, &err));
	conf_free(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct conf_goal goals[] = {
		{ .native = true },
		{ .native = true,
		  .include_file = true,
		  .shared = true,
		  .qcow_script = true },
		{ .qcow_script = true },
	};
	struct conf_vm vm;
	struct err err;
	char *out;

	if (!size)
		return 0;
	conf_read(&vm, (enum conf_kind)(data[0] % 4), "/x",
		  (const char *)data + 1, size - 1);
	for (size_t i = 0; i < vm.count; i++) {
		assert(vm.disks[i].off + vm.disks[i].len <= size - 1);
		for (int g = 0; g < 3; g++)
			convert(&vm, &vm.disks[i], &goals[g]);
	}
	if (vm.kind == CONF_SXP &&
	    !conf_export(&out, &vm, (const char *)data + 1, size - 1, goals,
			 &err))
		free(out);
	conf_free(&vm);
	return 0;
}
