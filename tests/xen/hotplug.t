# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# hotplug.t - a disk comes and goes twenty times while another one is busy.
# xen: 4.20
# limit: 1000
set -u
. ./lib.sh

# once N: attach it, read what the last turn wrote, write, detach it.
once() {
	xl block-attach g "$(tap vhd xvdb "$tmp/b.vhd")" &&
		[ "$(in_guest g "until [ -b /dev/xvdb ]; do sleep 0.1; done; \
head -c 8 /dev/xvdb | tr -d '\\0'; printf 'turn %d' $1 | \
dd of=/dev/xvdb bs=512 conv=sync,fsync 2>/dev/null")" = "turn $(($1 - 1))" ] &&
		xl block-detach g xvdb &&
		in_guest g 'while [ -b /dev/xvdb ]; do sleep 0.1; done'
}

truncate -s 16M "$tmp/a"
vhd-util create -n "$tmp/b.vhd" -s 8
printf 'turn 0' >"$tmp/turn"
truncate -s 512 "$tmp/turn"
serve "vhd:$tmp/b.vhd"
qemu-io -f raw -c "write -s $tmp/turn 0 512" "$address" >/dev/null
unserve

ok "a guest starts" guest g pv "$(tap raw xvda "$tmp/a")"
ok "its disk gets busy" busy g /dev/xvda --rate_iops=40
for n in $(seq 20); do
	once "$n" >"$tmp/once" 2>&1 || break
done
cat "$tmp/once"
is "a second disk came and went twenty times" "$n" 20
ok "meanwhile the first was written and verified" until_ 60 worked g 2
ok "and all of it was right" quiet g
ok "one tapdisk is left" [ "$(pgrep -c -x tapdisk)" = 1 ]
ok "the guest ends" destroy g
ok "the second disk is clean" vhd-util check -n "$tmp/b.vhd"
finish
