#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A chain of VHDs under load: what was answered outlives kill -9, and nobody
# else writes to it meanwhile.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/../func/lib.sh"
requires fio
cd "$dir" || exit 1

load() {
	fio --name=w --ioengine=nbd --uri="$uri" --rw=randwrite --bsrange=512-64k \
		--bs_unaligned --blockalign=512 --iodepth=32 --size=64m \
		--verify=crc32c --randseed="$1" --verify_state_save=0 "${@:2}"
}

not() {
	! "$@"
}

start() {
	tap-ctl create -a "vhd:$dir/$1" >/dev/null || exit 1
	pid=$(tap-ctl list | sed -n 's/^pid=\([0-9]*\) minor=0 .*/\1/p')
	uri="nbd+unix:///?socket=$BLKTAP_CONTROL_DIR/nbd$pid.0"
}

killed() {
	kill -9 "$pid"
	eventually is_gone "$pid"
	tap-ctl free -m 0 >/dev/null 2>&1
	rm -f "$BLKTAP_CONTROL_DIR"/*"$pid"*
}

vhd-util create -n base.vhd -s 64
start base.vhd
ok "a disk is filled in part" load 1 --io_size=12m --do_verify=0
tap-ctl destroy -p "$pid" -m 0
ok "the image is whole" vhd-util check -n base.vhd -b

vhd-util snapshot -n leaf.vhd -p base.vhd
start leaf.vhd
said=$(tap-ctl create -a "vhd:$dir/leaf.vhd" 2>&1)
like "a second writer is told who has it" "$said" \
	"leaf.vhd: in use by tapdisk $pid"
said=$(tap-ctl create -a "vhd:$dir/base.vhd" 2>&1)
like "nobody writes to a parent in use" "$said" \
	"base.vhd: in use by tapdisk $pid"
ok "fio writes to the child" load 2 --io_size=12m --do_verify=0
killed
ok "the killed image passes as one in use" vhd-util check -n leaf.vhd -i
start leaf.vhd
ok "all that was answered is there" load 2 --io_size=12m --verify_only
ok "fio would have seen if not" not load 9 --io_size=12m --verify_only
load 3 --io_size=200m --do_verify=0 >/dev/null 2>&1 &
fio=$!
written() {
	[ "$(tap-ctl stats -p "$pid" -m 0 |
		sed 's/.*"secs": \[ [0-9]*, \([0-9]*\) .*/\1/;q')" -gt 20000 ]
}
ok "fio is writing" eventually written
killed
wait $fio
start leaf.vhd
ok "after a kill amid writes it opens" test -n "$pid"
tap-ctl destroy -p "$pid" -m 0
ok "and is whole when closed" vhd-util check -n leaf.vhd -p
done_testing
