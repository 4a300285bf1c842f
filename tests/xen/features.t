# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# features.t - rings of several pages, several queues, indirect requests on
# and off: what the guest says it got, what XenStore says, and that it works.
# xen: 4.20
# limit: 500
set -u
. ./lib.sh

frontend() {
	xenstore-read "/local/domain/$(xl domid g)/device/vbd/51712/$1" 2>&1
}

# try NAME MODULE-OPTIONS QUEUES ORDER SEGMENTS INDIRECT
try() {
	local name=$1 option
	extra='' memory=256
	for option in $2; do
		extra="$extra blkfront.$option"
	done
	truncate -s 16M "$tmp/a"
	ok "$name: a guest starts" guest g pv "$(tap raw xvda "$tmp/a")"
	is "$name: its queues" \
		"$(in_guest g 'ls /sys/block/xvda/mq | wc -l')" "$3"
	[ "$3" = 1 ] || is "$name: the queues in XenStore" \
		"$(frontend multi-queue-num-queues)" "$3"
	[ "$4" = 0 ] || is "$name: the ring's order in XenStore" \
		"$(frontend ring-page-order)" "$4"
	is "$name: segments a request" \
		"$(in_guest g 'cat /sys/block/xvda/queue/max_segments')" "$5"
	ok "$name: its log says so" in_guest g \
		"dmesg | grep 'xvda: flush diskcache: enabled;.*indirect descriptors: $6;'"
	ok "$name: random writes are verified" fio_in g /dev/xvda \
		--bsrange=4k-256k
	is "$name: domain 0 reads the same" "$(sum "$tmp/a")" \
		"$(sum_in g /dev/xvda)"
	ok "$name: it ends" destroy g
}

vcpus=1 try "one page" "" 1 0 32 enabled
vcpus=1 try "no indirect requests" max_indirect_segments=11 1 0 11 disabled
vcpus=2 try "two queues of four pages" \
	"max_queues=2 max_ring_page_order=2 max_indirect_segments=256" \
	2 2 256 enabled
finish
