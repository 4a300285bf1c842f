#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel module, in a kernel of its own that QEMU boots: what every tool
# expects of the device, and a tapdisk killed again and again under load.
# Names of machines, if any are given, say which of them to boot.
set -u
cd "$(dirname "$0")/../.." || exit 1
out=$(realpath -m "${O:-build}")/kmod-test
mkdir -p "$out"
n=0

# result STATUS WHAT
result() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

# The newest kernel of which both image and headers are here.
headers='' kernel=''
for k in $(printf '%s\n' /boot/vmlinuz-*-amd64 | sort -V); do
	h=/usr/src/linux-headers-${k#/boot/vmlinuz-}
	[ -d "$h" ] && headers=$h kernel=$k
done
if [ -z "$kernel" ]; then
	echo '1..0 # SKIP no kernel with its headers in /boot and /usr/src'
	exit 0
fi

mkdir -p "$out/src"
cp compat/kmod/* compat/blktap2/abi.h "$out/src/"
make -C "$headers" M="$out/src" W=1 modules > "$out/build.log" 2>&1
result $? "the module builds for ${kernel#/boot/vmlinuz-}"
! grep -E 'warning:' "$out/build.log"
result $? 'without a warning'
if command -v sparse >/dev/null; then
	rm -f "$out"/src/*.o
	make -C "$headers" M="$out/src" C=2 modules > "$out/sparse.log" 2>&1
	! grep -E "$out.*(warning|error):" "$out/sparse.log"
	result $? 'sparse has nothing to say'
fi
for field in license description author version parm alias srcversion; do
	[ -n "$(/sbin/modinfo -F "$field" "$out/src/blktap.ko")" ]
	result $? "modinfo tells $field"
done

only=" $* "
# machine NAME FILE...: run tests/kmod/NAME.sh; its results become ours.
machine() {
	name=$1
	shift
	[ "$only" = '  ' ] || [[ $only == *" $name "* ]] || return
	tests/kmod/boot.sh "$out/$name.run" "$out/src/blktap.ko" "$kernel" \
		"tests/kmod/$name.sh" "$@" > "$out/$name.log" 2>&1
	status=$?
	while read -r line; do
		case $line in
		ok\ *) result 0 "$name: ${line#ok * - }" ;;
		not\ ok\ *) result 1 "$name: ${line#not ok * - }" ;;
		esac
	done < "$out/$name.log"
	[ $status = 0 ] || sed 's/^/# /' "$out/$name.log" | tail -30
	result $status "$name: no complaint of the kernel, clean unload"
}

for program in conform crash stress; do
	"${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O2 -I. -static \
		-o "$out/$program" "tests/kmod/$program.c" tests/kmod/large.c \
		tests/kmod/tap.c tests/kmod/user.c ||
		result 1 "$program builds"
	machine "$program" "$out/$program"
done
built=$(realpath -m "${O:-build}")
machine channel "$built/tests/kmod/channel_test"
bin=$built/bin
MODULES=ext4 machine serve "$bin/tapdisk" "$bin/tap-ctl" "$bin/vhd-util" \
	"$built/tests/tools/old-tapdisk" tests/kmod/busy.sh /sbin/mke2fs /sbin/e2fsck
echo "1..$n"
