#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Images that would be their own parents, or be written over while they are
# read, and standard streams that are not there.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
requires python3
cd "$dir" || exit 1
V=vhd-util

$V create -n x.vhd -s 8
$V snapshot -n y.vhd -p x.vhd
$V fill -n y.vhd -t 10
$V snapshot -n z.vhd -p y.vhd
cp y.vhd y0
cp x.vhd x0
fails_with 22 "an image as its own parent is refused" $V modify -n y.vhd \
	-p y.vhd
fails_with 22 "or as a plain disk" $V modify -n y.vhd -p y.vhd -m
fails_with 22 "or its child" $V modify -n y.vhd -p z.vhd
ok "nothing is changed" cmp y.vhd y0
ok "its parent's parent is not refused" $V modify -n z.vhd -p x.vhd

# One that was made so by others.
cp y.vhd loop.vhd
python3 - <<'PY'
import struct
d = bytearray(open("loop.vhd", "rb").read())
d[552:568] = d[68:84]  # the parent's id: its own
d[548:552] = bytes(4)
d[548:552] = struct.pack(">I", ~sum(d[512:1536]) & 0xffffffff)
open("loop.vhd", "wb").write(d)
PY
cp loop.vhd x.vhd
is "check of a child of itself" "$($V check -n x.vhd | head -1)" \
	"invalid parent uuid"
fails_with 22 "and of those behind it" $V check -p -n x.vhd
cp x0 x.vhd
$V snapshot -n p.vhd -p y.vhd
cp p.vhd q.vhd
mv q.vhd y.vhd
fails_with 22 "coalesce into itself" $V coalesce -n y.vhd
ok "leaves it" cmp y.vhd p.vhd
is "scan -a ends, each once" "$($V scan -f -a y.vhd | wc -l)" 1
cp y0 y.vhd

# --overwrite, and what it must not be.
ln x.vhd other-name
for new in x.vhd other-name ./y.vhd; do
	fails_with 22 "snapshot over its parents: $new" $V snapshot \
		-n "$new" -p y.vhd --overwrite
	fails_with 22 "convert over them" $V convert -n y.vhd -N "$new" -O raw \
		--overwrite
	fails_with 22 "copy over them" $V copy -n y.vhd -N "$new" --overwrite
done
fails_with 22 "dm-encrypt into its source" $V dm-encrypt -i x.vhd -o x.vhd
ok "they are as they were" cmp x.vhd x0
ok "so is the child" cmp y.vhd y0
cp x.vhd away.vhd
ok "another one is written over" $V copy -n y.vhd -N away.vhd --overwrite

# scan -a knows a parent by all its names, and a line is a line.
is "scan -a does not repeat what is listed" "$(
	$V scan -a "$dir/x.vhd" y.vhd | wc -l)" 2
line=$'two\nlines.vhd'
$V create -n "$line" -s 2
$V snapshot -n child -p "$line"
is "a line is one whatever the name" "$($V scan "$line" child | sort)" \
	"vhd=child capacity=2097152 size=5120 hidden=0 parent=two?lines.vhd
vhd=two?lines.vhd capacity=2097152 size=3584 hidden=0 parent=none"

# revert removes a journal, and nothing else.
echo "what somebody needs" >letter
$V create -n other.vhd -s 4
for not in other.vhd letter x.vhd; do
	fails_with 22 "what is no journal: $not" $V revert -n x.vhd -j $not
	ok "is not removed" test -s $not
done
(
	export VHD_UTIL_TEST_FAIL_RESIZE_DATA_MOVED=1
	$V resize -n other.vhd -s 9000 -j journal >/dev/null
)
fails_with 22 "another image's journal" $V revert -n x.vhd -j journal
ok "is kept for it" $V revert -n other.vhd -j journal
ok "and removed then" test ! -e journal
truncate -s 1M cut
ok "one that was cut before it began" $V revert -n x.vhd -j cut
ok "is removed" test ! -e cut

# Streams that are closed do not become the image; a full one is an error.
$V modify -n x.vhd -s 5 >&- 2>&- <&-
is "a message goes nowhere" $? 22
ok "and not into the image" cmp x.vhd x0
$V query -n x.vhd -v >&- 2>/dev/null
is "what cannot be printed is an error" $? 9
$V query -n x.vhd -v >/dev/full 2>said
is "or finds no room" $? 28
is "it is said" "$(cat said)" "standard output: No space left on device"
$V set -n x.vhd -f hidden -v 1 >&-
is "what prints nothing does not mind" $? 0
cbt-util create -n log -s 1048576 >&-
is "nor does cbt-util" $? 0
cbt-util get -n log -s >/dev/full 2>&1
is "what it cannot print is an error" $? 28
td-util query vhd -v x.vhd >/dev/full 2>&1
is "of td-util too" $? 28

# A file that grows and finds no room for its footer.
if mkdir small && mount -t tmpfs -o size=256k none small 2>/dev/null; then
	$V create -n small/a.vhd -s 8
	cp small/a.vhd before
	dd if=/dev/zero of=small/rest bs=4096 2>/dev/null
	fails_with 28 "no room for a footer" $V modify -n small/a.vhd -s 1048576
	ok "the file is as it was" cmp small/a.vhd before
	umount small
fi
done_testing
