# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# takeover-queues.t - a disk of two queues of four pages goes to our ring and
# back, and ends with its guest while it is ours.
# limit: 900
set -u
. ./lib.sh
. ./takeover.sh

random "$tmp/a" 16
echo 2 >/sys/module/xen_blkback/parameters/max_queues
boot=180 vcpus=2 memory=512 over "a file, two queues" 5 "$tmp/a" \
	"indirect descriptors: enabled" \
	max_queues=2 max_ring_page_order=2 max_indirect_segments=256
is "it has two queues of four pages" "$(xenstore-read \
"/local/domain/$(xl domid g)/device/vbd/51712/multi-queue-num-queues") \
$(xenstore-read \
"/local/domain/$(xl domid g)/device/vbd/51712/ring-page-order")" "2 2"
is "domain 0 reads the same" "$(sum "$tmp/a")" "$seen"
move takeover >"$tmp/move"
ok "the guest ends while it is ours" destroy g
ok "and the tapdisk with it" until_ 10 no_tapdisk
echo 1 >/sys/module/xen_blkback/parameters/max_queues
finish
