#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# VHDs made by qemu-img are ours to read and change, and ours are theirs and
# libvhdi's.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/../func/lib.sh"

requires qemu-img qemu-io vhdiinfo openssl
cd "$dir" || exit 1
V=vhd-util

# 40 MiB, of which some are noise, the same each time.
openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff \
	-iv 00000000000000000000000000000000 </dev/zero 2>/dev/null |
	head -c 5000000 >noise
cp noise src
truncate -s 20M src
cat noise >>src
truncate -s 40M src

# qemu-img rounds to its geometry unless told not to.
qemu-img convert -f raw -O vpc -o force_size=on src q.vhd
is "qemu-img's image is valid" "$($V check -n q.vhd -b)" "q.vhd is valid"
is "its size" "$($V query -n q.vhd -v)" 40
$V convert -n q.vhd -N q.raw -O raw
ok "its content" cmp q.raw src
is "it has no marker yet" "$($V query -n q.vhd -m)" "marker: 0"
$V set -n q.vhd -f hidden -v 1
ok "hidden or not, qemu-img reads it" qemu-img compare -f raw -F vpc src q.vhd
$V set -n q.vhd -f hidden -v 0

$V snapshot -n c.vhd -p q.vhd
$V fill -n c.vhd -f 1000 -t 20000
like "coalesce into it" "$($V coalesce -n c.vhd)" '^Coalesced 19001 sectors'
is "it is valid" "$($V check -n q.vhd -b)" "q.vhd is valid"
ok "and qemu-img reads the same" qemu-img compare -f raw -F vpc src q.vhd
$V resize -n q.vhd -s 60000 -j j
is "resized, still valid" "$($V check -n q.vhd -b)" "q.vhd is valid"
truncate -s 60000M src
ok "and qemu-img reads the same" qemu-img compare -f raw -F vpc src q.vhd
truncate -s 40M src

$V convert -n src -I raw -N d.vhd -O dynamic
ok "qemu-img reads our dynamic image" qemu-img compare -f raw -F vpc src d.vhd
like "libvhdi agrees on type and size" "$(vhdiinfo d.vhd)" \
	'Disk type.*Dynamic.*Media size.*40 MiB \(41943040 bytes\)'
$V convert -n src -I raw -N f.vhd -O fixed
ok "and our fixed one" qemu-img compare -f raw -F vpc src f.vhd
like "libvhdi too" "$(vhdiinfo f.vhd)" 'Disk type.*Fixed'
ok "qemu-io writes to ours" qemu-io -f vpc -c 'write -P 7 12M 3M' \
	-c 'write -P 9 512 512' d.vhd
$V convert -n d.vhd -N d.raw -O raw
ok "we read what it wrote" qemu-img compare -f raw -F vpc d.raw d.vhd
is "its first bytes" "$($V read -n d.vhd -r 24576 | head -c 4 |
	od -An -tx1)" " 07 07 07 07"
ok "repair puts right what is left of our batmap" $V repair -n d.vhd
is "it is valid" "$($V check -n d.vhd -b)" "d.vhd is valid"

$V snapshot -n s.vhd -p d.vhd
like "libvhdi knows the parent" "$(vhdiinfo s.vhd)" \
	'Disk type.*Differential.*Parent filename.*d.vhd'
is "by its id" "$(vhdiinfo s.vhd | sed -n 's/.*Parent identifier.*: //p')" \
	"$(vhdiinfo d.vhd | sed -n 's/.*[^t] *Identifier.*: //p')"

# Azure: fixed, the footer last, whole MiB.
truncate -s 5000000 small
$V convert -n small -I raw -N az.vhd -O azure
is "azure: the size" "$(($(stat -c %s az.vhd) - 512))" $((5 << 20))
like "azure: the footer" "$(tail -c 512 az.vhd | head -c 8)" conectix
$V create -n az2.vhd -s 64 --azure
is "create --azure" "$(($(stat -c %s az2.vhd) - 512))" $((64 << 20))
$V convert -n az.vhd -N back.vhd -O dynamic
is "and back" "$($V check -n back.vhd)" "back.vhd is valid"

head -c 1000001 /dev/zero | tr '\0' o >odd
ok "a plain disk that ends amid a sector" vhd-util convert -n odd -I raw \
	-N odd.vhd -O fixed
qemu-img convert -f vpc -O raw odd.vhd odd.back
ok "is whole for others" cmp -n 1000001 odd odd.back
done_testing
