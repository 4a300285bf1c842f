#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A resume that has to be tried again, and what can be asked meanwhile.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

truncate -s 1M "$dir/a.img"
truncate -s 2M "$dir/b.img"
start_disk "aio:$dir/a.img"
tap-ctl pause -m 0
fails_with 124 "an image of another size is refused" \
	tap-ctl unpause -m 0 -a "aio:$dir/b.img"
is "and is said to be so: paused, resume failed" "$(state_of 0)" 0x22a
mv "$dir/a.img" "$dir/away"
tap-ctl unpause -m 0 &
unpause=$!
like "list answers meanwhile" "$(tap-ctl list -m 0)" "pid=$pid minor=0 state=0x2"
like "so do statistics" "$(tap-ctl stats -p "$pid" -m 0)" '"state": "'
mv "$dir/away" "$dir/a.img"
wait $unpause
is "the resume has come through" $? 0
is "and its failure is forgotten" "$(state_of 0)" 0
done_testing
