#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhd-util as people and old callers use it: sizes, lines, exit codes.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
page=$(cd "$(dirname "$0")/../.." && pwd)/vhd/vhd-util.8
cd "$dir" || exit 1
V=vhd-util
size() { stat -c %s "$1"; }

is "no command: usage and 0" "$($V | head -1; $V >/dev/null; echo $?)" \
	"usage: vhd-util COMMAND [OPTIONS]
0"
is "an unknown command: 0, and a word on stderr" \
	"$($V nonsense 2>&1 >/dev/null; $V nonsense >/dev/null 2>&1; echo $?)" \
	"invalid COMMAND nonsense
0"
for c in snapshot query scan check key; do
	fails_with 0 "$c -h: 0" $V $c -h
done
for c in create read set repair resize fill coalesce modify revert copy; do
	fails_with 22 "$c -h: 22" $V $c -h
done

is "create says nothing" "$($V create -n a.vhd -s 100 2>&1)" ""
is "100 MB: 3584 bytes" "$(size a.vhd)" 3584
$V create -n s.vhd -s 100 -S 500
is "with room for 500: 4096 bytes" "$(size s.vhd)" 4096
$V create -n odd.vhd -s 3
is "3 MB are 4" "$($V query -n odd.vhd -v)" 4
ok "no size at all is a size" $V create -n zero.vhd -s 0
is "and valid" "$($V check -n zero.vhd)" "zero.vhd is valid"
fails_with 22 "a negative size" $V create -n no.vhd -s -1
fails_with 22 "a size beyond the format" $V create -n no.vhd -s 3000000
ok "leaves nothing behind" test ! -e no.vhd
$V create -n fixed.vhd -s 10 -r
is "fixed: data and a footer" "$(size fixed.vhd)" $(((10 << 20) + 512))
is "a fixed image is valid" "$($V check -n fixed.vhd)" "fixed.vhd is valid"
before=$(sha256sum a.vhd)
fails_with 17 "a file that is there is not written over" \
	$V create -n a.vhd -s 10
is "it is untouched" "$(sha256sum a.vhd)" "$before"
: >empty.vhd
ok "an empty one is" $V create -n empty.vhd -s 10
ok "so is any with --overwrite" $V create -n empty.vhd -s 20 --overwrite
is "that one is 20 MB" "$($V query -n empty.vhd -v)" 20

$V snapshot -n b.vhd -p a.vhd
is "its snapshot: 5120 bytes" "$(size b.vhd)" 5120
is "query: one line each, in one order" "$($V query -n b.vhd -SadmfpsvS)" \
	"100
5120
$dir/a.vhd
hidden: 0
marker: 0
chain depth: 2
0
100"
is "query -u: as it is written" "$($V query -n b.vhd -pu)" "./a.vhd"
is "query -p of a root" "$($V query -n a.vhd -p)" "a.vhd has no parent"
is "query --json" "$($V query -n b.vhd -f --json)" \
	"{ \"name\": \"b.vhd\", \"virtual_mb\": 100, \"physical_bytes\": 5120, \
\"hidden\": false, \"max_mb\": 100 }"
$V snapshot -n c.vhd -p b.vhd
is "an empty child is passed over" "$($V query -n c.vhd -p)" "$dir/a.vhd"
$V snapshot -n d.vhd -p b.vhd -e
is "not with -e" "$($V query -n d.vhd -pd)" "$dir/b.vhd
chain depth: 3"
is "a limit of depth" "$($V snapshot -n e.vhd -p d.vhd -l 3; echo $?)" \
	"snapshot depth exceeded: current depth: 3, limit: 3
28"
mkdir sub
$V snapshot -n sub/f.vhd -p a.vhd
is "a parent in another folder" "$($V query -n sub/f.vhd -p)" "$dir/a.vhd"
is "its MacX locator" "$(tail -c +3073 sub/f.vhd | head -c 15)" \
	"file://../a.vhd"
truncate -s 4M raw
$V snapshot -n r.vhd -p raw -m
is "over a raw disk" "$($V query -n r.vhd -vp)" "4
$dir/raw"

is "a missing image" "$($V query -n nosuch -v 2>/dev/null; echo $?)" \
	"error opening nosuch: -2
2"
mv b.vhd gone.vhd
is "a missing parent" "$($V query -n d.vhd -p 2>/dev/null; echo $?)" \
	"query failed
