#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Images through pipes.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
data=$(cd "$(dirname "$0")/../data/openxt" && pwd)
requires gunzip
cd "$dir" || exit 1
V=vhd-util
for f in f1-enc512 f3-base f3-child f5-base f5-child; do
	gunzip -c "$data/$f.vhd.gz" >$f.vhd
done
disk() { $V read -n "$1" -r 0 -c $(($($V query -n "$1" -v) * 2048)); }
sha() { sha256sum | cut -d' ' -f1; }

mkfifo p1 p2
cat f5-child.vhd >p1 &
cat f5-base.vhd >p2 &
ok "stream-coalesce of two FIFOs" $V stream-coalesce -o s.vhd p1 p2
is "it is valid" "$($V check -n s.vhd -b)" "s.vhd is valid"
is "it is what the chain was" "$(disk s.vhd | sha)" "$(disk f5-child.vhd | sha)"
is "one key for both: it is kept" "$($V key -p -n s.vhd)" \
	"$($V key -p -n f5-child.vhd)"
cp f5-child.vhd c.vhd
$V coalesce -n f5-child.vhd >/dev/null
is "as coalesce has it" "$(disk s.vhd | sha)" "$(disk f5-base.vhd | sha)"
fails_with 22 "two keys are refused" $V stream-coalesce -o no.vhd \
	f3-child.vhd f3-base.vhd
fails_with 22 "and the wrong order" $V stream-coalesce -o no.vhd \
	f5-base.vhd c.vhd
ok "nothing is left" test ! -e no.vhd
is "a child alone keeps its parent" "$($V stream-coalesce -o alone.vhd c.vhd
	$V query -n alone.vhd -pu)" "./f5-base.vhd"

disk f1-enc512.vhd >device
$V dm-decrypt -i device -I f1-enc512.vhd -o - >d1.vhd
ok "dm-decrypt to a file" $V dm-decrypt -i device -I f1-enc512.vhd -o d2.vhd
ok "is what comes by standard output" cmp d1.vhd d2.vhd
is "it is valid" "$($V check -n d1.vhd -b)" "d1.vhd is valid"
ok "its sectors are the device's" cmp <(disk d1.vhd) device
is "what is clear has no key hash" "$($V key -p -n d1.vhd)" none
ok "dm-decrypt --keep-keyhash" $V dm-decrypt -i device -I f1-enc512.vhd \
	-o d3.vhd --keep-keyhash
is "keeps it" "$($V key -p -n d3.vhd)" "$($V key -p -n f1-enc512.vhd)"
truncate -s 6M new
ok "dm-encrypt from standard input" \
	bash -c 'cat d1.vhd | vhd-util dm-encrypt -i - -o new'
ok "gives the device back" cmp new device
ok "clone-metadata from standard input" \
	bash -c 'cat c.vhd | vhd-util clone-metadata -i - -o cl.vhd'
is "an empty image with the same parent" "$($V check -n cl.vhd
	$V query -n cl.vhd -pa)" "cl.vhd is valid
$dir/f5-base.vhd
0"
fails_with 22 "an empty pipe is no image" $V clone-metadata -i - -o no.vhd
head -c 3000 f5-base.vhd >short
ok "half an image leaves nothing behind" \
	bash -c '! vhd-util stream-coalesce -o no.vhd - <short && [ ! -e no.vhd ]'


# dm-encrypt makes the image that is to become the device.
rm -f new.vhd dev
$V create -n plain.vhd -s 8
$V fill -n plain.vhd -f 4090 -t 4100
id() { $V read -p -n "$1" | grep -E '^(UUID|Timestamp|Current)'; }
ok "dm-encrypt -c -C" $V dm-encrypt -i plain.vhd -o dev -c new.vhd \
	-C 'vhd-util query -n new.vhd -a >seen && truncate -s 8M dev'
is "the command saw an empty image" "$(cat seen)" 0
is "with the same metadata" "$(id new.vhd)" "$(id plain.vhd)"
is "the device has been written" "$(stat -c %s dev)" 8388608
rm -f new.vhd dev
fails_with 5 "a command that fails" $V dm-encrypt -i plain.vhd -o dev \
	-c new.vhd -C 'touch ran; exit 3'
ok "was run" test -e ran
ok "and leaves no image" test ! -e new.vhd
fails_with 22 "-c without -C" $V dm-encrypt -i plain.vhd -o dev -c new.vhd
fails_with 22 "-C without -c" $V dm-encrypt -i plain.vhd -o dev -C true
touch busy && echo x >busy
rm -f ran
fails_with 17 "an image that is there" $V dm-encrypt -i plain.vhd -o dev \
	-c busy -C 'touch ran'
ok "is not brought up" test ! -e ran
ok "through a pipe too" sh -c "cat plain.vhd | $V dm-encrypt -i - -o dev \
	-c new.vhd -C 'truncate -s 8M dev'"
done_testing
