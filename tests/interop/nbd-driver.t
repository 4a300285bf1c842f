#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A disk that another NBD server has, and what happens when that dies.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/../func/lib.sh"
# shellcheck source=tests/interop/nbd.sh
. "$(dirname "$0")/nbd.sh"
requires nbdkit qemu-nbd nbdinfo nbdcopy qemu-io qemu-img python3

server=
# start_server SOCKET PLUGIN...: one at a time.
start_server() {
	rm -f "$1"
	nbdkit -f -U "$@" </dev/null >"$dir/nbdkit" 2>&1 &
	server=$!
	eventually test -S "$1"
}

stop_server() {
	[ -n "$server" ] && kill -"${1:-TERM}" "$server" 2>/dev/null
	wait "$server" 2>/dev/null
	server=
}
trap 'stop_server; cleanup' EXIT

patiently() {
	timeout 20 "$@"
}

make_data data
cp "$dir/data" "$dir/k.img"
dd if=/dev/zero of="$dir/k.img" bs=64k seek=16 count=3 conv=notrunc status=none
fallocate -p -o 8M -l 8M "$dir/k.img"
cp --sparse=always "$dir/k.img" "$dir/want"
start_server "$dir/k" file "$dir/k.img"
serve "nbd:$dir/k"
is "the size is the server's" "$(nbdinfo --size "$uri")" 67108864
is "and so is the map" "$(nbdinfo --map "$uri")" \
	"$(nbdinfo --map "nbd+unix:///?socket=$dir/k")"
ok "it is read" patiently nbdcopy "$uri" "$dir/back"
ok "as it is" cmp "$dir/want" "$dir/back"
ok "it is written" patiently nbdcopy "$dir/data" "$uri"
ok "and read again" patiently qemu-img compare -f raw -F raw "$uri" "$dir/data"
ok "the server has it" cmp "$dir/data" "$dir/k.img"
ok "zeroes, unaligned, through and large" io_same \
	'write -z 1M 40M' 'read -P 0 1M 40M' 'write -P 1 777 100000' \
	'read -P 1 777 100000' 'write -f -P 2 4k 4k' 'read -P 2 4k 4k' \
	'discard 50M 1M' 'write -P 3 20M 32M' 'read -P 3 20M 32M' flush
has "statistics know it by its old number" \
	"$(tap-ctl stats -p "$pid" -m "$minor")" '"type": 15, "name": "nbd"'

# All that was changed is flushed: the server may come back.
ok "something is written and flushed" io_same 'write -P 4 0 4k' flush
stop_server KILL
start_server "$dir/k" file "$dir/k.img"
ok "after its death and return the disk goes on" \
	patiently qemu-io -f raw -c 'read -P 4 0 4k' "$uri"
stop_server KILL
patiently qemu-io -f raw -c 'read -P 4 0 4k' "$uri" >"$dir/said" 2>&1 &
reader=$!
# It is asked and cannot answer: one request is open.
asked() {
	tap-ctl stats -p "$pid" -m "$minor" |
		grep -q '"reqs_outstanding": [1-9]'
}
ok "a read waits for a server that is away" eventually asked
start_server "$dir/k" file "$dir/k.img"
wait $reader
is "and is served when it is back" $? 0
is "with what is there" "$(grep -c 'failed' "$dir/said")" 0

# What was changed is not: nobody knows whether the server still has it.
ok "something is written and not flushed" \
	python3 "$(dirname "$0")/nbd-client.py" unflushed "$sock"
stop_server KILL
start_server "$dir/k" file "$dir/k.img"
fails_with 1 "after its death and return nothing is served" \
	patiently qemu-io -f raw -c 'read 0 4k' "$uri"
has "and the log says why" "$(cat "$BLKTAP_LOG_DIR"/*)" "had not flushed"
ok "pause" tap-ctl pause -p "$pid" -m "$minor"
ok "and unpause open it again" tap-ctl unpause -p "$pid" -m "$minor"
ok "and it is served" patiently qemu-io -f raw -c 'read 0 4k' "$uri"
ok "destroy" unserve
stop_server

start_server "$dir/k" --filter=blocksize-policy file "$dir/k.img" \
	blocksize-minimum=512 blocksize-preferred=4096 \
	blocksize-maximum=65536 blocksize-error-policy=error
serve "nbd:$dir/k"
ok "a server that takes 64 KiB at most is given no more" io_same \
	'write -P 5 1M 3M' 'read -P 5 1M 3M'
ok "destroy" unserve
stop_server

start_server "$dir/k" --filter=blocksize-policy file "$dir/k.img" \
	blocksize-minimum=4096 blocksize-preferred=4096 \
	blocksize-maximum=65536 blocksize-error-policy=error
fails_with 22 "one that takes no 512 bytes is refused" \
	start_disk "nbd:$dir/k"
tap-ctl detach -p "$(pids)" -m 0
tap-ctl free -m 0
stop_server

start_server "$dir/k" --filter=error file "$dir/k.img" error-pread=EIO \
	error-pread-rate=1 error-pread-file="$dir/fail"
serve "nbd:$dir/k"
touch "$dir/fail"
fails_with 1 "an error of the server is an error" \
	qemu-io -f raw -c 'read 0 4k' "$uri"
rm "$dir/fail"
ok "and no more than that" patiently qemu-io -f raw -c 'read 0 4k' "$uri"
ok "destroy" unserve
stop_server

fails_with 2 "a server that is not there" start_disk "nbd:$dir/nobody"
done_testing
