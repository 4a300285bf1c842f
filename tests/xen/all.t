# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# all.t - xenio --all: a host without xen-blkback, and disk lines as they
# always were, with the toolstack's own script.
# xen: 4.17
set -u
. ./lib.sh

stop_xenio() {
	kill "$(cat /run/xenio-test.pid)"
	until_ 10 no_xenio
}
no_xenio() { ! pgrep -x xenio >/dev/null; }
start_xenio() {
	xenio -D "$@" >>/var/log/xen/xenio.log 2>&1 &
	echo $! >/run/xenio-test.pid
}
write_in() {
	in_guest g "dd if=/dev/urandom of=$1 bs=64k count=64 seek=16 conv=fsync \
2>/dev/null && echo 3 >/proc/sys/vm/drop_caches"
}

random "$tmp/content" 16
cp "$tmp/content" "$tmp/raw"
cp "$tmp/content" "$tmp/b"
device=$(losetup -f --show "$tmp/b")
stop_xenio
refused() { timeout 20 xenio -D --all 2>&1 | grep -F "while xen-blkback is loaded"; }
ok "with xen-blkback loaded it is refused" refused
ok "xen-blkback is unloaded" modprobe -r xen-blkback
start_xenio --all

memory=160 initrd=small
ok "a guest starts with a file as ever" guest g pv "$tmp/raw,raw,xvda,w"
is "the kernel does not serve it" \
	"$(compgen -G "/sys/bus/xen-backend/drivers/vbd*")" ""
is "but one tapdisk" "$(pgrep -c -x tapdisk)" 1
is "the guest reads it" "$(sum_in g /dev/xvda)" "$(sum "$tmp/content")"
ok "it writes it" write_in /dev/xvda
a=$(sum_in g /dev/xvda)
ok "a block device is attached as ever" xl block-attach g "phy:$device,xvdb,w"
ok "the guest sees it" in_guest g 'until [ -b /dev/xvdb ]; do sleep 0.1; done'
is "and reads it" "$(sum_in g /dev/xvdb)" "$(sum "$tmp/content")"
ok "it writes it" write_in /dev/xvdb
b=$(sum_in g /dev/xvdb)
ok "it is detached" xl block-detach g xvdb
is "one tapdisk is left" "$(pgrep -c -x tapdisk)" 1
stop_xenio
start_xenio --all
ok "with the next xenio it goes on" write_in /dev/xvda
a=$(sum_in g /dev/xvda)
ok "it ends" destroy g
ok "and the last tapdisk" until_ 20 eval '! pgrep -x tapdisk'
is "the file is as the guest wrote it" "$(sum "$tmp/raw")" "$a"
is "and the device" "$(sum "$device")" "$b"

losetup -d "$device"
stop_xenio
modprobe xen-blkback
# shellcheck source=xenio-start
. /rig/t/xenio-start
finish
