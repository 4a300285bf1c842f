#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One tapdisk that hangs concerns nobody else.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

truncate -s 1M "$dir/a.img"
start_disk "aio:$dir/a.img"
good=$pid
bad=$(tap-ctl spawn)
kill -STOP "$bad"

since=$SECONDS
out=$(tap-ctl list 2>"$dir/err"; echo "$?")
took=$((SECONDS - since))
is "list tells of the one that answers, and ends well" "$out" \
	"pid=$good minor=0 state=0 args=aio:$dir/a.img
0"
is "and names the other" "$(cat "$dir/err")" "tapdisk $bad does not answer"
ok "within its 10 seconds" test $took -le 12
since=$SECONDS
fails_with 110 "close -t waits as long as it is told" \
	tap-ctl close -p "$bad" -m 0 -t 1
fails_with 110 "pause -t likewise" tap-ctl pause -p "$bad" -m 0 -t 1
ok "and no longer" test $((SECONDS - since)) -le 5
ok "the other goes on" tap-ctl pause -p "$good" -m 0 -t 1
kill -CONT "$bad"
answers() {
	tap-ctl list -p "$bad" | grep -q pid
}
ok "and it comes back" eventually answers
done_testing
