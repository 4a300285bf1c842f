# SPDX-License-Identifier: GPL-2.0-or-later
# Run inside the machine that boot.sh made: prints bench lines. The image
# a.img lies on the machine's disk; nothing goes through the page cache.
mkdir -p /run /var/log/blktap /img
mount -t ext4 /dev/vda /img || exit 1
export TAPDISK=/bin/tapdisk
loop=$(losetup -f)
/bin/losetup --direct-io=on "$loop" /img/a.img || exit 1

attach() { # KIB: what the module may set aside for large requests
	insmod /lib/blktap.ko "large_kib=$1" || exit 1
	dev=$(tap-ctl create -t blktap2 -a aio:/img/a.img) || exit 1
	pid=$(tap-ctl list | sed -n 's/^pid=\([0-9]*\) .*/\1/p')
}
detach() {
	tap-ctl destroy -p "$pid" -m 0
	rmmod blktap || exit 1
}
numbers() { # of the tap so far: requests, wakes, answers told; of the disk: reads
	echo "$(tap-ctl stats -p "$pid" -m 0 | head -1 |
		sed 's/.*"tap": {//; s/}.*//; s/[^0-9]\{1,\}/ /g') $(awk '{ print $1 }' /sys/block/vda/stat)"
}
# Sequential 1 MiB, in turn with a loop device that has direct I/O.
sequential() { # NAME
	before=$(numbers)
	load "$dev" 1048576 4 128 sequential >/dev/null
	after=$(numbers)
	load "$loop" 1048576 4 128 sequential >/dev/null
	echo "$1 $before $after $(numbers)" | awk '{
		# minor, requests, answers, wakes, tellings, reads: each three times
		name = "bench blktap2" $1
		printf "%s.requests_per_mib %.1f count\n", name, ($9 - $3) / 128
		printf "%s.wakes_per_mib %.2f count\n", name, ($11 - $5) / 128
		printf "%s.responds_per_mib %.2f count\n", name, ($12 - $6) / 128
		printf "%s.disk_reads_per_mib %.2f count\n", name, ($13 - $7) / 128
		printf "bench loop.1m.seq.disk_reads_per_mib %.2f count\n", ($19 - $13) / 128 }'
	ours='' peer=''
	for round in 1 2 3 4 5; do
		ours="$ours $(load "$dev" 1048576 4 512 sequential)"
		peer="$peer $(load "$loop" 1048576 4 512 sequential)"
	done
	# The speed of tapdev over that of the loop device, in the same run.
	echo "$1 $ours $peer" | awk '{
		n = (NF - 1) / 2
		for (i = 1; i <= n; i++) r[i] = $(1 + n + i) / $(1 + i)
		for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++)
			if (r[j] < r[i]) { t = r[i]; r[i] = r[j]; r[j] = t }
		printf "bench blktap2%s.vs_loop_direct_io %.2f ratio (of speeds, median of %d, %.2f to %.2f)\n",
			$1, r[(n + 1) / 2], n, r[1], r[n] }'
	echo "# ns: ours $ours, loop $peer"
}

attach 4096
n=16000
strace -c -f -o /tmp/calls -p "$pid" &
tracer=$!
sleep 1
load "$dev" 4096 32 $n random >/dev/null || exit 1
kill -INT $tracer
wait $tracer
calls=$(awk 'f && $NF != "total" && $1 + 0 == $1 { s += $4 } /^---/ { f = 1 } END { print s }' /tmp/calls)
awk "BEGIN { printf \"bench blktap2.4k.qd32.syscalls_per_req %.3f count\\n\", $calls / $n }"
sequential .1m.seq
detach
# As with an older module, or an older tapdisk.
attach 0
sequential .old_abi.1m.seq
detach
losetup -d "$loop"
