#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A disk with sectors of 4096 bytes, and a file on it, which has 512.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/../func/lib.sh"
# shellcheck source=tests/interop/nbd.sh
. "$(dirname "$0")/nbd.sh"
requires qemu-io losetup mkfs.ext4

truncate -s 64M "$dir/dev.img"
loop=$(losetup --find --show -b 4096 "$dir/dev.img" 2>/dev/null)
trap 'cleanup 2>/dev/null; umount "$dir/mnt" 2>/dev/null
	[ -z "$loop" ] || losetup -d "$loop"; rm -rf "$dir"' EXIT
mkdir "$dir/mnt"
if [ -z "$loop" ] || ! mkfs.ext4 -q -b 4096 "$loop" 2>/dev/null ||
	! mount "$loop" "$dir/mnt" 2>/dev/null; then
	echo "1..0 # SKIP no device with such sectors can be made here"
	exit 0
fi

# The last size that a tapdisk has logged.
sectors() {
	grep -ho '[0-9]* sectors of [0-9]*' "$BLKTAP_LOG_DIR/tapdisk.$pid.log" |
		tail -1
}

truncate -s 8M "$dir/mnt/file.img"
serve "aio:$dir/mnt/file.img"
is "a file has sectors of 512" "$(sectors)" "16384 sectors of 512"
ok "each of which can be written" io_same 'write -P 1 512 512' \
	'write -P 2 4608 1024' flush 'read -P 1 512 512' 'read -P 2 4608 1024' \
	'read -P 0 1024 512'
ok "destroy" unserve
vhd-util create -n "$dir/mnt/a.vhd" -s 8
serve "vhd:$dir/mnt/a.vhd"
ok "so has a VHD" io_same 'write -P 1 512 512' flush 'read -P 1 512 512' \
	'read -P 0 0 512'
ok "destroy" unserve
ok "which is sound" vhd-util check -n "$dir/mnt/a.vhd"
umount "$dir/mnt"
for how in "" -D; do
	# shellcheck disable=SC2086
	serve "aio:$loop" $how
	is "the device has its own ($how)" "$(sectors)" "16384 sectors of 4096"
	ok "and what is less is read, changed and written" io_same \
		'write -P 1 512 512' flush 'read -P 1 512 512' 'write -P 3 0 8k' \
		'read -P 3 0 8k' 'write -P 4 8191 2' 'read -P 4 8191 2' \
		'read -P 3 8190 1'
	ok "destroy" unserve
done
done_testing
