# SPDX-License-Identifier: GPL-2.0-or-later
# Read by serve.sh: pause, another image, another size, close and destroy of a
# block device that is in use, as the users of the older tool know them.
state() { tap-ctl list -m 0 | sed -n 's/.*state=\([^ ]*\).*/\1/p'; }
in_flight() { # until so many requests are out, at most 60 s
	for _ in $(seq 600); do
		[ "$(awk '{ print $1 + $2 }' /sys/block/tda/inflight)" -ge "$1" ] &&
			return 0
		sleep 0.1
	done
	return 1
}
pattern() { # LETTER MIB FILE
	head -c $(($2 << 20)) /dev/zero | tr '\0' "$1" > "$3"
}
direct() { # LETTER: the device has it at 1 MiB
	[ "$(dd if="$dev" bs=4096 skip=256 count=1 iflag=direct 2>/dev/null |
		tr -cd "$1" | wc -c)" = 4096 ]
}
size_of() { cat /sys/block/tda/size; }

pattern A 8 $img/a.img
pattern B 8 $img/b.img
pattern C 16 $img/c.img
dev=$(tap-ctl create -t blktap2 -a aio:$img/a.img)
pid=$(pid_of 0)
# Busy all the while: a writer to the first MiB, and this shell's own opening.
rm -f /tmp/stop /tmp/failed
exec 3< "$dev"
(while [ ! -e /tmp/stop ]; do
	head -c 262144 /dev/zero |
		dd of="$dev" bs=65536 oflag=direct conv=notrunc 2>/dev/null ||
		echo failed >> /tmp/failed
done) &
writer=$!
in_flight 1
check $? 'a busy device has requests in flight'

tap-ctl pause -p "$pid" -m 0 && [ "$(state)" = 0x2a ]
check $? 'busy: pause ends, state 0x2a'
[ "$(tap-ctl list)" = "pid=$pid minor=0 state=0x2a args=aio:$img/a.img" ]
check $? 'busy: the row has the name as before'
tap-ctl pause -p "$pid" -m 0
check $? 'busy: a second pause is as good'
sum=$(sha256sum < $img/a.img)
dd if="$dev" of=/tmp/first bs=4096 skip=256 count=1 iflag=direct 2>/dev/null &
reader=$!
in_flight 2
check $? 'busy: while paused, requests wait'
[ "$(sha256sum < $img/a.img)" = "$sum" ]
check $? 'busy: and the image is let alone'

tap-ctl unpause -p "$pid" -m 0 -a aio:$img/c.img 2>/dev/null
check $((! ($? == 124))) 'busy: unpause with a larger image is 124 (EMEDIUMTYPE)'
[ "$(state)" = 0x22a ]
check $? "busy: the state says so: $(state)"
kill -0 $reader
check $? 'busy: nothing is answered from it'
tap-ctl unpause -p "$pid" -m 0 -a aio:$img/b.img
check $? 'busy: unpause with another image of the size'
[ "$(tap-ctl list)" = "pid=$pid minor=0 state=0 args=aio:$img/b.img" ]
check $? "busy: $(tap-ctl list)"
wait $reader && [ "$(tr -d B < /tmp/first | wc -c)" = 0 ] &&
	[ "$(wc -c < /tmp/first)" = 4096 ]
check $? 'busy: who waited gets the other image'
[ "$(sha256sum < $img/a.img)" = "$sum" ] && direct B
check $? 'busy: and the first one is as it was left'

tap-ctl pause -p "$pid" -m 0 && truncate -s 16M $img/b.img
tap-ctl unpause -p "$pid" -m 0 2>/dev/null
check $((! ($? == 124))) 'busy: an image that grew does not come back so'
truncate -s 8M $img/b.img
tap-ctl unpause -p "$pid" -m 0 && [ "$(state)" = 0 ] &&
	[ "$(size_of)" = 16384 ] && direct B
check $? 'busy: with its size again it does'

tap-ctl destroy -p "$pid" -m 0 -t 1 2>/dev/null
check $((! ($? == 110))) 'busy: destroy -t gives up in time'
[ "$(tap-ctl list)" = "pid=$pid minor=0 state=0 args=aio:$img/b.img" ] && direct B
check $? 'busy: and the disk goes on'
touch /tmp/stop
wait $writer && [ ! -e /tmp/failed ]
check $? 'busy: no write of all of them failed'
# Open, but idle, until the destroy waits for it.
tap-ctl close -p "$pid" -m 0 -t 60 3<&- &
closer=$!
truncate -s 16M $img/b.img
kill -0 $closer && [ "$(state)" = 0 ]
check $? 'busy: close waits for the last user'
exec 3<&-
wait $closer && [ "$(state)" = 0x2 ] && [ ! -e /sys/block/tda ]
check $? 'busy: and ends when it has left, state 0x2'
tap-ctl open -p "$pid" -m 0 -a aio:$img/b.img && [ "$(size_of)" = 32768 ]
check $? 'a disk that was closed comes back with its new size'

exec 3< "$dev"
tap-ctl close -p "$pid" -m 0 -f && [ "$(state)" = 0x2 ]
check $? 'busy: close -f asks nobody, state 0x2'
echo 1 > /sys/module/blktap/parameters/hold_seconds
tap-ctl detach -p "$pid" -m 0 && wait_gone "$pid"
check $? 'busy: detach, and the process is gone'
! direct B
check $? 'busy: its user gets errors when nobody comes back'
tap-ctl free -m 0 2>/dev/null
check $((! ($? == 16))) 'busy: the minor is not free while somebody has it'
exec 3<&-
tap-ctl free -m 0 && [ -z "$(tap-ctl list)" ] && [ ! -e "$dev" ]
check $? 'and is free when nobody has'

# Tapdisks that speak older lineages' messages, behind the same device.
command -v old-tapdisk >/dev/null && for lineage in xen42 tap2 early3 xs6; do
	dev=$(tap-ctl allocate -t blktap2)
	pid=$(OLD_LINEAGE=$lineage OLD_TAPDISK=$(command -v tapdisk) \
		TAPDISK=$(command -v old-tapdisk) tap-ctl spawn)
	tap-ctl attach -p "$pid" -m 0 &&
		tap-ctl open -p "$pid" -m 0 -a aio:$img/c.img && direct C
	check $? "$lineage: an old tapdisk serves $dev"
	tap-ctl pause -p "$pid" -m 0 && [ "$(state)" = 0x2a ] &&
		tap-ctl unpause -p "$pid" -m 0 && direct C
	check $? "$lineage: pause and unpause"
	tap-ctl destroy -p "$pid" -m 0 && [ -z "$(tap-ctl list)" ] && wait_gone "$pid"
	check $? "$lineage: and destroy"
done
