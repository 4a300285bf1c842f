# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# restart.t - xenio ends, is killed, and starts again under a running guest.
# xen: 4.20
# limit: 400
set -u
. ./lib.sh

stop_xenio() {
	kill "-$1" "$(cat /run/xenio-test.pid)"
	until_ 10 no_xenio
}
no_xenio() { ! pgrep -x xenio >/dev/null; }
rounds() { in_guest g 'grep -c round /tmp/rounds'; }

truncate -s 16M "$tmp/a"
vhd-util create -n "$tmp/b.vhd" -s 8
ok "a guest starts" guest g pv "$(tap raw xvda "$tmp/a")"
busy g /dev/xvda
for signal in TERM KILL; do
	ok "xenio ends by SIG$signal" stop_xenio $signal
	seen=$(rounds)
	ok "the guest's disk works without it" until_ 60 worked g $((seen + 2))
	# shellcheck source=xenio-start
	. /rig/t/xenio-start
	seen=$(rounds)
	ok "it works with the next one" until_ 60 worked g $((seen + 2))
	ok "which serves a new disk" \
		xl block-attach g "$(tap vhd xvdb "$tmp/b.vhd")"
	ok "that the guest can use" in_guest g \
		'until [ -b /dev/xvdb ]; do sleep 0.1; done; \
dd if=/dev/zero of=/dev/xvdb bs=64k count=4 conv=fsync'
	ok "and give back" xl block-detach g xvdb
done
ok "all that the guest wrote was right" quiet g
second() { timeout 20 xenio -D 2>&1; }
ok "a second xenio is refused" [ "$(second >"$tmp/second"; echo $?)" = 1 ]
ok "the guest ends" destroy g

# A guest, since after a disk of domain 0 libxl does not clean up.
no_guest() { ! guest h pv "$(tap raw xvda "$tmp/a")" >"$tmp/xl" 2>&1; }
stop_xenio TERM
ok "without xenio xl starts no guest" no_guest
ok "and says which disk" grep -q "unable to add device" "$tmp/xl"
. /rig/t/xenio-start
finish