2"
is "check tells of it" "$($V check -n d.vhd | head -2)" \
	"error resolving ./b.vhd: -2
d.vhd appears invalid; dumping metadata"
is "check of nothing" "$($V check -n nosuch; echo $?)" \
	"cannot stat nosuch: 2
2"
mv gone.vhd b.vhd

$V set -n a.vhd -f hidden -v 1
is "set hidden" "$($V query -n a.vhd -f)" "hidden: 1"
fails_with 22 "set: another field" $V set -n a.vhd -f colour -v 1
ok "both footers agree" cmp <(head -c 512 a.vhd) <(tail -c 512 a.vhd)

is "fill says nothing" "$($V fill -n odd.vhd 2>&1)" ""
is "all blocks are there" "$($V query -n odd.vhd -a)" 2
is "the BAT as bits" "$($V read -n odd.vhd -B | od -An -tx1)" " c0"
is "where a block is" "$($V read -n odd.vhd -b 1)" "block: 1: offset: 4111"
is "or not" "$($V read -n a.vhd -b 1)" "block: 1: offset: not allocated"
is "where a sector is" "$($V read -n odd.vhd -t 4097)" \
	"logical sector 4097: block number: 1, sector offset: 1, file offset: 4113"
is "a sector's bit" "$($V read -n odd.vhd -i 4097)" "block 1: sec: 1: 1"
is "a block's bit, on stderr" "$($V read -n odd.vhd -j 1 2>&1 >/dev/null)" \
	"batmap for block 1: 1"
is "extents" "$($V read -n odd.vhd -e 0 -c 10)" "0 8192"
fails_with 34 "a block beyond the end" $V read -n odd.vhd -b 2
like "the type, as it is looked for" "$($V read -n b.vhd -p)" \
	'Disk type           : Differencing hard disk'
like "and the parent" "$($V read -n b.vhd -p)" 'decoded name : ./a.vhd'

is "coalesce of a root" "$($V coalesce -n a.vhd 2>/dev/null; echo $?)" \
	"coalescing of non-differencing disks is not supported
error coalescing: -22
22"
$V create -n base.vhd -s 20
$V snapshot -n leaf.vhd -p base.vhd
$V fill -n leaf.vhd -f 100 -t 5000
is "coalesce: the count, and no newline" "$($V coalesce -n leaf.vhd | od -c |
	tail -2 | head -1)" "$(printf 'Coalesced 4901 sectors' | od -c |
	tail -2 | head -1)"
is "base is valid" "$($V check -n base.vhd -b)" "base.vhd is valid"
is "modify -z" "$($V modify -n leaf.vhd -z; $V query -n leaf.vhd -a)" 0
$V modify -n leaf.vhd -p a.vhd
is "modify -p" "$($V query -n leaf.vhd -p)" "$dir/a.vhd"
is "a size that cuts data off" \
	"$($V modify -n base.vhd -s 4096 2>/dev/null; echo $?)" \
	"failed to set physical size to 4096: -22
22"

is "resize -f beyond the tables" \
	"$($V resize -n base.vhd -s 40 -f 2>/dev/null; echo $?)" \
	"resize failed: -22
22"
is "resize -j" "$($V resize -n base.vhd -s 100000 -j j; echo $?)" 0
ok "the journal is gone" test ! -e j
is "resized and valid" "$($V check -n base.vhd -b; $V query -n base.vhd -v)" \
	"base.vhd is valid
100000"
is "shrinking" "$($V resize -n base.vhd -s 40 -f; echo $?)" \
	"dynamic shrink not fully implemented
resize failed: -38
38"
is "a resize that stops" "$(VHD_UTIL_TEST_FAIL_RESIZE_METADATA_MOVED=1 \
	$V resize -n base.vhd -s 900000 -j j; echo $?)" \
	"Failing at VHD_UTIL_TEST_FAIL_RESIZE_METADATA_MOVED
resize failed: -22
22"
is "poisons the footers" "$($V check -n base.vhd | head -1)" \
	"primary footer invalid: invalid cookie"
is "query shows the new size" "$($V query -n base.vhd -v)" 900000
ok "revert" $V revert -n base.vhd -j j
ok "takes the journal away" test ! -e j
is "reverted and valid" "$($V check -n base.vhd -b; $V query -n base.vhd -v)" \
	"base.vhd is valid
100000"

