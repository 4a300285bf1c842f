# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# nbd.sh - a disk over NBD, for the interop tests; sourced after lib.sh.

# An image of 64 MiB with some data, of either kind: prints its spec.
make_image() {
	case $1 in
	aio)
		truncate -s 64M "$dir/$2.img"
		echo "aio:$dir/$2.img"
		;;
	vhd)
		vhd-util create -n "$dir/$2.vhd" -s 64 && echo "vhd:$dir/$2.vhd"
		;;
	esac
}

# Sets pid, minor, sock and uri.
serve() {
	start_disk "$@" || return
	sock=$BLKTAP_CONTROL_DIR/nbd$pid.$minor
	uri="nbd+unix:///?socket=$sock"
}

unserve() {
	tap-ctl destroy -p "$pid" -m "$minor"
}

# 64 MiB that are nowhere zero, in $dir/$1.
make_data() {
	yes 'not a hole, not a zero' | head -c 67108864 >"$dir/$1"
}

io() {
	local args=() c
	for c; do args+=(-c "$c"); done
	qemu-io -f raw "${args[@]}" "$uri"
}

# qemu-io prints what differs and ends with 0.
io_same() {
	local said
	said=$(io "$@" 2>&1) || return 1
	echo "$said"
	[[ $said != *rror* && $said != *failed* && $said != *differ* ]]
}
