# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2034,SC2154  # lib.sh, and what it sets
# bench.t - what a request costs: ours (raw and VHD, with persistent grants as
# the kernel's backend has them, and copied: raw without), the kernel's backend
# over a loop device, and QEMU's; one guest has a disk of each. For "make
# bench-xen", by
#
#     BENCH='randread.4k.qd1 read.1m.qd4' \
#         tests/xen/run --clock --limit 3000 bench
#
# where BENCH names the rows, if not all. A microsecond is a thousand
# instructions of guest, hypervisor and domain 0 together. A backend's own
# time is that of its threads: for the kernel's, its thread and the workers of
# the loop device. A row is printed when it is done; the figures count only if
# the tests at the end, of the bytes on the disks, all passed.
# limit: 2800
set -u
. ./lib.sh
poll=0.5 size=64
rows=$(cat /rig/share/bench 2>/dev/null)

# pids_of BACKEND: of its threads; the loop device's come and go.
pids_of() {
	case $1 in
	blkback) pgrep "^$domid\.xvdc|^kworker" ;;
	qdisk) pgrep -f "xen-domid $domid" ;;
	*) tap-ctl list -f "$tmp/$1" | sed 's/pid=\([0-9]*\).*/\1/' ;;
	esac
}

# own BACKEND: ns that its threads have run.
own() {
	local pid
	[ "$1" != blkback ] || pids[blkback]=$(pids_of blkback)
	for pid in ${pids[$1]}; do
		cat "/proc/$pid"/task/*/schedstat 2>/dev/null
	done | awk '{ ns += $1 } END { printf "%d\n", ns }'
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

# figures ROW: from $tmp/table, where a line is BACKEND COUNT NS MILLISECONDS.
figures() {
	awk -v row="$1" '
	{ own[$1] = $3 / $2 / 1000; iops[$1] = $2 * 1000 / $4; name[NR] = $1 }
	END { for (n = 1; n <= NR; n++) {
		at = "bench xen." row "." name[n]
		printf "%s.own_us_per_io %.2f us\n", at, own[name[n]]
		printf "%s.iops %.0f per_s\n", at, iops[name[n]]
		printf "%s.iops_ratio %.3f ratio\n", at,
			iops[name[n]] / iops["blkback"]
	} }' "$tmp/table"
}

# rings BACKEND: what its ring counted.
rings() {
	tap-ctl stats -p "${pids[$1]}" -m "$(tap-ctl list -p "${pids[$1]}" |
		sed -n 's/.*minor=\([0-9]*\).*/\1/p')" |
		grep -o '"\(taken\|copied\|mapped\|shared\)": *[0-9]*' | xargs
}

# row NAME COUNT FIO-OPTION...: what it costs each backend.
row() {
	local row=$1 n=$2 backend before ms
	shift 2
	case " ${rows:-$row} " in
	*" $row "*) ;;
	*) return ;;
	esac
	: >"$tmp/table"
	for backend in $backends; do
		# Memory that is taken or mapped at first use, and then kept.
		[[ $row != *.1m.* ]] ||
			fio_raw "${device[$backend]}" --number_ios=16 "$@" \
				>/dev/null
		before=$(own "$backend")
		ms=$(fio_raw "${device[$backend]}" --number_ios="$n" "$@")
		echo "$backend $n $(($(own "$backend") - before)) ${ms:-0}" \
			>>"$tmp/table"
	done
	ok "$row: fio ran on every disk" awk '$4 <= 0 { exit 1 }' "$tmp/table"
	figures "$row"
}

declare -A pids
declare -A device=([raw]=xvda [vhd]=xvdb [blkback]=xvdc [qdisk]=xvdd [copied]=xvde)
backends="raw vhd copied blkback qdisk"
random "$tmp/content" $size
for name in raw copied blkback qdisk; do
	cp "$tmp/content" "$tmp/$name"
done
vhd-util create -n "$tmp/vhd" -s $size
ok "the VHD is filled" fill "vhd:$tmp/vhd" "$tmp/content"
rm "$tmp/content"

vcpus=1 memory=448 extra="tsc=reliable clocksource=tsc"
config='cpus="1"
tsc_mode="native"'
ok "a guest starts with a disk of each" guest g pv \
	"$(tap raw xvda "$tmp/raw")" "$(tap vhd xvdb "$tmp/vhd")" \
	"format=raw,vdev=xvdc,access=rw,target=$tmp/blkback" \
	"backendtype=qdisk,format=raw,vdev=xvdd,access=rw,target=$tmp/qdisk"
domid=$(xl domid g)
# What is connected stays as it is.
kill "$(cat /run/xenio-test.pid)"
until_ 10 sh -c '! pgrep -x xenio'
options=--no-persistent
# shellcheck source=xenio-start
. ./xenio-start
ok "and one of ours without persistent grants" \
	xl block-attach g "$(tap raw xvde "$tmp/copied")"
ok "it sees that" in_guest g 'until [ -b /dev/xvde ]; do sleep 0.1; done'
for name in $backends; do
	pids[$name]=$(pids_of "$name")
	echo "  $name: threads of ${pids[$name]//$'\n'/ }"
done
in_guest g dmesg | grep blkfront: | sed 's/^/  /'
fio_raw xvda --ioengine=null --rw=randread --bs=4k --number_ios=20000 >/dev/null

for qd in 1 32; do
	for rw in randread randwrite; do
		row $rw.4k.qd$qd $((qd == 1 ? 1000 : 4000)) \
			--rw=$rw --bs=4k --iodepth=$qd
	done
done
for rw in read write; do
	row $rw.1m.qd4 64 --rw=$rw --bs=1m --iodepth=4
done

for name in raw vhd copied; do
	echo "  $name: $(rings "$name")"
done

for name in $backends; do
	ok "$name: random writes are verified" fio_in g "/dev/${device[$name]}" \
		--size=2m
	sum=$(in_guest g "head -c 8388608 /dev/${device[$name]} | sha256sum")
	sums="${sums-}$(some <<<"$sum")
"
done
ok "the guest ends" destroy g
serve "vhd:$tmp/vhd"
nbdcopy "$address" "$tmp/copy"
unserve
is "domain 0 reads the same" "$(for name in raw copy copied blkback qdisk; do
	head -c 8M "$tmp/$name" | sum
done)
" "$sums"
finish
