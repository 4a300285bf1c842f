# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# script.t - block-xenio: disks of ours where libxl knows none, next to one of
# the kernel's backend in the same guest.
# xen: 4.17
# limit: 600
set -u
. ./lib.sh

# ours VDEV TARGET
ours() {
	echo "script=block-xenio,format=raw,vdev=$1,access=${3-rw},target=$2"
}
backend() { xenstore-read "/local/domain/0/backend/vbd/$(xl domid g)/$1"; }
driver() { [ -e "/sys/bus/xen-backend/devices/vbd-$(xl domid g)-$1/driver" ]; }
write_in() {
	in_guest g "dd if=/dev/urandom of=$1 bs=64k count=64 seek=16 conv=fsync \
2>/dev/null && echo 3 >/proc/sys/vm/drop_caches"
}
# refused WORDS VDEV TARGET: it is not attached, and libxl says why; the nodes
# that libxl leaves of such a disk are taken away.
refused() {
	xl block-attach g "$(ours "$2" "$3")" 2>&1 | tee "$tmp/refused"
	grep -qF "$1" "$tmp/refused" && xl block-detach g "$2"
}

no_xenio() { ! pgrep -x xenio >/dev/null; }

mkdir "$tmp/tree"
random "$tmp/tree/file" 8
truncate -s 16M "$tmp/content"
mke2fs -q -t ext4 -d "$tmp/tree" "$tmp/content"
cp "$tmp/content" "$tmp/raw"
cp "$tmp/content" "$tmp/kernel"
vhd-util create -n "$tmp/a.vhd" -s 16
ok "a VHD is filled" fill "vhd:$tmp/a.vhd" "$tmp/content"

memory=160 initrd=small
ok "a guest starts with a VHD of ours and a file of the kernel's" guest g pv \
	"$(ours xvda "vhd:$tmp/a.vhd")" "format=raw,vdev=xvdc,target=$tmp/kernel"
is "the first is served by xenio" "$(backend 51712/xenio-status)" active
ok "and not by the kernel" eval '! driver 51712'
ok "which serves the other" driver 51744
is "the guest mounts it, and reads its file" \
	"$(in_guest g 'mount -t ext4 /dev/xvda /mnt && sha256sum /mnt/file && \
umount /mnt' | some)" "$(sum "$tmp/tree/file")"
ok "it writes it" write_in /dev/xvda
a=$(sum_in g /dev/xvda)

ok "a raw file is attached" xl block-attach g "$(ours xvdb "$tmp/raw")"
ok "the guest sees it" in_guest g 'until [ -b /dev/xvdb ]; do sleep 0.1; done'
is "and reads it" "$(sum_in g /dev/xvdb)" "$(sum "$tmp/content")"
ok "it writes it" write_in /dev/xvdb
b=$(sum_in g /dev/xvdb)
ok "the same file is not given to it twice" \
	refused "$tmp/raw: domain" xvdd "$tmp/raw"
ok "it is detached" xl block-detach g xvdb
is "one tapdisk is left" "$(pgrep -c -x tapdisk)" 1
is "the raw file is what the guest wrote" "$(sum "$tmp/raw")" "$b"

ok "a file that is not there is refused" \
	refused "there is no such file" xvdb "vhd:$tmp/none"
ok "and one that is none" refused "tap-ctl create" xvdb "vhd:$tmp/raw"
kill "$(cat /run/xenio-test.pid)"
until_ 10 no_xenio
ok "and all without xenio" refused "xenio does not run" xvdb "$tmp/raw"
# shellcheck source=xenio-start
. /rig/t/xenio-start
is "of which nothing is left" "$(pgrep -c -x tapdisk) \
$(xenstore-list "/local/domain/0/backend/vbd/$(xl domid g)" | wc -l)" "1 2"
ok "the guest still works" write_in /dev/xvda
a=$(sum_in g /dev/xvda)
ok "it ends" destroy g
is "domain 0 reads the VHD as the guest wrote it" \
	"$(image_sum "vhd:$tmp/a.vhd")" "$a"

boot=120
ok "a PVH guest starts" guest g pvh "$(ours xvda "vhd:$tmp/a.vhd")"
is "and reads the same" "$(sum_in g /dev/xvda)" "$a"
ok "it ends" destroy g
ok "the VHD is clean" vhd-util check -n "$tmp/a.vhd"
finish
