# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# takeover-raw.t - a disk on a block device that is neither a loop device nor
# a tapdev goes to our ring and back. It is of the device mapper, as a logical
# volume is, and slow, so that it has requests at work when blkback is unbound.
# xen: by name
# limit: 600
set -u
. ./lib.sh
. ./takeover.sh

random "$tmp/a" 16
# No udev here: dmsetup makes the node itself.
export DM_DISABLE_UDEV=1
modprobe -a dm-mod dm-delay
loop=$(losetup -f --show "$tmp/a")
ok "a slow volume is there" dmsetup create slow \
	--table "0 32768 delay $loop 0 50"
boot=180 over "a slow volume" 2 /dev/mapper/slow "persistent grants: enabled"
is "domain 0 reads the same" "$(sum /dev/mapper/slow)" "$seen"
ok "it goes over for good" move takeover
ok "the guest ends while it is ours" destroy g
ok "and the tapdisk with it" until_ 20 no_tapdisk
ok "the volume is free" until_ 10 dmsetup remove slow
losetup -d "$loop"
finish
