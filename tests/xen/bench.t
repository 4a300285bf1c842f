# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2034,SC2154  # lib.sh, and what it sets
# bench.t - what a request costs: ours, the kernel's backend over a loop
# device, and QEMU's; one guest has a disk of each. For "make bench-xen", by
#
#     tests/xen/run --clock --limit 3000 bench
#
# where a microsecond is a thousand instructions of guest, hypervisor and
# domain 0 together. A backend's own time is that of its threads: for the
# kernel's, its thread and the workers of the loop device. No figure is
# printed of a disk whose bytes are not right.
# limit: 2800
set -u
. ./lib.sh
poll=4 size=64

# own BACKEND: ns that its threads have run.
own() {
	local pids pid
	case $1 in
	blkback) pids=$(pgrep "^$domid\.xvda|^kworker") ;;
	qdisk) pids=$(pgrep -f "xen-domid $domid") ;;
	raw) pids=$(tap-ctl list -t aio | sed 's/pid=\([0-9]*\).*/\1/') ;;
	vhd) pids=$(tap-ctl list -t vhd | sed 's/pid=\([0-9]*\).*/\1/') ;;
	esac
	for pid in $pids; do
		cat "/proc/$pid"/task/*/schedstat 2>/dev/null
	done | awk '{ ns += $1 } END { printf "%d\n", ns }'
}

# row NAME COUNT FIO-OPTION...: for each backend, a line of the table.
row() {
	local row=$1 n=$2 backend before after ms
	shift 2
	for backend in $backends; do
		before=$(own "$backend")
		ms=$(fio_raw "${device[$backend]}" --number_ios="$n" "$@")
		after=$(own "$backend")
		echo "$row $backend $n $((after - before)) $ms" >>"$tmp/table"
		echo "  $row $backend: $n in $ms ms, own $((after - before)) ns"
	done
}

# fio_raw DEVICE OPTION...: prints its milliseconds.
fio_raw() {
	local device=$1
	shift
	in_guest g "fio --name=b --filename=/dev/$device --direct=1 \
--ioengine=libaio --thread --gtod_reduce=1 --clocksource=clock_gettime \
--randrepeat=1 --norandommap --size=100% --output-format=terse $*" |
		awk -F';' 'NF > 50 { print $9 + $50 }'
}

figures() {
	awk '
	{ own[$1, $2] = $4 / $3 / 1000; iops[$1, $2] = $3 * 1000 / $5
	  if (!seen[$1]++) rows[++nrows] = $1
	  if (!met[$2]++) names[++nnames] = $2 }
	END { for (r = 1; r <= nrows; r++) for (b = 1; b <= nnames; b++) {
		at = rows[r] SUBSEP names[b]
		base = rows[r] SUBSEP "blkback"
		name = "bench xen." rows[r] "." names[b]
		printf "%s.own_us_per_io %.2f us\n", name, own[at]
		printf "%s.iops %.0f per_s\n", name, iops[at]
		printf "%s.iops_ratio %.3f ratio\n", name, iops[at] / iops[base]
	} }' "$tmp/table"
}

sums=()
declare -A device=([blkback]=xvda [qdisk]=xvdb [raw]=xvdc [vhd]=xvdd)
backends="blkback qdisk raw vhd"
random "$tmp/content" $size
for name in blkback qdisk raw; do
	cp "$tmp/content" "$tmp/$name"
done
vhd-util create -n "$tmp/vhd" -s $size
ok "the VHD is filled" fill "vhd:$tmp/vhd" "$tmp/content"
rm "$tmp/content"

vcpus=1 memory=448 extra="tsc=reliable clocksource=tsc"
config='cpus="1"
tsc_mode="native"'
ok "a guest starts with a disk of each" guest g pv \
	"format=raw,vdev=xvda,access=rw,target=$tmp/blkback" \
	"backendtype=qdisk,format=raw,vdev=xvdb,access=rw,target=$tmp/qdisk" \
	"$(tap raw xvdc "$tmp/raw")" "$(tap vhd xvdd "$tmp/vhd")"
domid=$(xl domid g)
fio_raw xvda --ioengine=null --rw=randread --bs=4k --number_ios=20000 >/dev/null

for qd in 1 32; do
	for rw in randread randwrite; do
		row $rw.4k.qd$qd $((qd == 1 ? 2000 : 8000)) \
			--rw=$rw --bs=4k --iodepth=$qd
	done
done
for rw in read write; do
	row $rw.1m.qd4 128 --rw=$rw --bs=1m --iodepth=4
done
# The first again, as the last: it must come out the same.
mv "$tmp/table" "$tmp/first"
backends=blkback row randread.4k.qd32 8000 --rw=randread --bs=4k --iodepth=32
mv "$tmp/first" "$tmp/table"

for name in blkback qdisk raw vhd; do
	ok "$name: random writes are verified" fio_in g "/dev/${device[$name]}" \
		--size=8m
	sums[${#sums[@]}]=$(in_guest g \
		"head -c 8388608 /dev/${device[$name]} | sha256sum" | some)
done
ok "the guest ends" destroy g
serve "vhd:$tmp/vhd"
nbdcopy "$address" "$tmp/copy"
unserve
is "domain 0 reads the same" \
	"$(for name in blkback qdisk raw copy; do
		head -c 8M "$tmp/$name" | sum
	done)" "$(printf '%s\n' "${sums[@]}")"
figures
finish
