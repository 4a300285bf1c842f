# SPDX-License-Identifier: GPL-2.0-or-later
# Run inside the machine that boot.sh made: prints bench lines. The image
# a.img lies on the machine's disk; nothing goes through the page cache.
mkdir -p /run /var/log/blktap /img
mount -t ext4 /dev/vda /img || exit 1
export TAPDISK=/bin/tapdisk
insmod /lib/blktap.ko || exit 1
dev=$(tap-ctl create -t blktap2 -a aio:/img/a.img) || exit 1
pid=$(tap-ctl list | sed -n 's/^pid=\([0-9]*\) .*/\1/p')

n=16000
strace -c -f -o /tmp/calls -p "$pid" &
tracer=$!
sleep 1
load "$dev" 4096 32 $n random >/dev/null || exit 1
kill -INT $tracer
wait $tracer
calls=$(awk 'f && $NF != "total" && $1 + 0 == $1 { s += $4 } /^---/ { f = 1 } END { print s }' /tmp/calls)
awk "BEGIN { printf \"bench blktap2.4k.qd32.syscalls_per_req %.3f count\\n\", $calls / $n }"

# Sequential 1 MiB, in turn with a loop device that has direct I/O.
numbers() { # of the tap so far: requests, wakes, answers told; of the disk: reads
	echo "$(tap-ctl stats -p "$pid" -m 0 | head -1 |
		sed 's/.*"tap": {//; s/}.*//; s/[^0-9]\{1,\}/ /g') $(awk '{ print $1 }' /sys/block/vda/stat)"
}
loop=$(losetup -f)
/bin/losetup --direct-io=on "$loop" /img/a.img || exit 1
before=$(numbers)
load "$dev" 1048576 4 128 sequential >/dev/null
after=$(numbers)
load "$loop" 1048576 4 128 sequential >/dev/null
echo "$before $after $(numbers)" | awk '{
	# minor, requests, answers, wakes, tellings, reads: each three times
	printf "bench blktap2.1m.seq.requests_per_mib %.1f count\n", ($8 - $2) / 128
	printf "bench blktap2.1m.seq.wakes_per_mib %.2f count\n", ($10 - $4) / 128
	printf "bench blktap2.1m.seq.responds_per_mib %.2f count\n", ($11 - $5) / 128
	printf "bench blktap2.1m.seq.disk_reads_per_mib %.2f count\n", ($12 - $6) / 128
	printf "bench loop.1m.seq.disk_reads_per_mib %.2f count\n", ($18 - $12) / 128 }'
for round in 1 2 3 4 5; do
	ours="$ours $(load "$dev" 1048576 4 512 sequential)"
	peer="$peer $(load "$loop" 1048576 4 512 sequential)"
done
echo "$ours $peer" | awk '{
	n = NF / 2
	for (i = 1; i <= n; i++) r[i] = $(n + i) / $i
	for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++)
		if (r[j] < r[i]) { t = r[i]; r[i] = r[j]; r[j] = t }
	printf "bench blktap2.1m.seq.vs_loop %.2f ratio (of speeds, median of %d)\n", r[(n + 1) / 2], n }'
echo "# ns: ours $ours, loop $peer"
losetup -d "$loop"
tap-ctl destroy -p "$pid" -m 0
rmmod blktap
