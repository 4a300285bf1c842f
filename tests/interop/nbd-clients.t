#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# NBD clients that stop, leave, say nonsense or are too many, and those that
# are handed over as descriptors: nobody else notices.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/../func/lib.sh"
# shellcheck source=tests/interop/nbd.sh
. "$(dirname "$0")/nbd.sh"
requires nbdinfo nbdcopy qemu-io python3

# client.py WHAT: see there.
client() {
	exec python3 "$(dirname "$0")/nbd-client.py" "$@"
}

make_data data
cp "$dir/data" "$dir/c.img"
serve "aio:$dir/c.img"
sockets() {
	find "/proc/$pid/fd" -lname 'socket:*' | wc -l
}
idle=$(sockets)
no_client() {
	[ "$(sockets)" = "$idle" ]
}

# Two whose answers are not fetched: one stands still, one never looks.
client dawdle "$sock" "$dir/data" &
dawdler=$!
client hoard "$sock" >"$dir/hoard" &
hoarder=$!
stopped() {
	grep -q '^State:.*stopped' "/proc/$dawdler/status"
}
ok "a reader is stopped in the middle" eventually stopped
ok "another asks for much and fetches nothing" \
	eventually grep -q asked "$dir/hoard"
ok "a third one reads all meanwhile" timeout 20 nbdcopy "$uri" "$dir/back"
ok "the right bytes" cmp "$dir/data" "$dir/back"
ok "a fourth one writes" timeout 20 qemu-io -f raw -c 'write -P 7 1 9999' "$uri"
ok "and puts back what was there" timeout 20 \
	qemu-io -f raw -c "write -s $dir/data 0 64k" "$uri"
kill -CONT $dawdler
wait $dawdler
is "the stopped one goes on to its end, with the right bytes" $? 0
kill $hoarder
wait $hoarder 2>/dev/null

ok "pause does not wait for a client" tap-ctl pause -p "$pid" -m "$minor"
nbdinfo --size "$uri" >"$dir/size" &
info=$!
wait $info
is "a client is greeted while the disk is paused" "$(cat "$dir/size")" 67108864
qemu-io -f raw -c 'read -P 110 0 1' "$uri" >"$dir/paused" 2>&1 &
waits=$!
ok "unpause" tap-ctl unpause -p "$pid" -m "$minor"
wait $waits
is "who asked while it was paused is answered" $? 0
is "with what is there" "$(grep -c 'differ\|rror' "$dir/paused")" 0

ok "nonsense is answered by the end" client nonsense "$sock"
ok "a handshake in single bytes" client slowly "$sock"
ok "requests of all kinds are answered as they should be" \
	client requests "$sock"
ok "a client that goes in the middle of a write" client cut "$sock"
ok "32 MiB in one request, both ways" client large "$sock"
ok "sixteen are served and the next is not" client crowd "$sock"
ok "and when they have left, another is" nbdinfo --size "$uri"

run=$BLKTAP_CONTROL_DIR
ok "a descriptor handed over is greeted the new way" \
	client pass "$run/nbdserver-new$pid.$minor" new
ok "or the old way" client pass "$run/nbdserver$pid.$minor" old
ok "a message without descriptor is survived" \
	client nothing "$run/nbdserver$pid.$minor"
ok "one with too many, too" client many "$run/nbdserver-new$pid.$minor"
ok "no descriptor is left over" eventually no_client
is "the sockets are private" \
	"$(stat -c %a "$run"/nbd* | sort -u)" 600

ok "nbdcopy reads to the end" nbdcopy "$uri" "$dir/back"
client hoard "$sock" >"$dir/hoard" &
hoarder=$!
ok "a client is at it" eventually grep -q asked "$dir/hoard"
ok "and the disk is closed nevertheless" unserve
ok "and the tapdisk ends" eventually is_gone "$pid"
wait $hoarder
is "the client is told" $? 0
done_testing
