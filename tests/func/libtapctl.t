#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The library as others use it: installed, with its header and nothing else.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

requires cc make pkg-config
top=$(cd "$(dirname "$0")/../.." && pwd)
ok "it is installed" make -s -C "$top" O="$O" DESTDIR="$dir/inst" install
inst=$dir/inst/usr/local
cat >"$dir/use.c" <<'C'
#include <blktap/err.h>
#include <blktap/tapctl.h>
#include <stdio.h>

int main(void)
{
	struct tapctl_disks disks;
	struct err err = { 0 };
	pid_t pid;

	if (tapctl_spawn(TEST_DIR, &pid, &err) ||
	    tapctl_list(&disks, TEST_DIR, -1, -1, NULL)) {
		printf("%s\n", err.msg);
		return 1;
	}
	printf("%d %zu %d\n", disks.disk[0].pid == pid, disks.count,
	       disks.disk[0].minor);
	tapctl_list_free(&disks);
	return 0;
}
C
# shellcheck disable=SC2046
ok "a program builds with it" cc -Wall -Werror -o "$dir/use" \
	-DTEST_DIR="\"$BLKTAP_CONTROL_DIR\"" "$dir/use.c" $(
		PKG_CONFIG_LIBDIR=$inst/lib/pkgconfig \
			PKG_CONFIG_SYSROOT_DIR=$dir/inst \
			pkg-config --cflags --libs libtapctl)
is "and finds the tapdisk it starts" \
	"$(LD_LIBRARY_PATH=$inst/lib "$dir/use")" "1 1 -1"
is "nothing else of ours is to be seen in it" "$(
	nm -D --defined-only "$inst/lib/libtapctl.so.0" | awk '{ print $3 }' |
		grep -v -e '^tapctl_' -e '^wire_name$')" ""
done_testing
