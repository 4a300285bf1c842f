# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# blocktap.t - the hotplug script block-tap as Xen ships it: a disk of ours is
# a block device of the module, and the kernel's backend gives it to a guest.
# xen: 4.20 4.17
set -u
. ./lib.sh
. ./module.sh

# by_script VDEV TYPE:FILE: a disk line that every Xen since 4.6 takes.
by_script() {
	echo "script=block-tap,format=raw,vdev=$1,access=rw,target=$2"
}
backend() { xenstore-read "/local/domain/0/backend/vbd/$(xl domid g)/$1"; }
kinds() { tap-ctl list --json | grep -o '"kind": *"[a-z0-9]*"' | cut -d'"' -f4; }
write_in() {
	in_guest g "dd if=/dev/urandom of=$1 bs=64k count=64 seek=16 conv=fsync \
2>/dev/null && echo 3 >/proc/sys/vm/drop_caches"
}

ok "the module is loaded" load_module
random "$tmp/content" 16
cp "$tmp/content" "$tmp/raw"
vhd-util create -n "$tmp/a.vhd" -s 16
ok "a VHD is filled" fill "vhd:$tmp/a.vhd" "$tmp/content"

memory=160 initrd=small
ok "a guest starts with it" guest g pv "$(by_script xvda "vhd:$tmp/a.vhd")"
is "its disk is the module's" "$(backend 51712/physical-device-path)" \
	/dev/xen/blktap-2/tapdev0
is "which tap-ctl list says too" "$(kinds)" blktap2
is "and xen-blkback serves it" "$(basename "$(readlink \
	"/sys/bus/xen-backend/devices/vbd-$(xl domid g)-51712/driver")")" vbd
is "the guest reads what is in it" "$(sum_in g /dev/xvda)" \
	"$(sum "$tmp/content")"
ok "it writes it" write_in /dev/xvda
a=$(sum_in g /dev/xvda)

ok "a raw file is attached" xl block-attach g \
	"$(by_script xvdb "aio:$tmp/raw")"
ok "the guest sees it" in_guest g 'until [ -b /dev/xvdb ]; do sleep 0.1; done'
is "and reads it" "$(sum_in g /dev/xvdb)" "$(sum "$tmp/content")"
ok "it writes it" write_in /dev/xvdb
b=$(sum_in g /dev/xvdb)
ok "it is detached" xl block-detach g xvdb
is "one tapdisk is left" "$(pgrep -c -x tapdisk)" 1

# The same script, told vbd3, gives the ring.
if grep -q vbd3 /etc/xen/scripts/block-tap; then
	ok "the same file comes by the ring" \
		xl block-attach g "$(tap raw xvdb "$tmp/raw")"
	is "there is one disk of each kind" "$(kinds | sort | paste -sd' ')" \
		"blktap2 xenio"
	ok "the guest sees it" in_guest g \
		'until [ -b /dev/xvdb ]; do sleep 0.1; done'
	is "and reads what it wrote through the other" \
		"$(sum_in g /dev/xvdb)" "$b"
fi
ok "it ends" destroy g
is "no disk is left" "$(tap-ctl list; pgrep -x tapdisk; cd /sys/block &&
	compgen -G "td*")" ""

ok "they differ from what they were" [ "$a" != "$(sum "$tmp/content")" ]
is "domain 0 reads the VHD as the guest wrote it" \
	"$(image_sum "vhd:$tmp/a.vhd")" "$a"
is "and the raw file" "$(sum "$tmp/raw")" "$b"
ok "the VHD is clean" vhd-util check -n "$tmp/a.vhd"
ok "the module is unloaded" unload_module
is "the kernel has nothing to complain of" "$(complaints)" ""
finish
