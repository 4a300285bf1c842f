#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a plan refuses: each with its reason and with what would make it safe,
# and with no action for that disk.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/migrate/stage.sh
. "$(dirname "$0")/../migrate/stage.sh"

# The staged host's plan, with live and hot allowed.
plan() {
	blktap-migrate plan --root "$root" --allow cold,hot,live \
		--include-file "$@" 2>&1
}

# of VM VDEV: the plan's part about that disk.
of() {
	plan "${@:3}" | awk -v head="^[A-Z]+ +$1 $2" \
		'/^[^ ]/ || /^$/ { on = $0 ~ head } on'
}

# refuses WHAT VM VDEV VERDICT REASON [OPTION]...
refuses() {
	local said
	said=$(of "$2" "$3" "${@:6}")
	like "$1: $4" "$said" "^$4 "
	has "$1: the reason, and what would make it safe" "$said" "$5"
}

edit() {
	sed -i "$1" "$root/$2"
}

fresh() {
	stage xen-4.17-live
}

# node PATH VALUE: as if xenstore said so; no value takes it away.
node() {
	edit "\\|^$1 = |d" xenstore-ls
	[ $# = 1 ] || echo "$1 = \"$2\"" >>"$root/xenstore-ls"
}

front=/local/domain/1/device/vbd/51712
back=/local/domain/0/backend/vbd/1/51712

fresh
like "nothing in its way, it is LIVE" "$(of shop xvda)" "^LIVE "

edit 's/6.1.0/5.4.0/' proc/sys/kernel/osrelease
refuses "a kernel before 5.6" shop xvda COLD \
	"live: kernel 5.4.0-28-amd64: 5.6 is the first"
like "a data disk is then HOT" "$(of shop xvdb)" "^HOT "
has "the first disk is not" "$(of shop xvda)" "hot: the guest's first disk"

fresh
node $front/protocol
refuses "a frontend that names no protocol" shop xvda COLD \
	"live: the frontend's protocol is not known: COLD"
node $front/protocol arm-abi
refuses "a protocol of another kind" shop xvda COLD \
	"live: the frontend speaks arm-abi: COLD"
fresh
node $front/ring-ref
refuses "a frontend without a ring" shop xvda COLD \
	"live: the frontend names no ring: COLD"
fresh
node $front/ring-page-order 5
refuses "a ring larger than ours" shop xvda COLD \
	"live: the frontend's ring is of order 5: COLD"
fresh
node $front/multi-queue-num-queues 64
refuses "more queues than ours" shop xvda COLD \
	"live: the frontend's number of queues is 64: COLD"
fresh
node $back/feature-max-indirect-segments 512
refuses "more segments than ours" shop xvda COLD \
	"live: blkback took more segments than we do, 512: COLD"
fresh
node $back/discard-secure 1
refuses "secure discard" shop xvda COLD \
	"live: the guest may discard securely: COLD"
fresh
node $back/state 5
refuses "a disk on its way out" shop xvda COLD \
	"live: it is not connected, or on its way out: wait"
fresh
node $back/online 0
refuses "a disk that is taken away" shop xvda COLD \
	"live: it is not connected, or on its way out: wait"
fresh
rm "$root/sys/bus/xen-backend/devices/vbd-1-51712/driver"
refuses "a disk without blkback" shop xvda COLD \
	"live: the kernel's blkback does not serve it: COLD"
fresh
refuses "a disk of QEMU" shop xvdc COLD "live: QEMU serves it: shut the guest"

fresh
echo 'pid=601 minor=5 state=0 args=aio:/srv/xen/shop.img
pid=602 minor=6 state=0 args=aio:/srv/xen/shop.img' >>"$root/tap-ctl-list"
refuses "an image that two tapdisks have" shop xvda MANUAL \
	"/srv/xen/shop.img is open in 2 tapdisks: shut all but one"
ln -s /srv/xen/shop.img "$root/srv/xen/other.img"
edit '/pid=602/s|shop.img|other.img|' tap-ctl-list
refuses "an image that two tapdisks have by two names" shop xvda MANUAL \
	"/srv/xen/shop.img is open in 2 tapdisks: shut all but one"
is "nothing is planned for it" \
	"$(plan | grep -c '^ .*shop.cfg:3')" 0

fresh
edit '/\/51744\//d' xenstore-ls
printf '%b' "$(printf '\\307%.0s' {1..512})" |
	dd of="$root/srv/xen/shop.vhd" bs=512 conv=notrunc status=none \
	seek=$(($(stat -c %s "$root/srv/xen/shop.vhd") / 512 - 1))
refuses "a VHD that was not closed" shop xvdc MANUAL \
	"/srv/xen/shop.vhd was not closed: vhd-util repair"

fresh
vhd-util create -n "$root/srv/xen/base.vhd" -s 10
rm "$root/srv/xen/shop.vhd"
vhd-util snapshot -n "$root/srv/xen/shop.vhd" -p "$root/srv/xen/base.vhd"
rm "$root/srv/xen/base.vhd"
refuses "a chain without its end" shop xvdc MANUAL "vhd-util check -p must find"
rm "$root/srv/xen/shop.img"
refuses "an image that is not there" shop xvda MANUAL \
	"/srv/xen/shop.img is not there: bring its storage, or mend"

fresh
echo 'pid=601 minor=0 state=0 args=aio:/srv/xen/shop.img' >"$root/tap-ctl-list"
mkdir -p "$root/proc"
echo '/dev/xen/blktap-2/tapdev0 /mnt ext4 rw 0 0' >"$root/proc/mounts"
refuses "a tapdev that is mounted" shop xvda MANUAL \
	"tapdev0 is in use here, mounted on /mnt: let go of it first"
: >"$root/proc/mounts"
mkdir -p "$root/sys/dev/block/253:0/holders/dm-3"
refuses "a tapdev below another device" shop xvda MANUAL \
	"tapdev0 is in use here, dm-3: let go of it first"

for path in '/srv/my disk.vhd' '/srv/a:b.vhd'; do
	fresh
	edit "s|/srv/xen/shop.vhd|$path|" etc/xen/shop.cfg
	refuses "the path $path" shop xvdc MANUAL \
		"a hotplug script would split its path"
done

fresh
edit 's/^name = .*/name = "sh" + "op"/' etc/xen/shop.cfg
has "code in the place of a literal" "$(plan)" \
	"refused  not understood: write it with literals"
is "and its file is left alone" "$(plan | grep -c 'edit.*shop.cfg')" 0
for line in 'tap2:ram:/x,xvdd,w' 'tap:vmdk:/x,xvdd,w'; do
	fresh
	edit "s|'file:.*xvdb,w'|'$line'|" etc/xen/shop.cfg
	refuses "$line" shop xvdd MANUAL "tapdisk has no such kind of image"
done
fresh
edit "s|xvda,w'|xvda,w!'|" etc/xen/shop.cfg
refuses "several writers" shop xvda MANUAL "allow --shared"
like "unless that is confirmed" "$(of shop xvda --shared)" "^LIVE "

fresh
ln -s loop "$root/etc/xen/loop"
has "a configuration that cannot be read" "$(plan)" \
	"REFUSED  /etc/xen/loop: Too many levels of symbolic links: remove the link"
fails_with 2 "ends with 2" blktap-migrate plan --root "$root"

for sign in etc/xensource-inventory usr/share/xenclient; do
	fresh
	mkdir -p "$root/${sign%/*}"
	: >"$root/$sign"
	has "a host with $sign is reported only" "$(plan)" "report only"
	fails_with 2 "and ends with 2" blktap-migrate plan --root "$root"
	is "without any action" "$(plan | grep -c 'To be done')" 0
	fails_with 2 "and is not applied" blktap-migrate apply \
		--root "$root" --plan "$(plan | sed -n 's/^plan //p')"
done

fresh
rm -r "$root/sys/hypervisor"
fails_with 1 "a Xen that is not known" blktap-migrate plan --root "$root"
ok "unless it is said" blktap-migrate plan --root "$root" --target 4.20

# --- behind a tapdev that stays ---------------------------------------------

hold=sys/module/blktap/parameters/hold_seconds
fresh
kept=$(of old xvda)
like "a disk stays on its tapdev until its guest starts anew" "$kept" \
	"from the guest's next start on"
refuses "another module than ours" old xvda "KEEP" \
	"serve: the module lets no other tapdisk attach" --allow keep
mkdir -p "$root/${hold%/*}" && echo 60 >"$root/$hold"
is "with ours nothing is done without a word either" "$(of old xvda)" "$kept"
like "with both it is exchanged now" "$(of old xvda --allow keep)" \
	"our tapdisk takes it over from the old one"
has "as a step of the plan" "$(plan --allow keep)" "serve"
edit 's/^\(pid=501 minor=0\) state=0/\1 state=0x2a/' tap-ctl-list
refuses "a tapdisk that is paused" old xvda "KEEP" \
	"serve: its tapdisk has no image open, or is paused" --allow keep
edit '/^pid=501/a pid=501 minor=4 state=0 args=vhd:/srv/xen/more.vhd' tap-ctl-list
refuses "a tapdisk with another disk" old xvda "KEEP" \
	"serve: its tapdisk does not answer, or has other disks too" --allow keep
done_testing
