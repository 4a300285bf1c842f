# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# hvm.t - a guest with emulated hardware boots from a VHD: its QEMU reads the
# disk through our NBD socket.
# xen: 4.20
set -u
. ./lib.sh
. ./boot.sh

boot_sector "$tmp/raw"
vhd-util create -n "$tmp/a.vhd" -s 8
ok "a VHD gets a boot sector" fill "vhd:$tmp/a.vhd" "$tmp/raw"
hvm_config "$(tap vhd xvda "$tmp/a.vhd")" >"$tmp/g.cfg"
hvm_boots 'nbd+unix:///?socket=/run/blktap-control/nbd'
ok "it ends" destroy g
finish
