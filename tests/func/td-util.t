#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# td-util, as old storage managers call it.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$dir" || exit 1
T=td-util

is "create" "$($T create vhd 11 a.vhd 2>&1; echo $?)" 0
is "snapshot" "$($T snapshot vhd b.vhd a.vhd 2>&1; echo $?)" 0
is "query -vpfb, as drivers call it" "$($T query vhd -vpfb b.vhd)" \
	"12
$dir/a.vhd
hidden: 0"
is "the lines have one order" "$($T query vhd -d -f -p -v a.vhd)" \
	"12
a.vhd has no parent
hidden: 0
chain depth: 1"
is "chain depth" "$($T query vhd -d b.vhd)" "chain depth: 2"
is "set hidden" "$($T set vhd a.vhd hidden 1; $T query vhd -f a.vhd)" \
	"hidden: 1"
ok "both are valid" vhd-util check -n b.vhd
is "a limit to the depth" "$($T snapshot vhd -l 2 c.vhd b.vhd 2>/dev/null
	echo $?)" "snapshot depth exceeded: current depth: 2, limit: 2
28"
ok "makes nothing" test ! -e c.vhd
is "a fixed image" "$($T create vhd -r 4 f.vhd; stat -c %s f.vhd)" 4194816
is "a plain disk" "$($T create aio 3 raw; $T query aio -vpfd raw)" \
	"3
raw has no parent
hidden: 0
chain depth: 1"
is "a plain parent" "$($T snapshot vhd -m m.vhd raw; $T query vhd -vp m.vhd)" \
	"3
$dir/raw"
head -c 12288 /dev/zero | tr '\0' x | dd of=a.vhd bs=1 conv=notrunc \
	seek=$(($(stat -c %s a.vhd) - 512)) count=512 2>/dev/null
is "-b takes the footer at the start" "$($T query vhd -vb a.vhd)" 12

fails_with 17 "what is there is not written over" $T create vhd 4 b.vhd
is "a missing image" "$($T query vhd -v none 2>/dev/null; echo $?)" \
	"failed opening none: -2
2"
rm raw
is "a missing parent" "$($T query vhd -p m.vhd 2>/dev/null; echo $?)" \
	"query failed
2"
fails_with 22 "a plain file has no snapshots" $T snapshot aio x a.vhd
fails_with 22 "a field that is none" $T set vhd b.vhd colour 1
fails_with 22 "a size that is none" $T create vhd 4M c.vhd
fails_with 255 "no arguments" $T
is "are told the usage" "$($T | head -1)" "Tapdisk Utilities: v1.0.0"
fails_with 255 "another type" $T query qcow a.vhd
fails_with 255 "too few words" $T set vhd a.vhd hidden
missing=
for o in $($T | grep -oE '\[-[a-z] ' | tr -d '[' | sort -u); do
	grep -q "Fl ${o#-}" "$top/tools/td-util.8" || missing+=" $o"
done
is "the manual has every option" "$missing" ""
done_testing
