# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# libxl.t - libxl of Xen 4.17 with compat/libxl/vbd3.patch: backendtype=tap.
# It needs what compat/libxl/build makes, and so runs only when it is named:
#
#	compat/libxl/build /tmp/libxl
#	LIBXL=/tmp/libxl/libxenlight.so.4.17.0 tests/xen/run --xen 4.17 libxl
# limit: 600
set -u
. ./lib.sh
. ./boot.sh

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

boot_sector "$tmp/raw"
hvm_config "$(tap raw xvda "$tmp/raw")" >"$tmp/g.cfg"
hvm_boots 'nbd+unix:///?socket=/run/blktap-control/nbd'
ok "it ends" destroy g

grub_disk "$tmp/raw"
vhd-util create -n "$tmp/b.vhd" -s 48
ok "a VHD gets a file system with a kernel" fill "vhd:$tmp/b.vhd" "$tmp/raw"
grub_config "$(tap vhd xvda "$tmp/b.vhd")" >"$tmp/g.cfg"
grub_boots
is "domain 0 has let go of the disk" \
	"$(xenstore-list /local/domain/0/backend/vbd3/0 2>/dev/null)" ""
is "one tapdisk is left" "$(pgrep -c -x tapdisk)" 1
ok "it ends" destroy g
finish
