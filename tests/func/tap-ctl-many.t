#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Twenty disks of one tapdisk.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

truncate -s 1M "$dir/a.img"
pid=$(tap-ctl spawn)
for i in {0..19}; do
	tap-ctl allocate >/dev/null
	tap-ctl attach -p "$pid" -m "$i"
	tap-ctl open -p "$pid" -m "$i" -a "aio:$dir/a.img" -R
done
is "all are listed, the last first" "$(tap-ctl list -p "$pid")" "$(
	for i in {19..0}; do
		echo "pid=$pid minor=$i state=0 args=aio:$dir/a.img"
	done)"
is "-m chooses one" "$(tap-ctl list -m 7)" \
	"pid=$pid minor=7 state=0 args=aio:$dir/a.img"
is "-t chooses none" "$(tap-ctl list -t vhd)" ""
is "-f chooses all of a file" \
	"$(tap-ctl list -t aio -f "$dir/a.img" | wc -l)" 20
is "--json is JSON" "$(tap-ctl list -m 3 --json)" \
	"[ { \"pid\": $pid, \"minor\": 3, \"kind\": \"xenio\", \"state\": 0, \"type\": \"aio\", \
\"path\": \"$dir/a.img\" } ]"
tap-ctl pause -m 5
is "one is paused" "$(state_of 5)" 0x2a
is "the others are not" "$(tap-ctl list | grep -c 'state=0 ')" 19
for i in {0..18}; do
	tap-ctl destroy -m "$i" || break
done
is "one is left" "$(tap-ctl list)" \
	"pid=$pid minor=19 state=0 args=aio:$dir/a.img"
ok "the last ends it" tap-ctl destroy -m 19
ok "for good" eventually is_gone "$pid"
done_testing
