#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A disk over NBD, used by nbdinfo, nbdcopy, qemu-img, qemu-io and fio.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/../func/lib.sh"
# shellcheck source=tests/interop/nbd.sh
. "$(dirname "$0")/nbd.sh"
requires nbdinfo nbdcopy qemu-img qemu-io fio

verified() {
	local said
	said=$(cd "$dir" && fio --name=v --ioengine=nbd --uri="$uri" \
		--bs="$1" --size=16m --iodepth=32 --rw=randwrite \
		--verify=crc32c --verify_fatal=1 2>&1)
	echo "$said"
	[[ $said == *"err= 0"* ]]
}

both_at_once() {
	(cd "$dir" && fio --ioengine=nbd --uri="$uri" --bs=4k --iodepth=16 \
		--rw=randwrite --verify=crc32c --verify_fatal=1 \
		--name=a --offset=0 --size=8m \
		--name=b --offset=32m --size=8m) >"$dir/fio" 2>&1
	cat "$dir/fio"
	[ "$(grep -c 'err= 0' "$dir/fio")" = 2 ]
}

make_data data
for kind in aio vhd; do
	spec=$(make_image $kind a)
	serve "$spec"
	info=$(nbdinfo "$uri")
	has "$kind: the new style is spoken" "$info" "newstyle-fixed"
	has "$kind: with structured replies" "$info" "structured packets"
	for flag in can_flush can_fua can_multi_conn can_zero can_cache can_df; do
		has "$kind: $flag" "$info" "$flag: true"
	done
	has "$kind: it may be written" "$info" "is_read_only: false"
	has "$kind: any byte may be asked for" "$info" "block_size_minimum: 1"
	has "$kind: preferred size" "$info" "block_size_preferred: 4096"
	has "$kind: largest size" "$info" "block_size_maximum: 2097152"
	is "$kind: the size" "$(nbdinfo --size "$uri")" 67108864
	has "$kind: the export's name" "$(nbdinfo --list "$uri")" \
		'export="tapdisk_client"'
	is "$kind: another name means the same disk" \
		"$(nbdinfo --size "nbd+unix:///any?socket=$sock")" 67108864
	like "$kind: an empty disk is one hole" "$(nbdinfo --map "$uri")" \
		'^ *0 +67108864 +3 +hole,zero$'

	ok "$kind: nbdcopy writes it" nbdcopy "$dir/data" "$uri"
	ok "$kind: nbdcopy reads it" nbdcopy "$uri" "$dir/back"
	ok "$kind: the bytes are the same" cmp "$dir/data" "$dir/back"
	ok "$kind: one connection, one request at a time" \
		nbdcopy --synchronous "$uri" "$dir/back"
	ok "$kind: the same bytes again" cmp "$dir/data" "$dir/back"
	ok "$kind: qemu-img compares" \
		qemu-img compare -f raw -F raw "$uri" "$dir/data"
	like "$kind: a full disk is all data" "$(nbdinfo --map "$uri")" \
		'^ *0 +67108864 +0 +data$'

	ok "$kind: aligned" io_same 'write -P 1 0 4k' 'write -P 2 4k 60k' \
		'read -P 1 0 4k' 'read -P 2 4k 60k'
	ok "$kind: unaligned" io_same 'write -P 3 1 510' 'read -P 3 1 510' \
		'read -P 1 0 1' 'read -P 1 511 3585' \
		'write -P 4 4000 200' 'read -P 1 511 3489' \
		'read -P 4 4000 200' 'read -P 2 4200 100'
	ok "$kind: written through" io_same 'write -f -P 5 8k 8k' \
		'read -P 5 8k 8k' flush
	ok "$kind: zeroes" io_same 'write -P 6 1M 1M' 'write -z 1M 64k' \
		'write -z -u 1200001 12345' 'read -P 0 1M 64k' \
		'read -P 0 1200001 12345' 'read -P 6 1114112 85889' \
		'read -P 6 1212346 900'
	ok "$kind: discard" io_same 'discard 8M 4M' 'read 8M 4M'
	ok "$kind: what is large" io_same 'write -P 7 16M 32M' \
		'read -P 7 16M 32M'
	fails_with 1 "$kind: past the end" \
		qemu-io -f raw -c 'read 64M 512' "$uri"
	ok "$kind: fio verifies what it wrote, by 4 KiB" verified 4k
	ok "$kind: by any size" verified 512-70000
	ok "$kind: two clients at once" both_at_once
	ok "$kind: nbdcopy reads what is there now" nbdcopy "$uri" "$dir/back"
	ok "$kind: destroy" unserve
	serve "$spec"
	ok "$kind: and another tapdisk reads the same" \
		qemu-img compare -f raw -F raw "$uri" "$dir/back"
	ok "$kind: destroy again" unserve
	ok "$kind: no client's socket is left" \
		test -z "$(ls "$BLKTAP_CONTROL_DIR"/nbd* 2>/dev/null)"
done

ok "the image itself has what was written" \
	qemu-img compare -f vpc -F raw "$dir/a.vhd" "$dir/back"
spec=$(make_image aio b)
dd if="$dir/data" of="$dir/b.img" bs=64k seek=16 count=3 \
	conv=notrunc,fsync status=none
serve "$spec"
like "the map is that of the file" "$(nbdinfo --map "$uri" | tr -s ' \n' ' ')" \
	'^ 0 1048576 3 hole,zero 1048576 196608 0 data 1245184 65863680 3 hole,zero $'
ok "qemu-img converts from it" \
	qemu-img convert -f raw -O raw "$uri" "$dir/back"
ok "to the same bytes" cmp "$dir/b.img" "$dir/back"
ok "qemu-img converts to it" \
	qemu-img convert -n -f raw -O raw "$dir/data" "$uri"
ok "and finds them there" qemu-img compare -f raw -F raw "$uri" "$dir/data"
ok "destroy" unserve

serve "$spec" -R
info=$(nbdinfo "$uri")
has "a read-only disk says so" "$info" "is_read_only: true"
has "and offers no trim" "$info" "can_trim: false"
fails_with 1 "nor is it written" qemu-io -f raw -c 'write 0 512' "$uri"
ok "but read" qemu-io -r -f raw -c 'read 0 512' "$uri"
old="nbd+unix:///?socket=$BLKTAP_CONTROL_DIR/nbd-old$pid.$minor"
has "the old socket greets the old way" "$(nbdinfo "$old")" "oldstyle"
is "with the size" "$(nbdinfo --size "$old")" 67108864
ok "and is read" nbdcopy "$old" "$dir/back"
ok "exactly" cmp "$dir/b.img" "$dir/back"
ok "destroy the read-only one" unserve
done_testing
