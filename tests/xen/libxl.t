# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# libxl.t - libxl of Xen 4.17 with compat/libxl/vbd3.patch: backendtype=tap.
# It needs what compat/libxl/build makes, and so runs only when it is named:
#
#	compat/libxl/build /tmp/libxl
#	LIBXL=/tmp/libxl/libxenlight.so.4.17.0 tests/xen/run --xen 4.17 libxl
set -u
. ./lib.sh

mkdir "$tmp/lib"
cp /rig/share/libxenlight.so.* "$tmp/lib/libxenlight.so.4.17"
export LD_LIBRARY_PATH=$tmp/lib
backend() { xenstore-read "/local/domain/0/backend/vbd3/$(xl domid g)/$1"; }
attached() { in_guest g "until [ -b /dev/$1 ]; do sleep 0.1; done"; }

random "$tmp/content" 16
cp "$tmp/content" "$tmp/raw"
vhd-util create -n "$tmp/a.vhd" -s 16
ok "a VHD is filled" fill "vhd:$tmp/a.vhd" "$tmp/content"
memory=160 initrd=small
ok "a guest starts with it" guest g pv "$(tap vhd xvda "$tmp/a.vhd")"
is "its disk is of xenio's own kind" "$(backend 51712/params)" \
	"vhd:$tmp/a.vhd"
is "and is served" "$(backend 51712/state)" 4
is "the guest reads it" "$(sum_in g /dev/xvda)" "$(sum "$tmp/content")"
ok "a raw file is attached" xl block-attach g "$(tap raw xvdb "$tmp/raw")"
ok "the guest sees it" attached xvdb
is "and reads it" "$(sum_in g /dev/xvdb)" "$(sum "$tmp/content")"
xl block-list g | sed 's/^/  /'
ok "it is detached" xl block-detach g xvdb
is "one tapdisk is left" "$(pgrep -c -x tapdisk)" 1
ok "the guest ends" destroy g

as --32 -o "$tmp/boot.o" boot.S &&
	ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$tmp/boot" "$tmp/boot.o"
dd if="$tmp/boot" of="$tmp/raw" conv=notrunc 2>/dev/null
cat >"$tmp/g.cfg" <<END
name="g"
type="hvm"
memory=64
serial="file:$tmp/serial"
vnc=0
disk=[ '$(tap raw xvda "$tmp/raw")' ]
END
ok "an HVM guest starts from the raw file" xl create "$tmp/g.cfg"
written() { [ "$(stat -c %s "$tmp/serial")" -ge 1024 ]; }
ok "it boots" until_ 60 written
dd if="$tmp/raw" bs=512 skip=100 count=2 2>/dev/null >"$tmp/wanted"
ok "it read its disk" cmp -n 1024 "$tmp/serial" "$tmp/wanted"
ok "its QEMU did so over NBD" sh -c "tr '\0' ' ' \
	</proc/$(pgrep -f 'xen-domid')/cmdline | \
	grep -F 'nbd+unix:///?socket=/run/blktap-control/nbd'"
ok "it ends" destroy g
finish
