# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# destroy.t - a guest is destroyed while its disks are written to.
# xen: 4.20
set -u
. ./lib.sh

truncate -s 16M "$tmp/a"
vhd-util create -n "$tmp/b.vhd" -s 64
ok "a guest starts" guest g pv \
	"$(tap raw xvda "$tmp/a")" "$(tap vhd xvdb "$tmp/b.vhd")"
ok "both disks are written to" in_guest g \
	'for d in a b; do dd if=/dev/urandom of=/dev/xvd$d bs=64k & done >/dev/null 2>&1; \
until [ "$(cut -c-100 /proc/diskstats | awk "/xvdb/ { print \$10 }")" -gt 8000 ]; do :; done'
ok "it is destroyed" destroy g
ok "the VHD is clean" vhd-util check -n "$tmp/b.vhd"
ok "no lock is left on it" serve "vhd:$tmp/b.vhd"
ok "it can be read" nbdcopy "$address" "$tmp/copy"
unserve
finish
