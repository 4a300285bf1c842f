#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The four NBD sockets of a disk: when they are there, and what was there
# before them.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
requires python3

bind_at() {
	python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$1"
}

# Whether there is somebody at a socket.
answers() {
	python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$1"
}

run=$BLKTAP_CONTROL_DIR
names="nbd nbd-old nbdserver nbdserver-new"
there() {
	local n all=
	for n in $names; do
		[ -S "$run/$n$pid.0" ] && all="$all $n"
	done
	echo $all
}

truncate -s 8M "$dir/a.img"
ok "a minor" tap-ctl allocate
pid=$(tap-ctl spawn)
ok "attach" tap-ctl attach -p "$pid" -m 0
is "an attached disk has no sockets" "$(there)" ""
ok "a dead process of our pid left one" bind_at "$run/nbd$pid.0"
fails_with 1 "at which nobody answers" answers "$run/nbd$pid.0"
ok "open" tap-ctl open -p "$pid" -m 0 -a "aio:$dir/a.img"
is "an open one has all four" "$(there)" "$names"
for n in $names; do
	ok "somebody is at $n" answers "$run/$n$pid.0"
done
is "only root may come" "$(stat -c %a "$run"/nbd* | sort -u)" 600
ok "pause" tap-ctl pause -p "$pid" -m 0
is "a paused one keeps them" "$(there)" "$names"
ok "unpause" tap-ctl unpause -p "$pid" -m 0
ok "close" tap-ctl close -p "$pid" -m 0
is "a closed one has none" "$(there)" ""

echo precious >"$run/nbd-old$pid.0"
fails_with 98 "what is no socket is not replaced" \
	tap-ctl open -p "$pid" -m 0 -a "aio:$dir/a.img"
is "nor touched" "$(cat "$run/nbd-old$pid.0")" precious
is "and no other socket is left" "$(there)" ""
rm "$run/nbd-old$pid.0"
ok "without it the disk opens" \
	tap-ctl open -p "$pid" -m 0 -a "aio:$dir/a.img"
ok "destroy" tap-ctl destroy -p "$pid" -m 0
is "nothing is left" "$(ls "$run")" "tapdisk"
done_testing
