# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# own.t - a disk for domain 0 itself, its nodes written by hand: the ring and
# xenio without libxl, as on versions of Xen whose libxl knows no tapdisk.
# xen: 4.17 4.20
set -u
. ./lib.sh

back=/local/domain/0/backend/vbd3/0/51712
front=/local/domain/0/device/vbd/51712

# plug TYPE:FILE MODE: as libxl and its hotplug script would.
plug() {
	tap-ctl create -t xenio -a "$1" >"$tmp/create" || return
	read -r pid minor _ < <(tap-ctl list | sed 's/pid=//; s/minor=//')
	xenstore-write $back/frontend $front $back/frontend-id 0 \
		$back/online 1 $back/removable 0 $back/dev xvda $back/mode "$2" \
		$back/device-type disk $back/params "$1" $back/state 1
	xenstore-write $front/backend $back $front/backend-id 0 \
		$front/virtual-device 51712 $front/device-type disk \
		$front/state 1
	until_ 10 state 2 || return
	xenstore-write $back/pid "$pid" $back/minor "$minor" \
		$back/physical-device-path \
		"/run/blktap-control/nbd$pid.$minor" \
		$back/hotplug-status connected
	until_ 10 state 4 && until_ 10 [ -b /dev/xvda ]
}
state() { [ "$(xenstore-read $back/state)" = "$1" ]; }
unplug() {
	xenstore-write $back/online 0 $back/state 5
	until_ 10 state 6 || return
	xenstore-rm $front
	xenstore-rm $back
	tap-ctl destroy -p "$pid" -m "$minor"
}

random "$tmp/raw" 16
qemu-img create -q -f vpc -o force_size "$tmp/a.vhd" 16M
ok "a raw disk is plugged into domain 0" plug "aio:$tmp/raw" w
is "its sectors" "$(xenstore-read $back/sectors)" 32768
is "it is read" "$(sum /dev/xvda)" "$(sum "$tmp/raw")"
ok "it is written" dd if=/dev/urandom of=/dev/xvda bs=64k seek=8 count=16 \
	oflag=direct
is "and read back" "$(sum /dev/xvda)" "$(sum "$tmp/raw")"
ok "it is unplugged" unplug

ok "a VHD is plugged in" plug "vhd:$tmp/a.vhd" w
ok "it is written" dd if="$tmp/raw" of=/dev/xvda bs=1M oflag=direct
ok "it is unplugged" unplug
qemu-img convert -f vpc -O raw "$tmp/a.vhd" "$tmp/copy"
is "another reader finds the same" "$(sum "$tmp/copy")" "$(sum "$tmp/raw")"

ok "a read-only disk is plugged in" plug "aio:$tmp/raw" r
is "the kernel knows" "$(blockdev --getro /dev/xvda)" 1
ok "it is read" cmp /dev/xvda "$tmp/raw"
ok "it is unplugged" unplug
finish
