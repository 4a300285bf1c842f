# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# pygrub.t - a guest boots a kernel that is inside its VHD.
# xen: 4.20
set -u
. ./lib.sh
. ./boot.sh

grub_disk "$tmp/raw"
vhd-util create -n "$tmp/a.vhd" -s 48
ok "a VHD gets a file system with a kernel" fill "vhd:$tmp/a.vhd" "$tmp/raw"
grub_config "$(tap vhd xvda "$tmp/a.vhd")" >"$tmp/g.cfg"
grub_boots
is "domain 0 has let go of the disk" \
	"$(xenstore-list /local/domain/0/backend/vbd3/0 2>/dev/null)" ""
is "one tapdisk is left" "$(tap-ctl list | wc -l)" 1
is "the guest reads the same disk" "$(sum_in g /dev/xvda)" "$(sum "$tmp/raw")"
ok "it ends" destroy g
finish
