#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What fails, with which status, and that it leaves nothing behind.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

ctl() {
	tap-ctl "$@" 2>/dev/null
}

truncate -s 1M "$dir/a.img"
a=aio:$dir/a.img
fails_with 2 "free of what is not allocated" tap-ctl free -m 7
fails_with 2 "attach to no tapdisk" tap-ctl attach -p 999999 -m 0
is "list of no tapdisk is empty" "$(tap-ctl list -p 999999; echo $?)" 0
start_disk "$a"
fails_with 17 "attach twice" tap-ctl attach -p "$pid" -m "$minor"
fails_with 114 "open twice" tap-ctl open -p "$pid" -m "$minor" -a "$a"
fails_with 22 "open of what is not attached" \
	tap-ctl open -p "$pid" -m 5 -a "$a"
fails_with 19 "close of what is not attached" tap-ctl close -p "$pid" -m 5
fails_with 19 "pause of what is not attached" tap-ctl pause -p "$pid" -m 5
fails_with 19 "stats of what is not attached" tap-ctl stats -p "$pid" -m 5
is "and stats print nothing then" "$(ctl stats -p "$pid" -m 5)" ""
fails_with 19 "detach of what is not attached" tap-ctl detach -p "$pid" -m 5
fails_with 22 "unpause of what is not paused" tap-ctl unpause -p "$pid" -m 0
fails_with 1 "attach without a marker" tap-ctl attach -p "$pid" -m 9

other=$(tap-ctl spawn)
fails_with 16 "attach of another's minor" tap-ctl attach -p "$other" -m 0
is "list keeps the other" "$(tap-ctl list -p "$other")" "pid=$other"
tap-ctl allocate >/dev/null
ok "attach of one's own" tap-ctl attach -p "$other" -m 1
fails_with 22 "no colon in -a" tap-ctl open -p "$other" -m 1 -a "$dir/a.img"
fails_with 2 "unknown type" tap-ctl open -p "$other" -m 1 -a nonsense:/x
fails_with 2 "missing file" tap-ctl open -p "$other" -m 1 -a "aio:$dir/no"
is "a failed open leaves no trace" "$(tap-ctl list -p "$other")" \
	"pid=$other minor=1 state=0"
long=$(printf '%0300d' 0)
fails_with 36 "a name that does not fit is not cut" \
	tap-ctl open -p "$other" -m 1 -a "aio:$long"
truncate -s 1M "$dir/free.img"
refused() {
	fails_with "$1" "open $2 is refused" \
		eval "tap-ctl open -p '$other' -m 1 -a aio:$dir/free.img $2"
	has "and says why" \
		"$(eval "tap-ctl open -p '$other' -m 1 -a aio:$dir/free.img $2" 2>&1)" "$3"
}
refused 95 "-r" "(-r) is not served in this version"
refused 2 "-e 7" "minor 7: 0 tapdisks serve it (-e)"
refused 22 "-e 1" "minor 1: it cannot be its own parent (-e)"
refused 22 "-2 aio:/x" "it has no parent, which -2 and -e need"
refused 22 "-2 aio" "'aio': no secondary image"
refused 22 "-s" "a standby (-s) of what? -2 names it"
refused 22 "-s -2 null" "a standby (-s) of what? -2 names it"
refused 95 "-s -2 nbd:/x" "as a standby (-s), if it is an NBD server"
refused 95 "-C '$dir/log' -2 vhd:/x" "together with a change log, but for nbd:"
has "the tapdisk's sentence comes first" "$(
	tap-ctl open -p "$other" -m 1 -a nonsense:/x 2>&1 | head -1)" nonsense
is "the words of the errno come last" "$(
	tap-ctl open -p "$other" -m 1 -a nonsense:/x 2>&1 | tail -1)" \
	"No such file or directory"

# create that fails undoes what it did.
before=$(tap-ctl list)
fails_with 2 "create of nothing" tap-ctl create -a "aio:$dir/no"
same_list() {
	[ "$(tap-ctl list)" = "$before" ]
}
ok "create that failed leaves nothing" eventually same_list

# Keys.
key() {
	head -c "$1" /dev/zero |
		tap-ctl open -p "$other" -m 1 -a "$a" "${@:2}" 2>&1
	echo "$?"
}
is "a key of 33 bytes" "$(key 33 -E)" \
	"Unsupported keysize, use either 256 bit or 512 bit key
1"
is "no key" "$(key 0 -E | tail -1)" 1
is "a key given twice" "$(key 32 -E -E)" "Only supply -E once
1"

# What decides between a ring and a block device.
fails_with 19 "a block device is not there" tap-ctl allocate -t blktap2
fails_with 19 "nor for a device name" tap-ctl allocate -d /dev/x
fails_with 22 "a ring has no device name" tap-ctl allocate -t xenio -d /dev/x
is "nothing was printed or taken" "$(ctl allocate -t blktap2; ctl list)" \
	"$(ctl list)"
fails_with 19 "Xen's script for block devices" \
	env XENBUS_TYPE=vbd tap-ctl allocate
ok "Xen's script for rings" env XENBUS_TYPE=vbd3 tap-ctl allocate
ok "-t is stronger than the script" \
	env XENBUS_TYPE=vbd tap-ctl allocate -t xenio
echo "transport = xenio" >"$BLKTAP_CONF"
fails_with 19 "the script is stronger than the configuration" \
	env XENBUS_TYPE=vbd tap-ctl allocate
ok "the configuration says ring" tap-ctl allocate
echo "transport = blktap2" >"$BLKTAP_CONF"
fails_with 19 "which can ask for a block device" tap-ctl allocate
echo "transport = nonsense" >"$BLKTAP_CONF"
fails_with 22 "and may not be nonsense" tap-ctl allocate
rm "$BLKTAP_CONF"

# All minors but one.
(cd "$BLKTAP_CONTROL_DIR/tapdisk" && seq -f 'tapdisk-%g' 0 16383 | xargs touch)
fails_with 28 "no minor is left" tap-ctl allocate
is "and nothing is printed" "$(ctl allocate)" ""
tap-ctl free -m 9999
is "the one that is free is found" "$(tap-ctl allocate)" \
	"$BLKTAP_CONTROL_DIR/tapdisk/tapdisk-9999"
done_testing
