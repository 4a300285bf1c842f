# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# rig.t - the rig itself: a guest on the kernel's own backend.
# xen: 4.17 4.20
set -u
. ./lib.sh

truncate -s 32M "$tmp/disk"
ok "a PV guest starts" guest g pv \
	"format=raw,vdev=xvda,access=rw,target=$tmp/disk"
ok "it writes its disk" in_guest g \
	'dd if=/dev/urandom of=/dev/xvda bs=1M count=8 && sync'
is "domain 0 reads what it wrote" \
	"$(in_guest g 'head -c 8388608 /dev/xvda | sha256sum')" \
	"$(head -c 8388608 "$tmp/disk" | sha256sum)"
ok "it has fio" in_guest g 'fio --version'
is "a command's status comes back" "$(in_guest g 'exit_7() { return 7; }; exit_7'; echo $?)" 7
ok "it ends" destroy g
finish
