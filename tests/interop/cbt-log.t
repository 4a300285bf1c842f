#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A disk with a log of changed blocks: what clients write is in it.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/../func/lib.sh"
requires qemu-io
cd "$dir" || exit 1
bits() { cbt-util get -n "$1" -b | od -An -v -tx1 | tr -d ' \n'; }
client() { qemu-io -f raw -c "$1" \
	"nbd+unix:///?socket=$BLKTAP_CONTROL_DIR/nbd$pid.$minor"; }

again() {
	tap-ctl pause -p "$pid" -m "$minor" &&
		tap-ctl unpause -p "$pid" -m "$minor" "$@"
}

vhd-util create -n a.vhd -s 2
cbt-util create -n log -s 2097152
cbt-util set -n log -f 1
ok "a disk is opened with a log" start_disk "vhd:$dir/a.vhd" -C "$dir/log"
minor=$(tap-ctl list | sed -n 's/.*minor=\([0-9]*\).*/\1/p')
pid=$(pids)
is "it is listed without it" "$(tap-ctl list)" \
	"pid=$pid minor=$minor state=0 args=vhd:$dir/a.vhd"
is "nothing is changed" "$(bits log)" 00000000
ok "a client writes" client "write -P 1 0 512"
is "and the block has its bit" "$(bits log)" 01000000
ok "it writes over a border" client "write -P 1 196096 1024"
ok "and the last sector" client "write -P 1 2096640 512"
ok "and zeroes" client "write -z 1048576 131072"
ok "and reads elsewhere" client "read 524288 65536"
ok "and flushes" client flush
is "each has its bit, and nothing else" "$(bits log)" 0d000380
is "the flag is as it was" "$(cbt-util get -n log -f)" 1

stats=$(tap-ctl stats -p "$pid" -m "$minor")
has "statistics name the image" "$stats" "{ \"name\": \"vhd:$dir/a.vhd\", "
has "and know the log by its old number" "$stats" \
	"\"type\": 9, \"name\": \"log\""
ok "pause, and unpause without a log" again
ok "a client writes" client "write -P 3 262144 512"
is "and nobody notes it" "$(bits log)" 0d000380
ok "pause, and unpause with it" again -c "$dir/log"

# Another log with another leaf, as at a snapshot.
cbt-util create -n next -s 2097152
ok "pause" tap-ctl pause -p "$pid" -m "$minor"
vhd-util snapshot -n b.vhd -p a.vhd
ok "unpause, with another leaf and another log" tap-ctl unpause -p "$pid" \
	-m "$minor" -a "vhd:$dir/b.vhd" -c "$dir/next"
is "the leaf is listed" "$(tap-ctl list)" \
	"pid=$pid minor=$minor state=0 args=vhd:$dir/b.vhd"
ok "a client writes" client "write -P 2 65536 512"
is "the new log has it" "$(bits next)" 02000000
is "the old one has not" "$(bits log)" 0d000380
kill -9 "$pid"
eventually is_gone "$pid"
is "a tapdisk that is killed loses no bit" "$(bits next)" 02000000

# What is no log of this disk is refused.
cbt-util create -n small -s 1048576
head -c 50 log >short
for f in small short none; do
	tap-ctl create -a "vhd:$dir/a.vhd" -C "$dir/$f" >said 2>&1
	is "refused: $f" $? "$([ $f = none ] && echo 2 || echo 22)"
done
is "no disk is left" "$(tap-ctl list | grep -c args=vhd)" 0
done_testing
