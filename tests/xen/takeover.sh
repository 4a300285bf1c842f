# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154  # lib.sh
# takeover.sh - words of the tests in which a guest's disk changes hands.

# writers: four of them, each in a part of its own, until "quiet" (lib.sh).
writers() {
	local fio="fio --name=w --filename=/dev/xvda --rw=randwrite --bs=16k"
	fio="$fio --iodepth=8 --ioengine=libaio --direct=1 --numjobs=4 --size=1m"
	fio="$fio --offset_increment=4m --verify=crc32c --group_reporting"
	in_guest g "rm -f /tmp/quiet /tmp/bad /tmp/over /tmp/terse; \
echo >/tmp/rounds; { while [ ! -e /tmp/quiet ]; do \
$fio --output-format=terse >>/tmp/terse 2>/tmp/fio.log || break; \
echo round >>/tmp/rounds; done; [ -e /tmp/quiet ] || touch /tmp/bad; \
touch /tmp/over; } &"
}
# The guest waits for itself: asking it again and again costs domain 0 more
# than what is measured.
another_round() {
	poll=0.5 patience=180 in_guest g 'n=$(grep -c round /tmp/rounds); \
while [ "$(grep -c round /tmp/rounds)" -le "$n" ] && [ ! -e /tmp/bad ]; do \
sleep 0.2; done; [ ! -e /tmp/bad ]'
}

# The longest that one request took, as the guest saw it.
longest() {
	in_guest g "awk -F';' '{ if (\$15 > m) m = \$15; if (\$56 > m) m = \$56 } \
END { printf \"%d\\n\", m / 1000 }' /tmp/terse"
}

back() { echo "/local/domain/0/backend/vbd/$(xl domid g)/51712"; }
nodes() { xenstore-ls -f "$(back)" | grep -v /kthread-pid; }
driver() {
	basename "$(readlink "/sys/bus/xen-backend/devices/vbd-$(xl domid g)-51712/driver")"
}
move() { blktap-migrate "$1" --yes "$(xl domid g)" 51712; }

# trips NAME COUNT: so many times there and back.
trips() {
	local name=$1 before
	before=$(nodes)
	for n in $(seq "$2"); do
		another_round && move takeover && is_ours && another_round &&
			move giveback && [ "$(driver)" = vbd ] || break
	done >"$tmp/trips" 2>&1
	sed -n "s/^\(ours\|blkback's\) after/  $name: &/p" "$tmp/trips"
	is "$name: there and back $2 times" "$n of $2" "$2 of $2"
	is "$name: and the last time it is back" "$(driver)" vbd
	[ "$(driver)" = vbd ] || sed 's/^/  /' "$tmp/trips"
	is "$name: the disk's nodes are as they were" "$(nodes)" "$before"
}
is_ours() {
	[ -z "$(driver)" ] && [ "$(xenstore-read "$(back)/state")" = 4 ] &&
		[ "$(xenstore-read "$(back)/xenio-status")" = active ]
}

no_tapdisk() { [ -z "$(tap-ctl list)" ]; }

# over NAME TRIPS TARGET NEGOTIATED GUEST-OPTION...: a guest with that disk.
over() {
	local name=$1 trips=$2 target=$3 negotiated=$4 option
	shift 4
	extra=''
	for option; do
		extra="$extra blkfront.$option"
	done
	ok "$name: a guest starts" guest g pv \
		"format=raw,vdev=xvda,access=rw,target=$target"
	ok "$name: its log says so" in_guest g \
		"dmesg | grep 'xvda: .*$negotiated'"
	writers
	trips "$name" "$trips"
	echo "bench takeover.stall_ms $(longest) ms"
	ok "$name: all that was written is read" quiet g
	ok "$name: the guest's kernel has nothing to say of it" in_guest g \
		'! dmesg | grep -iE "i/o error|xvda.*(disabled for|bogus|stale)"'
	is "$name: it has not started anew" "$(starts g)" 1
	seen=$(sum_in g /dev/xvda)
}
