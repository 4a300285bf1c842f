#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Writes go to a second place as well: what moves a disk to another host.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/../func/lib.sh"
# shellcheck source=tests/interop/nbd.sh
. "$(dirname "$0")/nbd.sh"
requires nbdkit qemu-io python3 fio

server=
start_server() {
	rm -f "$dir/far"
	nbdkit -f -U "$dir/far" file "$dir/far.img" </dev/null \
		>"$dir/nbdkit" 2>&1 &
	server=$!
	eventually test -S "$dir/far"
}

stop_server() {
	[ -n "$server" ] && kill -"${1:-TERM}" "$server" 2>/dev/null
	wait "$server" 2>/dev/null
	server=
}
trap 'stop_server CONT; stop_server KILL; cleanup' EXIT

hand() {
	python3 "$(dirname "$0")/nbd-client.py" hand \
		"$BLKTAP_CONTROL_DIR/nbdclient$pid" "$dir/far" "$1"
}

mirror_failed() {
	tap-ctl stats -p "$pid" -m "$minor" |
		sed -n 's/.*"nbd_mirror_failed": \([01]\),.*/\1/p'
}

# unpause OPTIONS...
again() {
	tap-ctl pause -p "$pid" -m "$minor" &&
		tap-ctl unpause -p "$pid" -m "$minor" "$@"
}

same() {
	cmp "$dir/near.img" "$dir/far.img"
}

truncate -s 64M "$dir/near.img" "$dir/far.img"
start_server
serve "aio:$dir/near.img"
is "there is a socket to pass descriptors to" \
	"$(stat -c '%F %a' "$BLKTAP_CONTROL_DIR/nbdclient$pid")" "socket 600"
ok "a connection is passed in" hand dp-1
ok "and becomes the disk's mirror" again -2 nbd:dp-1
is "that has not failed" "$(mirror_failed)" 0
ok "writes, zeroes, discards and flushes are served" io_same \
	'write -P 1 0 1M' 'write -P 2 3M 100k' 'write -z 64k 64k' \
	'write -P 3 512 512' 'read -P 2 3M 100k' flush
ok "both have them" same
ok "pause, and unpause without a word of it" again
ok "leave it connected" io_same 'write -P 4 10M 1M' flush
ok "and used" same
ok "so does its name once more" again -2 nbd:dp-1
ok "and it is used" io_same 'write -P 5 11M 1M' flush
ok "as before" same
ok "with much to do" fio --name=w --ioengine=nbd --uri="$uri" --rw=randwrite \
	--bsrange=512-256k --iodepth=16 --io_size=64M --size=64M --randseed=7 \
	--end_fsync=1 --minimal
ok "they are alike" same
is "and it has not failed" "$(mirror_failed)" 0
ok "another takes its place" eval 'hand dp-2 && again -2 nbd:dp-2'
ok "and is written" io_same 'write -P 6 12M 1M' flush
ok "as the first was" same
stop_server KILL
ok "when its server dies a write is served" io_same 'write -P 7 13M 1M' flush
is "and statistics tell of it" "$(mirror_failed)" 1
ok "until it is taken away" again -2 null
is "then they do not" "$(mirror_failed)" 0
ok "a name that nobody passed in" again -2 nbd:nobody
is "is a mirror that failed" "$(mirror_failed)" 1
ok "and the disk is served" io_same 'write -P 8 14M 1M' flush
fails_with 95 "another kind of image is refused" again -2 "vhd:$dir/x.vhd"
ok "and leaves it paused" tap-ctl unpause -p "$pid" -m "$minor" -2 null
ok "destroy" unserve
ok "takes the socket away" eventually test ! -e \
	"$BLKTAP_CONTROL_DIR/nbdclient$pid"

truncate -s 32M "$dir/far.img"
start_server
serve "aio:$dir/near.img" -2 "nbd:$dir/far"
is "half the size is no mirror" "$(mirror_failed)" 1
ok "but the disk is served" io_same 'write -P 9 40M 1M'
ok "destroy" unserve
stop_server

truncate -s 64M "$dir/far.img"
start_server
cp "$dir/near.img" "$dir/far.img"
serve "aio:$dir/near.img" -2 "nbd:$dir/far"
ok "a mirror from the start, by path" io_same 'write -P 9 40M 3M' flush
ok "has all" same
kill -STOP "$server"
ok "one that hangs is given up within the minute" \
	timeout 60 qemu-io -f raw -c 'write -P 10 41M 4k' "$uri"
is "and is told" "$(mirror_failed)" 1
kill -CONT "$server"
ok "destroy" unserve
stop_server
done_testing
