# SPDX-License-Identifier: GPL-2.0-or-later
# Run inside the machine that boot.sh made, or in a domain 0 of tests/xen: a
# real tapdisk behind a tapdev. $module and $img are where they are there.
module=${module:-/lib/blktap.ko} img=${img:-/img}
n=0
check() { # STATUS WHAT
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
pid_of() { tap-ctl list | sed -n "s/^pid=\([0-9]*\) minor=$1 .*/\1/p"; }
wait_gone() { # PID: until it is gone, at most 60 s
	for _ in $(seq 600); do [ -d "/proc/$1" ] || return 0; sleep 0.1; done
	return 1
}
write_files() { # FROM TO: fsync-heavy; prints their sums
	for i in $(seq "$1" "$2"); do
		dd if=/dev/urandom of=/mnt/f$i bs=64k count=4 conv=fsync \
			2>/dev/null && sha256sum /mnt/f$i || return 1
	done
}

# By their full names: busybox has smaller ones of its own, and prefers them.
for place in /bin /sbin /usr/sbin; do
	[ ! -x $place/mke2fs ] || mke2fs=$place/mke2fs
	[ ! -x $place/e2fsck ] || e2fsck=$place/e2fsck
done
mkdir -p /run /var/log/blktap $img /mnt
ip link set lo up 2>/dev/null
[ ! -e /bin/tapdisk ] || export TAPDISK=/bin/tapdisk

dev=$(tap-ctl create -t blktap2 -a ram:/dev/null 2>/tmp/err)
check $((! ($? == 19))) 'without the module: exit 19 (ENODEV)'
[ -z "$dev" ] && [ "$(head -1 /tmp/err)" = 'blktap kernel module not installed' ]
check $? "one sentence: $(head -1 /tmp/err)"
[ -z "$(tap-ctl list)" ]
check $? 'and nothing is left allocated'
tap-ctl check >/dev/null 2>&1
check $((! $?)) 'tap-ctl check says no'

insmod $module || exit 1
[ "$(tap-ctl check)" = ok ]
check $? 'with it: tap-ctl check says ok'
[ "$(tap-ctl major)" = "$(sed -n 's/ tapdev$//p' /proc/devices | tr -d ' ')" ]
check $? 'tap-ctl major is that of tapdev'

# A MiB at a time, where the module has memory for it and where not.
head -c 8388608 /dev/urandom > $img/eight
for kib in 0 4096; do
	echo $kib > /sys/module/blktap/parameters/large_kib
	truncate -s 8M $img/large.img
	dev=$(tap-ctl create -t blktap2 -a aio:$img/large.img)
	dd if=$img/eight of="$dev" bs=1M oflag=direct conv=notrunc 2>/dev/null &&
		dd if="$dev" bs=1M iflag=direct 2>/dev/null | cmp - $img/eight &&
		cmp $img/large.img $img/eight
	check $? "large_kib=$kib: 8 MiB are written and read"
	requests=$(tap-ctl stats -p "$(pid_of 0)" -m 0 |
		sed -n 's/.*"tap": {[^[]*\[ *\([0-9]*\).*/\1/p')
	# Those who look at every new disk add a few.
	least=384 most=600
	[ $kib = 0 ] || least=16 most=150
	[ "$requests" -ge $least ] && [ "$requests" -lt $most ]
	check $? "by $requests requests"
	tap-ctl destroy -p "$(pid_of 0)" -m 0
	rm -f $img/large.img
done
rm -f $img/eight

vhd-util create -n $img/a.vhd -s 64
dev=$(tap-ctl create -t blktap2 -a vhd:$img/a.vhd)
[ "$dev" = /dev/xen/blktap-2/tapdev0 ] && [ -b "$dev" ]
check $? "create -t blktap2 prints $dev, a block device"
pid=$(pid_of 0)
[ "$(tap-ctl list)" = "pid=$pid minor=0 state=0 args=vhd:$img/a.vhd" ]
check $? "list: $(tap-ctl list)"
[ "$(cat /sys/class/blktap2/blktap!blktap0/task)" = "$pid" ]
check $? 'sysfs names tapdisk as the task'
$mke2fs -q -t ext4 -F "$dev" && mount -t ext4 "$dev" /mnt
check $? 'mkfs and mount'

# A writer, whose tapdisk is killed under it.
write_files 1 60 >/tmp/sums 2>/tmp/writer.err &
writer=$!
while [ "$(wc -l < /tmp/sums)" -lt 10 ]; do sleep 0.05; done
kill -9 "$pid"
wait_gone "$pid"
check $? 'a killed tapdisk is gone at once, disk mounted'
pid=$(tap-ctl spawn) && tap-ctl attach -p "$pid" -m 0 &&
	tap-ctl open -p "$pid" -m 0 -a vhd:$img/a.vhd
check $? 'a new one attaches to the live block device'
wait $writer
check $? "the writer never noticed $(cat /tmp/writer.err)"
tap-ctl pause -p "$pid" -m 0 &&
	[ "$(tap-ctl list | sed 's/.*state=\([^ ]*\).*/\1/')" = 0x2a ]
check $? 'pause: state 0x2a'
tap-ctl unpause -p "$pid" -m 0
check $? 'unpause'

# A snapshot under a writer: the disk goes on with another image.
write_files 61 80 >>/tmp/sums 2>/tmp/writer.err &
writer=$!
while [ "$(wc -l < /tmp/sums)" -lt 65 ]; do sleep 0.05; done
tap-ctl pause -p "$pid" -m 0 && vhd-util snapshot -n $img/s.vhd -p $img/a.vhd
check $? 'paused under a writer, its image gets a child'
before=$(sha256sum <$img/a.vhd)
vhd-util create -n $img/large.vhd -s 65
tap-ctl unpause -p "$pid" -m 0 -a vhd:$img/large.vhd >/tmp/out 2>&1
[ $? = 124 ] && [ "$(tap-ctl list | sed 's/.*state=\([^ ]*\).*/\1/')" = 0x22a ]
check $? "an image of another size is refused (124), the disk stays paused"
tap-ctl unpause -p "$pid" -m 0 -a vhd:$img/s.vhd && wait $writer
check $? "it goes on with the child $(cat /tmp/writer.err)"
[ "$(tap-ctl list)" = "pid=$pid minor=0 state=0 args=vhd:$img/s.vhd" ]
check $? "list: $(tap-ctl list)"
[ "$(sha256sum <$img/a.vhd)" = "$before" ]
check $? 'and writes nothing to the parent'

umount /mnt && $e2fsck -fn "$dev" >/tmp/fsck 2>&1
check $? "fsck is clean: $(tail -1 /tmp/fsck)"
mount -t ext4 "$dev" /mnt && sha256sum -c /tmp/sums >/dev/null
check $? 'every file has the bytes that were written'

timeout 3 tap-ctl destroy -p "$pid" -m 0
check $((! $?)) 'a mounted disk is not destroyed'
sha256sum -c /tmp/sums >/dev/null
check $? 'and goes on'
umount /mnt
tap-ctl destroy -p "$pid" -m 0
check $? 'destroy, once it is free'
[ -z "$(tap-ctl list)" ] && [ ! -e "$dev" ]
check $? 'no row, no node is left'
wait_gone "$pid"
check $? 'nor the process'
vhd-util check -n $img/a.vhd >/dev/null && vhd-util check -n $img/s.vhd >/dev/null
check $? 'the images are valid'

# Both kinds at once, one binary.
vhd-util snapshot -n $img/b.vhd -p $img/s.vhd
vhd-util snapshot -n $img/c.vhd -p $img/s.vhd
b=$(tap-ctl create -t blktap2 -a vhd:$img/b.vhd)
c=$(tap-ctl create -t xenio -a vhd:$img/c.vhd)
[ "$b $c" = "/dev/xen/blktap-2/tapdev0 /run/blktap-control/tapdisk/tapdisk-1" ]
check $? "both kinds share one minor space: $b $c"
[ "$(readlink "/proc/$(pid_of 0)/exe")" = "$(readlink "/proc/$(pid_of 1)/exe")" ]
check $? 'one binary serves both'
tap-ctl list --json
mount -t ext4 -o ro,noload "$b" /mnt && sha256sum -c /tmp/sums >/dev/null
check $? 'the child shows the parent'
umount /mnt
tap-ctl destroy -p "$(pid_of 0)" -m 0 && tap-ctl destroy -p "$(pid_of 1)" -m 1
check $? 'both are destroyed'
more=${0%/*}/busy.sh
[ -e "$more" ] || more=/bin/busy.sh
# shellcheck source=tests/kmod/busy.sh
[ -n "${brief-}" ] || . "$more"
rmmod blktap
check $? 'the module goes'