for point in BEGIN LOCATOR END; do
	$V create -n "old.vhd" -s 4 --overwrite
	$V create -n "another.vhd" -s 4 --overwrite
	$V snapshot -n moved.vhd -p old.vhd -e --overwrite
	at=VHD_UTIL_TEST_FAIL_REPARENT_$point
	is "a change of parent that stops at $point" \
		"$(export $at=1; $V modify -n moved.vhd -p another.vhd; echo $?)" \
		"Failing at $at
failed to set parent to 'another.vhd': -22
22"
	case $point in
	END) has=another.vhd ;;
	*) has=old.vhd ;;
	esac
	is "leaves one that is there" "$($V query -n moved.vhd -p)" "$dir/$has"
	is "in a valid image" "$($V check -n moved.vhd)" "moved.vhd is valid"
done
rm old.vhd another.vhd moved.vhd

echo junk >junk.vhd
is "scan" "$($V scan -f -c -m "$dir/{b,c,junk}.vhd" 2>/dev/null; echo $?)" \
	"vhd=b.vhd capacity=104857600 size=5120 hidden=0 parent=a.vhd
vhd=c.vhd capacity=104857600 size=5120 hidden=0 parent=a.vhd
vhd=$dir/junk.vhd scan-error=-5 error-message='device too small'
0"
fails_with 5 "scan without -c ends with the error" $V scan junk.vhd
fails_with 2 "of a missing file, with 2" $V scan nosuch.vhd
is "scan -p" "$($V scan -p b.vhd a.vhd)" \
	"vhd=a.vhd capacity=104857600 size=3584 hidden=1 parent=none
   vhd=b.vhd capacity=104857600 size=5120 hidden=0 parent=a.vhd"
is "a parent that is not there" "$($V scan -p b.vhd)" \
	"vhd=b.vhd capacity=104857600 size=5120 hidden=0 parent=a.vhd \
(not found in scan)"
is "scan -M" "$($V scan -M a.vhd)" \
	"vhd=a.vhd capacity=104857600 size=3584 hidden=1 marker=0 keyhash= \
parent=none"

is "key -C of 32 zeroes" "$($V key -C -k <(:) 2>/dev/null
	head -c 32 /dev/zero >z; $V key -C -k z)" \
	f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b
is "key -p: none" "$($V key -p -n a.vhd)" none
fails_with 22 "key -s of a hash too short" $V key -s -n a.vhd -H 00
fails_with 22 "key -s of an image with blocks" $V key -s -n odd.vhd \
	-H "$($V key -C -k z)"
$V key -s -n a.vhd -H "$($V key -C -k z)"
$V snapshot -n secret.vhd -p a.vhd -e
fails_with 126 "zeroes are not filled in where a key is" $V fill -n secret.vhd
is "and nothing was" "$($V query -n secret.vhd -a)" 0
ok "tables and bitmaps are" $V fill -n secret.vhd -b
rm secret.vhd
is "key -s, key -p" "$($V key -p -n a.vhd)" \
	"$(printf '0%.0s' {1..64}) $($V key -C -k z)"
is "a snapshot keeps it" "$($V snapshot -n k.vhd -p a.vhd; $V key -p -n k.vhd)" \
	"$($V key -p -n a.vhd)"

exec 9<odd.vhd
flock -x 9
fails_with 16 "an image that a server writes to is left alone" \
	$V set -n odd.vhd -f hidden -v 1
ok "but can be asked" $V query -n odd.vhd -v
exec 9<&-

# Every option of the usage is in the manual.
missing=
for c in $($V | sed -n 's/COMMAND is one of: //p'); do
	text=$(sed -n "/^\.It Cm $c /,/^\.It Cm/p" "$page" |
		sed '1!{/^\.It Cm '"$c"'/!{/^\.It Cm/d}}')
	[ -n "$text" ] || missing="$missing $c"
	for o in $($V $c -h | grep -oE '(^|[[<| ])--?[a-zA-Z]+' |
		grep -oE -- '-[a-zA-Z-]+' | sort -u); do
		[ "$o" = -h ] && continue
		case $o in
		--*) grep -qF -- "Fl -${o#--}" <<<"$text" ;;
		*) grep -qE -- "Fl [a-zA-Z]*${o#-}" <<<"$text" ;;
		esac || missing="$missing $c:$o"
	done
done
is "each option is in the manual" "$missing" ""

done_testing
