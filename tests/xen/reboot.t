# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# reboot.t - a guest reboots, and finds its disk as it left it.
# xen: 4.20
set -u
. ./lib.sh

vhd-util create -n "$tmp/a.vhd" -s 16
memory=160 initrd=small
ok "a guest starts" guest g pv "$(tap vhd xvda "$tmp/a.vhd")"
before=$(xl domid g)
ok "it writes its disk" in_guest g \
	'dd if=/dev/urandom of=/dev/xvda bs=64k count=64 && sync'
sum=$(sum_in g /dev/xvda)
in_guest g 'reboot -f' >/dev/null &
ok "it reboots" until_ 60 guest_ready g 2
kill %1 2>/dev/null
ok "it is another domain" [ "$(xl domid g)" != "$before" ]
is "its disk is as it was" "$(sum_in g /dev/xvda)" "$sum"
ok "there is one tapdisk" [ "$(pgrep -c -x tapdisk)" = 1 ]
ok "it ends" destroy g
finish
