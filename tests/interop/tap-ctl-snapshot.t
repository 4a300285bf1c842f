#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Snapshots of a disk in use, as the storage manager takes them: pause, make
# a child, unpause with the child. A client that writes and verifies all the
# while must notice nothing but a delay.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/../func/lib.sh"
# shellcheck source=tests/interop/nbd.sh
. "$(dirname "$0")/nbd.sh"

requires fio
serve "$(make_image vhd leaf0)" || exit 1
fio --name=writer --ioengine=nbd --uri="$uri" --rw=randwrite --bs=4k \
	--size=16M --iodepth=16 --rate=8M --verify=crc32c --do_verify=1 \
	--verify_fatal=1 --verify_state_save=0 --randseed=7 \
	--output="$dir/fio.out" &
fio=$!
# Of an empty parent vhd-util makes no child, but of that one's parent.
written() {
	tap-ctl stats -p "$pid" -m "$minor" |
		grep -m 1 -o '"blocks_allocated": [0-9]*' | head -n 1 |
		grep -q '[1-9]$'
}
for i in {1..5}; do
	eventually written
	ok "pause $i, with writes under way" tap-ctl pause -m "$minor" -t 20
	ok "snapshot $i" vhd-util snapshot -n "$dir/leaf$i.vhd" \
		-p "$dir/leaf$((i - 1)).vhd"
	ok "unpause $i, with the child" \
		tap-ctl unpause -m "$minor" -a "vhd:$dir/leaf$i.vhd"
done
is "the child is listed" "$(tap-ctl list)" \
	"pid=$pid minor=$minor state=0 args=vhd:$dir/leaf5.vhd"
is "statistics tell all of the chain" \
	"$(tap-ctl stats -p "$pid" -m "$minor" | grep -o '"type": 4' | wc -l)" 6
wait $fio
is "the client has read back all that it wrote" $? 0
ok "destroy" tap-ctl destroy -m "$minor"
for i in {0..5}; do
	ok "leaf$i is well" vhd-util check -n "$dir/leaf$i.vhd"
done
done_testing
