#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A leaf on a small local disk, before a parent that another tapdisk has and
# an image on the storage that all share: what IntelliCache makes.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/../func/lib.sh"
# shellcheck source=tests/interop/nbd.sh
. "$(dirname "$0")/nbd.sh"
requires qemu-io
mkdir "$dir/small"
if ! mount -t tmpfs -o size=4M none "$dir/small" 2>/dev/null; then
	echo "1..0 # SKIP no file system may be mounted here"
	exit 0
fi
trap 'cleanup 2>/dev/null; umount "$dir/small"; rm -rf "$dir"' EXIT

stat_of() {
	tap-ctl stats -p "$pid" -m "$minor" | grep -o "\"$1\": [0-9]*"
}

again() {
	tap-ctl pause -p "$pid" -m "$minor" &&
		tap-ctl unpause -p "$pid" -m "$minor"
}

much_redirected() {
	[ "$(stat_of FIXME_enospc_redirect_count | tr -dc 0-9)" -gt 2048 ]
}

vhd-util create -n "$dir/base.vhd" -s 64
serve "vhd:$dir/base.vhd"
io 'write -P 1 0 64M' >/dev/null
unserve
serve "vhd:$dir/base.vhd" -R
base_pid=$pid base=$minor
leaf() {
	rm -f "$dir/small/leaf.vhd" "$dir/shared.vhd"
	vhd-util snapshot -n "$dir/small/leaf.vhd" -p "$dir/base.vhd"
	vhd-util snapshot -n "$dir/shared.vhd" -p "$dir/base.vhd"
}

leaf
serve "vhd:$dir/small/leaf.vhd" -e "$base"
has "the parent is what another tapdisk serves" \
	"$(tap-ctl stats -p "$pid" -m "$minor")" \
	"{ \"name\": \"$BLKTAP_CONTROL_DIR/nbd$base_pid.$base\", "
ok "and is read" io_same 'read -P 1 0 1M' 'write -P 2 0 64k' 'read -P 2 0 64k' \
	'read -P 1 64k 64k'
ok "pause and unpause find it again" again
ok "and it is read" io_same 'read -P 2 0 64k' 'read -P 1 64k 64k'
ok "destroy" unserve

leaf
serve "vhd:$dir/small/leaf.vhd" -e "$base" -2 "vhd:$dir/shared.vhd" -s
flag=$dir/tapdisk-enospc$minor
ok "a standby is there and nothing is said" test ! -e "$flag"
ok "what fits into the leaf is written" io_same 'write -P 3 0 64k'
is "none of it to the standby" "$(stat_of FIXME_enospc_redirect_count)" \
	'"FIXME_enospc_redirect_count": 0'
ok "and more than fits as well" io_same 'write -P 4 8M 4M' 'write -P 5 20M 1M' \
	flush 'read -P 4 8M 4M' 'read -P 5 20M 1M' 'read -P 3 0 64k' \
	'read -P 1 64k 64k'
is "there is a flag, for all to read" "$(stat -c %a "$flag")" 644
ok "statistics count what was redirected" much_redirected
ok "pause and unpause" again
ok "forget nothing" io_same 'read -P 4 8M 4M' 'read -P 5 20M 1M' \
	'read -P 3 0 64k' 'read -P 1 64k 64k' 'write -P 6 0 4k' 'read -P 6 0 4k'
tap-ctl pause -p "$pid" -m "$minor"
fails_with 22 "nor may another image be named" \
	tap-ctl unpause -p "$pid" -m "$minor" -a "vhd:$dir/base.vhd"
ok "destroy" unserve

leaf
serve "vhd:$dir/small/leaf.vhd" -e "$base" -2 "vhd:$dir/shared.vhd"
ok "the flag is taken down" test ! -e "$flag"
ok "a copy is written as well, and takes over" io_same 'write -P 3 0 64k' \
	'write -P 4 8M 4M' 'write -P 5 20M 1M' flush 'read -P 4 8M 4M' \
	'read -P 5 20M 1M' 'read -P 3 0 64k' 'read -P 1 64k 64k'
ok "with a flag" test -e "$flag"
is "and has not failed" "$(stat_of nbd_mirror_failed)" '"nbd_mirror_failed": 0'
ok "destroy" unserve
pid=$base_pid minor=$base
ok "and the parent" unserve
serve "vhd:$dir/shared.vhd"
ok "the copy has it all by itself" io_same 'read -P 4 8M 4M' 'read -P 5 20M 1M' \
	'read -P 3 0 64k' 'read -P 1 64k 64k'
ok "destroy" unserve
ok "and is sound" vhd-util check -n "$dir/shared.vhd"
done_testing
