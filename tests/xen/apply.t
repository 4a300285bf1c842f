# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154,SC2086  # lib.sh, and words on purpose
# apply.t - blktap-migrate moves the disks of a running guest as its plan says,
# live and by detaching, and takes all of it back, while the guest writes.
# xen: by name
# limit: 600
set -u
. ./lib.sh
random "$tmp/a" 8
random "$tmp/b" 8
b=$(sum "$tmp/b")
file=/etc/xen/g.cfg

running() {
	guest_files
	rm -f $consoles/guest-g.log
	kill -HUP "$(cat /run/xenconsoled.pid)"
	guest_config g pv "file:$tmp/a,xvda,w" "tap:aio:$tmp/b,xvdb,w" >$file
	xl create $file && until_ 120 guest_ready g
}
apply() {
	local hash
	hash=$(blktap-migrate plan "$@" | tee "$tmp/plan" | sed -n 's/^plan //p')
	blktap-migrate apply "$@" --plan "$hash" || { cat "$tmp/plan"; false; }
}
# What xl would start the guest with at its next reboot.
next() {
	cat /var/lib/xen/userdata-d."$(xl domid g)".*.xl |
		grep -oE 'block-xenio|backendtype=tap' | wc -l
}
driver() {
	basename "$(readlink "/sys/bus/xen-backend/devices/vbd-$(xl domid g)-$1/driver")"
}
served() { tap-ctl list | grep -c args=; }
verdicts() { sed -nE "s/^([A-Z]+) +g .*/\1/p" "$tmp/plan" | sort | uniq -c | xargs; }

ok "a guest runs over loop devices" running
before=$(sum $file)
busy g /dev/xvda

live="--allow cold,hot,live --include-file"
ok "both disks are moved while it runs" apply $live
is "as was planned" "$(verdicts)" "2 LIVE"
is "the kernel serves neither" "$(driver 51712)$(driver 51728)" ""
is "our tapdisks do" "$(served)" 2
is "the next reboot has both as ours" "$(next)" 2
ok "verify has nothing to say" blktap-migrate verify
ok "the guest goes on writing" until_ 60 worked g 2
is "and reads what was there" "$(sum_in g /dev/xvdb)" "$b"
ok "all of it is taken back" blktap-migrate rollback --yes
is "the kernel serves both" "$(driver 51712) $(driver 51728)" "vbd vbd"
is "no tapdisk is left" "$(served)" 0
is "its configuration is as it was" "$(sum $file)" "$before"
is "the next reboot has them as they were" "$(next)" 0

hot="--allow cold,hot"
ok "a data disk is detached and attached" apply $hot
is "as was planned for it" "$(verdicts)" "1 HOT 1 KEEP"
is "our tapdisk serves it" "$(served)" 1
is "the guest reads what was there" "$(sum_in g /dev/xvdb)" "$b"
ok "that is taken back" blktap-migrate rollback --yes
is "the kernel serves it" "$(driver 51728)" vbd
is "the guest reads it still" "$(sum_in g /dev/xvdb)" "$b"
is "its configuration is as it was, once more" "$(sum $file)" "$before"

ok "the guest saw no error in any of this" quiet g
is "what it wrote is in the file" "$(sum_in g /dev/xvda)" "$(sum "$tmp/a")"
is "it has not started anew" "$(starts g)" 1
ok "the guest ends" destroy g
rm -rf $file* /var/lib/blktap-migrate
finish
