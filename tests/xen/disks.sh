# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC1091,SC2154  # lib.sh, and what it sets
# disks.sh - a guest of $type with a raw disk, a VHD, a chain of thirty and a
# read-only disk: each is written, verified and compared with domain 0's view.
# With $initrd small there is no fio, and what is written is compared alone.
set -u
. ./lib.sh

fill_in() {
	case ${initrd-} in
	small) in_guest g "dd if=/dev/urandom of=$1 bs=64k count=32" ;;
	*) fio_in g "$1" ;;
	esac
}

random "$tmp/content" 16
truncate -s 16M "$tmp/raw"
cp "$tmp/content" "$tmp/ro"
vhd-util create -n "$tmp/a.vhd" -s 16
vhd-util create -n "$tmp/0.vhd" -s 16
fill "vhd:$tmp/0.vhd" "$tmp/content"
for n in $(seq 29); do
	vhd-util snapshot -n "$tmp/$n.vhd" -p "$tmp/$((n - 1)).vhd"
done

ok "a guest starts with a raw disk and a VHD" guest g "$type" \
	"$(tap raw xvda "$tmp/raw")" "$(tap vhd xvdb "$tmp/a.vhd")"
ok "it gets a chain of 30" xl block-attach g "$(tap vhd xvdc "$tmp/29.vhd")"
ok "and a read-only disk" xl block-attach g "$(tap raw xvdd "$tmp/ro" ro)"
ok "it sees them all" in_guest g 'until [ -b /dev/xvdd ]; do sleep 0.1; done'
is "there are four tapdisks" "$(tap-ctl list | wc -l)" 4
in_guest g dmesg | grep blkfront: | sed 's/^/  /'

is "through thirty layers it reads the first" "$(sum_in g /dev/xvdc)" \
	"$(sum "$tmp/content")"
ok "a write to the read-only disk is refused" \
	in_guest g '! dd if=/dev/zero of=/dev/xvdd count=1 2>/dev/null'
is "it is read" "$(sum_in g /dev/xvdd)" "$(sum "$tmp/content")"
for disk in xvda xvdb xvdc; do
	ok "$disk: random data is written" fill_in "/dev/$disk"
done
for disk in xvda xvdb xvdc; do
	sums="${sums-}$disk $(sum_in g /dev/$disk)
"
done
# One after the other: libxl runs the scripts of a guest that ends at once,
# they wait for each other, and it gives them 40 s.
ok "it gives back the chain" xl block-detach g xvdc
ok "and the read-only disk" xl block-detach g xvdd
is "there are two tapdisks" "$(tap-ctl list | wc -l)" 2
in_guest g 'poweroff -f' >/dev/null &
ok "it powers off" until_ 90 gone g
kill %1 2>/dev/null

qemu-img convert -f vpc -O raw "$tmp/a.vhd" "$tmp/a.raw"
is "domain 0 reads what the guest wrote" "xvda $(sum "$tmp/raw")
xvdb $(head -c 16M "$tmp/a.raw" | sum)
xvdc $(image_sum "vhd:$tmp/29.vhd")
" "$sums"
is "the read-only disk is as it was" "$(sum "$tmp/ro")" \
	"$(sum "$tmp/content")"
is "the first layer is as it was" "$(image_sum "vhd:$tmp/0.vhd")" \
	"$(sum "$tmp/content")"
for image in a 29; do
	ok "$image.vhd is clean" vhd-util check -n "$tmp/$image.vhd"
done
finish
