#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The libraries as others use them: installed, with their headers and nothing
# else.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

requires cc c++ make pkg-config nm
top=$(cd "$(dirname "$0")/../.." && pwd)
ok "they are installed" make -s -C "$top" O="$O" DESTDIR="$dir/inst" install
inst=$dir/inst/usr/local

# What pkg-config says of a library in the place where it was put.
flags() {
	PKG_CONFIG_LIBDIR=$inst/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dir/inst \
		pkg-config "$@"
}

cat >"$dir/tap.c" <<'C'
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
ok "a program builds with libtapctl" cc -Wall -Werror -o "$dir/tap" \
	-DTEST_DIR="\"$BLKTAP_CONTROL_DIR\"" "$dir/tap.c" \
	$(flags --cflags --libs libtapctl)
is "and finds the tapdisk it starts" \
	"$(LD_LIBRARY_PATH=$inst/lib "$dir/tap")" "1 1 -1"

cat >"$dir/vhd.cc" <<'C'
#include <blktap/err.h>
#include <blktap/tapctl.h>
#include <blktap/vhd.h>
#include <cstdio>
#include <ctime>

int main(int, char **argv)
{
	struct vhd_files *files = vhd_files_local();
	struct vhd_new what = {};
	struct err err = {};
	struct vhd_io *io;

	what.type = VHD_DYNAMIC;
	what.size = 1 << 20;
	what.time = time(nullptr);
	vhd_new_id(what.id);
	if (files->open(files, &io, argv[1], VHD_FILES_WRITE | VHD_FILES_CREATE,
			&err) ||
	    vhd_create(io, &what, &err)) {
		std::printf("%s\n", err.msg);
		return 1;
	}
	io->close(io);
	std::printf("%s\n", wire_name(WIRE_OPEN));
	return vhd_check(files, argv[1], 0, what.time, &err);
}
C
# shellcheck disable=SC2046
ok "a program in C++ builds with both" c++ -Wall -Wextra -Werror -o "$dir/vhd" \
	"$dir/vhd.cc" $(flags --cflags --libs libtapctl) \
	-L"$inst/lib" -lvhd
is "and makes an image" "$(LD_LIBRARY_PATH=$inst/lib "$dir/vhd" "$dir/a.vhd")" \
	open
ok "which is well" vhd-util check -n "$dir/a.vhd"

# The functions that a header declares, as the compiler sees it.
declared() {
	printf '#include <blktap/%s>\n' "$@" |
		cc -E -P -I"$inst/include" - | tr '\n' ' ' | tr ';' '\n' |
		grep -o "\b${prefix}[a-z0-9_]*(" | tr -d '(' | sort -u
}

exported() {
	nm -D --defined-only "$inst/lib/$1" | awk '{ print $3 }' | sort
}

prefix='\(tapctl\|wire\)_'
is "libtapctl has what its headers declare, no more" \
	"$(exported libtapctl.so.0)" "$(declared tapctl.h)"
prefix=vhd_
is "libvhd has what its header declares, no more" \
	"$(exported libvhd.so.0)" "$(declared vhd.h)"
done_testing
