# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# save.t - a guest is saved while it writes, and restored.
# xen: 4.20
set -u
. ./lib.sh

vhd-util create -n "$tmp/a.vhd" -s 16
random "$tmp/content" 8
truncate -s 8M "$tmp/b"
memory=160 initrd=small
ok "a guest starts" guest g pv \
	"$(tap vhd xvda "$tmp/a.vhd")" "$(tap raw xvdb "$tmp/b")"
ok "it writes, again and again" in_guest g \
	'head -c 4194304 /dev/urandom >/tmp/data; \
{ n=0; while [ ! -e /tmp/quiet ]; do n=$((n + 1)); \
dd if=/tmp/data of=/dev/xvda bs=64k conv=fsync 2>/dev/null || break; \
cmp -n 4194304 /tmp/data /dev/xvda || break; echo $n >/tmp/rounds; done; \
[ -e /tmp/quiet ] || touch /tmp/bad; touch /tmp/over; } &'
ok "it is saved" xl save g "$tmp/saved"
ok "it is gone" until_ 20 gone g
is "so are its tapdisks" "$(pgrep -x tapdisk)" ""
ok "it is restored" xl restore "$tmp/saved"
rm -f "$tmp/saved"
rounds=$(in_guest g 'cat /tmp/rounds')
more() { [ "$(in_guest g 'cat /tmp/rounds')" -gt $((${rounds:-0} + 1)) ]; }
ok "it goes on" until_ 60 more
ok "and reads what it wrote" in_guest g \
	'touch /tmp/quiet; until [ -e /tmp/over ]; do sleep 0.1; done; [ ! -e /tmp/bad ]'
ok "the other disk works too" in_guest g \
	'dd if=/tmp/data of=/dev/xvdb bs=64k conv=fsync'
is "domain 0 reads the same" "$(head -c 4M "$tmp/b" | sum)" \
	"$(sum_in g /tmp/data)"
ok "it ends" destroy g
ok "the VHD is clean" vhd-util check -n "$tmp/a.vhd"
finish
