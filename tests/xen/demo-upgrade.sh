# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154  # lib.sh
# demo-upgrade.sh - the last part of demo.t: a small old host is converted
# under its running guest, and back.
cfg=/etc/xen/old.cfg img=/srv/old.img

line_in_cfg() { sed -n "s/^disk=\[ \('[^']*'\).*/old.cfg     \1/p" $cfg; }
up() { in_guest old 'cut -d. -f1 /proc/uptime'; }
old_rounds() { in_guest old 'wc -l </tmp/rounds'; }
more_than() { [ "$(old_rounds)" -gt "$1" ]; }
writes_on() { until_ 60 more_than "$(old_rounds)"; }
status_of() {
	echo "the guest   has run for $(up) s; its disk is served by $1" | show
}
apply() {
	hash=$(blktap-migrate plan --allow cold,live | sed -n 's/^plan //p')
	blktap-migrate apply --plan "$hash" --allow cold,live
}
is_now() { # vbd or nothing
	[ "$(basename "$(readlink "/sys/bus/xen-backend/devices/vbd-$(xl domid old)-51712/driver")")" = "$1" ]
}

mkdir -p /etc/xen /srv
random $img 8
echo "An old host: a disk line from the days of blktap2, of which this Xen" \
	"makes a loop device." | show
initrd=small memory=160 extra=''
ok "its guest starts" guest old pv "tap:aio:$img,xvda,w"
cp "$tmp/old.cfg" $cfg
line_in_cfg | show
in_guest old "echo >/tmp/rounds; { while [ ! -e /tmp/quiet ]; do \
dd if=/dev/urandom of=/dev/xvda bs=64k seek=\$((RANDOM % 128)) count=1 \
conv=fsync 2>/dev/null && echo >>/tmp/rounds; done; touch /tmp/over; } &"
ok "it writes to its disk" writes_on
status_of "the kernel, over $(losetup -ln -O NAME -j $img | xargs basename)"
ok "blktap-migrate plans and applies" apply
echo "# blktap-migrate apply --plan ${hash:0:12}... --allow cold,live" | show
line_in_cfg | show
ok "the guest writes on" writes_on
status_of "$(tap-ctl list | sed 's/pid=\([0-9]*\).*/tapdisk \1, on its own ring/')"
ok "the kernel serves nothing" is_now ""
echo "# blktap-migrate rollback --yes" | show
ok "and it goes back" blktap-migrate rollback --yes
line_in_cfg | show
ok "the guest writes on" writes_on
status_of "the kernel again"
ok "as it was before" is_now vbd
in_guest old 'touch /tmp/quiet; while [ ! -e /tmp/over ]; do sleep 0.1; done'
is "it has not started anew" "$(starts old)" 1
is "what it reads is what is in the file" "$(sum_in old /dev/xvda)" "$(sum $img)"
ok "it ends" destroy old
rm -f $cfg* $img
