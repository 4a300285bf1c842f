# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# script-boot.t - block-xenio before a guest's own driver is there: emulated
# hardware boots from a VHD that QEMU reads through our NBD socket, and pygrub
# finds a kernel in one that domain 0 reads through our ring.
# xen: 4.17
# limit: 600
set -u
. ./lib.sh
. ./boot.sh

ours() { echo "script=block-xenio,format=raw,vdev=xvda,access=rw,target=$1"; }
back=/local/domain/0/backend/vbd
status() { xenstore-read "$back/$(xl domid g)/51712/xenio-status"; }

boot_sector "$tmp/raw"
vhd-util create -n "$tmp/a.vhd" -s 8
ok "a VHD gets a boot sector" fill "vhd:$tmp/a.vhd" "$tmp/raw"
hvm_config "$(ours "vhd:$tmp/a.vhd")" >"$tmp/g.cfg"
hvm_boots nbd:unix:/run/blktap-control/nbd
is "xenio has the disk for its driver" "$(status)" ready
ok "it ends" destroy g
ok "and its tapdisk" until_ 20 eval '! pgrep -x tapdisk'

grub_disk "$tmp/raw2"
vhd-util create -n "$tmp/b.vhd" -s 48
ok "a VHD gets a file system with a kernel" fill "vhd:$tmp/b.vhd" "$tmp/raw2"
grub_config "$(ours "vhd:$tmp/b.vhd")" >"$tmp/g.cfg"
grub_boots
is "domain 0 has let go of the disk" "$(xenstore-list $back/0 2>/dev/null)" ""
is "one tapdisk is left" "$(tap-ctl list | wc -l)" 1
is "the guest's disk is served by xenio" "$(status)" active
is "the guest reads the same disk" "$(sum_in g /dev/xvda)" "$(sum "$tmp/raw2")"
ok "it ends" destroy g
finish
