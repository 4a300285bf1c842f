#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhd-util read at the ends of an image, and where messages of key go.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
requires python3
cd "$dir" || exit 1
V=vhd-util

$V create -n a.vhd -s 1024
$V fill -n a.vhd -t 10
$V fill -n a.vhd -f 4096 -t 8191
is "the last byte is there" "$($V read -n a.vhd -R 1073741823 | wc -c)" 1
fails_with 34 "one behind it is not" $V read -n a.vhd -R 1073741824
is "nothing of it is printed but why" \
	"$($V read -n a.vhd -R 1073741824 2>&1)" "error reading a.vhd: -34"
fails_with 34 "nor is a sector" $V read -n a.vhd -r 2097152
fails_with 34 "nor are two of which one is" $V read -n a.vhd -r 2097151 -c 2
is "several questions are all answered" "$($V read -n a.vhd -b 0 -t 4096)" \
	"logical sector 4096: block number: 1, sector offset: 0, file offset: 4120
block: 0: offset: 15"
is "each with its own number" "$($V read -n a.vhd -i 4095 -e 11)" \
	"block 0: sec: 4095: 0
4096 4096"

# The batmap's word: on stderr for callers of one lineage, on stdout for
# those of the other, and once where both are one.
is "read -j on stdout" "$($V read -n a.vhd -j 1 2>/dev/null)" \
	"batmap for block 1: 1"
is "and on stderr" "$($V read -n a.vhd -j 0 2>&1 >/dev/null)" \
	"batmap for block 0: 0"
is "once" "$($V read -n a.vhd -j 0 2>&1)" "batmap for block 0: 0"

# Standard output of key is for data.
is "key: a mistake" "$($V key 2>/dev/null; echo $?)" 22
like "is told on stderr" "$($V key 2>&1 >/dev/null)" "^usage: vhd-util key "
is "help too" "$($V key -h 2>/dev/null; echo $?)" 0
is "an image that is not there" "$($V key -p -n none 2>/dev/null; echo $?)" 2
head -c 32 /dev/zero >zero
is "a nonce that is none" "$($V key -C -k zero -N 12 2>&1; echo $?)" \
	"12: not 64 hexadecimal digits
22"
is "a hash that is none" "$($V key -s -n a.vhd -H xy 2>&1; echo $?)" \
	"can't save key hashes for non-empty vhds
22"
$V create -n b.vhd -s 2
is "of an empty image" "$($V key -s -n b.vhd -H xy 2>&1; echo $?)" \
	"xy: not 64 hexadecimal digits
22"

# A locator whose bytes are not where locators are. The header's checksum is
# made right again.
$V snapshot -n c.vhd -p a.vhd
locator() {
	cp c.vhd m.vhd
	python3 - "$1" "$2" <<'PY'
import struct, sys
d = bytearray(open("m.vhd", "rb").read())
at, v = 512 + int(sys.argv[1]), bytes.fromhex(sys.argv[2])
d[at:at + len(v)] = v
d[548:552] = bytes(4)
d[548:552] = struct.pack(">I", ~sum(d[512:1536]) & 0xffffffff)
open("m.vhd", "wb").write(d)
PY
	$V check -n m.vhd | head -1
}
H="differencing header is invalid: locator 0: invalid"
is "a locator in the header" "$(locator 592 0000000000000200)" \
	"$H data offset"
is "one behind the end" "$(locator 592 0000000100000000)" "$H data offset"
is "one of four gigabytes" "$(locator 580 ffffffff)" "$H space"
is "one that counts sectors" "$(locator 580 00000001)" "m.vhd is valid"

# Version 1.1 added up signed characters, in all of its sums.
$V create -n old.vhd -s 8
$V fill -n old.vhd -t 4095
python3 - <<'PY'
import struct
d = bytearray(open("old.vhd", "rb").read())
def signed(at, end, where):
    d[where:where + 4] = bytes(4)
    total = sum(b - 256 if b > 127 else b for b in d[at:end])
    d[where:where + 4] = struct.pack(">I", ~total & 0xffffffff)
for at in (0, len(d) - 512):
    d[at + 32:at + 36] = bytes.fromhex("00010001")
    signed(at, at + 512, at + 64)
signed(512, 1536, 548)
signed(2560, 3072, 2072)
open("old.vhd", "wb").write(d)
PY
is "its footer, header and batmap are good" \
	"$($V read -p -n old.vhd 2>&1 | grep -c '(Good!)')" 3
is "and valid" "$($V check -n old.vhd)" "old.vhd is valid"
is "the batmap counts" "$($V read -j 0 -n old.vhd 2>/dev/null)" \
	"batmap for block 0: 1"
done_testing
