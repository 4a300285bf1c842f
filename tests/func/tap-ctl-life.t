#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A disk's whole life, and what list says at each step of it.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

run=$BLKTAP_CONTROL_DIR
truncate -s 100M "$dir/a.img"
is "nothing is listed on an idle host" "$(tap-ctl list)" ""
pid=$(tap-ctl spawn)
like "spawn prints the bare pid" "$pid" '^[0-9]+$'
is "a tapdisk without disks is its pid" "$(tap-ctl list)" "pid=$pid"
is "and has none of a type" "$(tap-ctl list -t aio)" ""
is "nor of a name" "$(tap-ctl list -f "$dir/a.img")" ""
is "allocate prints the marker" "$(tap-ctl allocate)" "$run/tapdisk/tapdisk-0"
is "a minor without tapdisk is listed" "$(tap-ctl list)" "pid=$pid
minor=0"
ok "attach" tap-ctl attach -p "$pid" -m 0
is "attached: state 0, no name" "$(tap-ctl list)" "pid=$pid minor=0 state=0"
fails_with 11 "an attached minor cannot be freed" tap-ctl free -m 0
ok "open" tap-ctl open -p "$pid" -m 0 -a "aio:$dir/a.img"
row="pid=$pid minor=0 state=0 args=aio:$dir/a.img"
is "open: state 0, name" "$(tap-ctl list)" "$row"
stats=$(tap-ctl stats -p "$pid" -m 0)
has "stats have the keys, order and spacing that others parse" "$stats" \
	"{ \"name\": \"aio:$dir/a.img\", \"secs\": [ 0, 0 ], \"images\": [ { \
\"name\": \"$dir/a.img\", \"hits\": [ 0, 0 ], \"fail\": [ 0, 0 ], \"driver\": { \
\"type\": 0, \"name\": \"aio\", \"status\": { \"reqs\": { \"max\": "
has "also behind the images" "$stats" \
	", \"pending\": 0 } } } } ], \"FIXME_enospc_redirect_count\": 0, \
\"nbd_mirror_failed\": 0, \"reqs_outstanding\": 0, \"read_caching\": \"false\", "
is "they are a line, and an empty one" \
	"$(tap-ctl stats -p "$pid" -m 0 | wc -l)" 2
ok "the NBD socket is there when open returns" test -S "$run/nbd$pid.0"
is "the control directory is private" "$(stat -c %a "$run")" 700
is "the control socket is private" "$(stat -c %a "$run/ctl$pid")" 600
ok "pause" tap-ctl pause -p "$pid" -m 0
is "paused: 0x2a" "$(tap-ctl list)" "${row/state=0/state=0x2a}"
ok "pause of what is paused" tap-ctl pause -p "$pid" -m 0 -t 5
ok "unpause" tap-ctl unpause -p "$pid" -m 0
is "unpaused: as before" "$(tap-ctl list)" "$row"
ok "pause finds the pid by the minor" tap-ctl pause -m 0
truncate -s 100M "$dir/b.img"
ok "unpause with another image" tap-ctl unpause -m 0 -a "aio:$dir/b.img"
is "its name is listed" "$(tap-ctl list)" "${row/a.img/b.img}"
fails_with 16 "an open disk cannot be detached" tap-ctl detach -p "$pid" -m 0
ok "close" tap-ctl close -p "$pid" -m 0 -t 120
is "closed: 0x2, no name" "$(tap-ctl list)" "pid=$pid minor=0 state=0x2"
ok "a closed disk can be opened again" \
	tap-ctl open -p "$pid" -m 0 -a "aio:$dir/a.img" -R -D -t 40
ok "forced close" tap-ctl close -p "$pid" -m 0 -f
ok "detach" tap-ctl detach -p "$pid" -m 0
ok "its socket is gone with the answer" test ! -e "$run/ctl$pid"
is "the marker is left" "$(tap-ctl list)" "minor=0"
ok "the tapdisk ends with its last disk" eventually is_gone "$pid"
ok "free" tap-ctl free -m 0
is "nothing is left" "$(tap-ctl list)$(ls "$run")" "tapdisk"
ok "nor in shared memory" test ! -e "/dev/shm/td3-$pid"

is "create prints what allocate would" \
	"$(tap-ctl create -a "aio:$dir/a.img" -t xenio -t 40)" \
	"$run/tapdisk/tapdisk-0"
pid=$(pids)
is "and the disk is there" "$(tap-ctl list)" \
	"pid=$pid minor=0 state=0 args=aio:$dir/a.img"
ok "a paused disk can be destroyed" tap-ctl pause -m 0
ok "destroy" tap-ctl destroy -p "$pid" -m 0 -t 10
ok "its tapdisk ends" eventually is_gone "$pid"
is "destroy leaves nothing" "$(tap-ctl list)$(ls "$run")" "tapdisk"
done_testing
