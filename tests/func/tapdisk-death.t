#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Signals; and what is left of a tapdisk that was killed, and who removes it.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

run=$BLKTAP_CONTROL_DIR
truncate -s 1M "$dir/a.img"
idle=$(tap-ctl spawn)
kill -TERM "$idle"
ok "SIGTERM ends an idle tapdisk" eventually is_gone "$idle"
start_disk "aio:$dir/a.img"
kill -USR1 "$pid"
ok "SIGUSR1 writes to the log" \
	eventually grep -q '"name": "aio' "$dir/log/tapdisk.$pid.log"
mv "$dir/log/tapdisk.$pid.log" "$dir/log/old"
kill -HUP "$pid"
ok "SIGHUP makes a new log" \
	eventually test -e "$dir/log/tapdisk.$pid.log"
kill -TERM "$pid"
ok "SIGTERM ends one with a disk" eventually is_gone "$pid"
is "and nothing is left but the marker" "$(ls "$run")" tapdisk
is "which is listed" "$(tap-ctl list)" "minor=0"
ok "and can be freed" tap-ctl free -m 0

start_disk "aio:$dir/a.img"
kill -9 "$pid"
ok "SIGKILL" eventually is_gone "$pid"
ok "leaves the sockets" test -S "$run/nbd$pid.0"
is "list shows the minor alone" "$(tap-ctl list)" "minor=0"
is "and has removed the sockets" "$(ls "$run")" tapdisk
ok "and the counters" test ! -e "/dev/shm/td3-$pid"
ok "destroy of a dead one frees its minor" tap-ctl destroy -p "$pid" -m 0
is "nothing is left" "$(tap-ctl list)" ""
fails_with 2 "destroy of nothing" tap-ctl destroy -p "$pid" -m 0

start_disk "aio:$dir/a.img"
kill -9 "$pid"
eventually is_gone "$pid"
other=$(tap-ctl spawn)
ok "the next one to start has removed its counters" \
	test ! -e "/dev/shm/td3-$pid"
ok "another takes over the minor of a dead one" \
	tap-ctl attach -p "$other" -m 0
kill -TERM "$other"

# What spawn starts has none of the caller's descriptors.
exec 7<"$dir/a.img"
pid=$(tap-ctl spawn)
is "no descriptor is inherited" \
	"$(find "/proc/$pid/fd" -lname "$dir/a.img")" ""
exec 7<&-
is "stdin, stdout and stderr are /dev/null" \
	"$(readlink "/proc/$pid/fd/"{0,1,2} | sort -u)" /dev/null

fails_with 2 "spawn without a program" \
	env TAPDISK="$dir/none" tap-ctl spawn
printf '#!/bin/sh\necho "no memory today" >&2\nexit 1\n' >"$dir/fake"
chmod +x "$dir/fake"
fails_with 1 "spawn tells the status of what could not start" \
	env TAPDISK="$dir/fake" tap-ctl spawn
is "and what it said" "$(TAPDISK=$dir/fake tap-ctl spawn 2>&1 | head -1)" \
	"no memory today"
printf '#!/bin/sh\necho "a warning" >&2\nexec %s/bin/tapdisk\n' "$O" \
	>"$dir/fake"
is "spawn passes a warning on, and succeeds" \
	"$(TAPDISK=$dir/fake tap-ctl spawn 2>&1 >/dev/null; echo $?)" \
	"a warning
0"
done_testing
