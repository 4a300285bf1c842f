#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cbt-util, as storage managers call it.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$dir" || exit 1
C=cbt-util
A=11111111-2222-3333-4444-5555aaaabbbb
B=99999999-8888-7777-6666-55554444abcd
bytes() { od -An -v -tx1 "$@" | tr -d ' \n'; }

is "create says nothing" "$($C create -n log -s 1048576 2>&1; echo $?)" 0
is "a log of 1 MiB is 50 bytes long" "$(stat -c %s log)" 50
is "all is clear but the size" "$(bytes -j 32 log)" \
	000000000000000000001000000000000000
is "ids are none" "$($C get -n log -p; $C get -n log -c)" \
	"00000000-0000-0000-0000-000000000000
00000000-0000-0000-0000-000000000000"
is "set -p" "$($C set -n log -p $A; $C get -n log -p)" $A
is "set -c, in capitals" "$($C set -n log -c ${B^^}; $C get -n log -c)" $B
is "set -f" "$($C get -n log -f; $C set -n log -f 1; $C get -n log -f)" "0
1"
is "get -s" "$($C get -n log -s)" 1048576
is "the header is as it has always been" "$(bytes -N 48 log)" \
	111111112222333344445555aaaabbbb9999999988887777666655554444abcd01000000000000000000100000000000
printf '\x05\x80' | dd of=log bs=1 seek=48 conv=notrunc 2>/dev/null
is "get -b is the bitmap" "$($C get -n log -b | bytes)" 0580
is "set -s grows" "$($C set -n log -s 2097153; $C get -n log -s
	$C get -n log -b | bytes)" "2097153
0580000000"
fails_with 22 "it does not shrink" $C set -n log -s 65536
is "and is as it was" "$($C get -n log -s; stat -c %s log)" "2097153
53"

$C create -n parent -s 1048576
printf '\x30\x01' | dd of=parent bs=1 seek=48 conv=notrunc 2>/dev/null
is "coalesce adds the parent's bits to the child's" \
	"$($C coalesce -p parent -c log; $C get -n log -b | bytes)" 3581000000
is "and leaves the parent" "$($C get -n parent -b | bytes)" 3001
fails_with 22 "a larger parent is refused" $C coalesce -p log -c parent
is "with nothing written" "$($C get -n parent -b | bytes)" 3001
is "a log of two terabytes" "$($C create -n big -s 2199023255552
	$C get -n big -b | wc -c)" 4194304

# Growing is cut short: with nothing but the announcement written (the file
# may not get longer), and with all but the new header.
$C create -n grown -s 1048576
$C set -n grown -p $A
printf '\x05\x80' | dd of=grown bs=1 seek=48 conv=notrunc 2>/dev/null
cp grown cut
(ulimit -c 0 -f 1; $C set -n cut -s 2199023255552; true) 2>/dev/null
is "cut before it is longer, it is the old one" \
	"$($C get -n cut -s; stat -c %s cut; $C get -n cut -b | bytes)" \
	"1048576
50
0580"
ok "its header announces the length" test "$(bytes -j 36 -N 4 cut)" = 00004000
truncate -s 4194352 cut
is "cut when it is longer, it is still that" \
	"$($C get -n cut -s; $C get -n cut -p; $C get -n cut -b | bytes)" \
	"1048576
$A
0580"
ok "and is changed" $C set -n cut -f 1
ok "and grows after all" $C set -n cut -s 2097153
is "to another size" "$($C get -n cut -s; stat -c %s cut
	$C get -n cut -b | bytes)" "2097153
53
0580000000"
is "with nothing announced" "$(bytes -j 36 -N 4 cut)" 00000000
cp grown cut
printf '\x00\x00\x40\x00' | dd of=cut bs=1 seek=36 conv=notrunc 2>/dev/null
truncate -s 4194351 cut
fails_with 22 "longer than was announced is no log" $C get -n cut -s
if mkdir small && mount -t tmpfs -o size=64k none small 2>/dev/null; then
	cp grown small/log
	dd if=/dev/zero of=small/rest bs=4096 2>/dev/null
	fails_with 28 "without room" $C create -n small/new -s 99999999999
	ok "none is made" test ! -e small/new
	umount small
fi

# What is wrong is said, and nothing is written.
cp log whole
fails_with 22 "no uuid" $C set -n log -p 1111
fails_with 22 "a uuid with blanks" $C set -n log -c "${A/-/ }"
fails_with 22 "a flag of 2" $C set -n log -f 2
fails_with 22 "a size with letters" $C set -n log -s 12M
fails_with 22 "one thing right, one wrong" $C set -n log -p $B -f x
ok "the log is as it was" cmp log whole
fails_with 22 "a disk of nothing" $C create -n none -s 0
fails_with 22 "a negative one" $C create -n none -s -1
ok "makes no log" test ! -e none
fails_with 2 "a log that is not there" $C get -n none -s
head -c 52 whole >short
fails_with 22 "a bitmap too short" $C get -n short -b
has "and it is said" "$($C get -n short -s 2>&1)" \
	"52 bytes long; a disk of 2097153 has a log of 53"
(cat whole; echo) >long
fails_with 22 "or too long" $C get -n long -s
head -c 20 whole >short
fails_with 22 "less than a header" $C get -n short -p
{ head -c 40 whole; printf '\0\0\0\0\0\0\0\0'; } >zero
fails_with 22 "a log of nothing" $C get -n zero -s
{ head -c 40 whole; printf '\377\377\377\377\377\377\377\377'; } >huge
fails_with 22 "or of more than there is" $C get -n huge -s
fails_with 22 "a folder" $C get -n . -s

# The command line.
fails_with 22 "get of two things" $C get -n log -p -c
fails_with 22 "get of nothing" $C get -n log
fails_with 22 "set of nothing" $C set -n log
fails_with 22 "no arguments" $C
like "are told the usage" "$($C)" '^usage: cbt-util COMMAND'
fails_with 22 "-h" $C -h
is "another command" "$($C split 2>&1 >/dev/null; echo $?)" \
	"Invalid COMMAND split
0"
missing=
for c in create set get coalesce; do
	for o in $($C $c -h | grep -oE '[[<| ]-[a-z] ' | tr -d '[<|'); do
		grep -q "Fl ${o#-}" "$top/tools/cbt-util.8" || missing+=" $c $o"
	done
done
is "the manual has every option" "$missing" ""
done_testing
