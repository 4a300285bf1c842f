# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# features.t - rings of several pages, several queues, indirect requests and
# persistent grants on and off: what the guest says it got, what XenStore says,
# and that it works. The images are block devices, whose driver is given the
# guest's pages to read and write where they are.
# xen: 4.20
# limit: 500
set -u
. ./lib.sh

frontend() {
	xenstore-read "/local/domain/$(xl domid g)/device/vbd/51712/$1" 2>&1
}

# counted COUNTER: of all rings.
counted() {
	tap-ctl stats -p "$pid" -m "$minor" | grep -o "\"$1\": *[a-z0-9]*" |
		sed 's/.*: *//' | awk '{ n += $1; last = $1 }
		END { print last ~ /^[a-z]/ ? last : n }'
}

# shares PERSISTENT: whether the disk has used the guest's pages.
shares() {
	read -r pid minor _ < <(tap-ctl list | sed 's/pid=//; s/minor=//')
	is "$name: no disk that refuses a page" "$(counted copying)" false
	if [ "$1" = enabled ]; then
		ok "$name: pages are used as they are" \
			[ "$(counted shared)" -gt 1000 ]
	else
		is "$name: no page is used as it is" "$(counted shared)" 0
		is "$name: none is mapped" "$(counted mapped)" 0
	fi
}

# try NAME MODULE-OPTIONS QUEUES ORDER SEGMENTS INDIRECT PERSISTENT
try() {
	local name=$1 option
	# Of persistent pages it takes as many as its rings may need, at once.
	extra='' memory=$(($4 == 0 ? 256 : 384))
	for option in $2; do
		extra="$extra blkfront.$option"
	done
	truncate -s 16M "$tmp/a"
	loop=$(losetup -f --show "$tmp/a")
	ok "$name: a guest starts" guest g pv "$(tap raw xvda "$loop")"
	is "$name: its queues" \
		"$(in_guest g 'ls /sys/block/xvda/mq | wc -l')" "$3"
	[ "$3" = 1 ] || is "$name: the queues in XenStore" \
		"$(frontend multi-queue-num-queues)" "$3"
	[ "$4" = 0 ] || is "$name: the ring's order in XenStore" \
		"$(frontend ring-page-order)" "$4"
	is "$name: segments a request" \
		"$(in_guest g 'cat /sys/block/xvda/queue/max_segments')" "$5"
	ok "$name: its log says so" in_guest g \
		"dmesg | grep 'xvda: flush diskcache: enabled; persistent grants: $7; indirect descriptors: $6;'"
	ok "$name: random writes are verified" fio_in g /dev/xvda \
		--bsrange=4k-256k
	is "$name: domain 0 reads the same" "$(sum "$tmp/a")" \
		"$(sum_in g /dev/xvda)"
	shares "$7"
	ok "$name: it ends" destroy g
	losetup -d "$loop"
}

vcpus=1 try "one page" "" 1 0 32 enabled enabled
vcpus=1 try "neither indirect requests nor persistent grants" \
	"max_indirect_segments=11 feature_persistent=0" 1 0 11 disabled disabled
vcpus=2 try "two queues of four pages" \
	"max_queues=2 max_ring_page_order=2 max_indirect_segments=64" \
	2 2 64 enabled enabled
finish
