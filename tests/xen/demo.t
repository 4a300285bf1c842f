# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# demo.t - a guest boots and runs from a VHD, by the disk line that Xen 4.19
# and later take as it is; then two guests at once on children of that VHD,
# one through the kernel device, one on its ring; then an old host is
# converted under its guest, and back. Prints what happens, for "make demo".
# xen: 4.20
# limit: 600
set -u
. ./lib.sh
. ./module.sh

declare -A wrote
writers=()
show() { sed 's/^/      /'; }
# file_in FILE IMAGE: a file of the file system in an image, read here.
file_in() {
	rm -f "$tmp/file"
	serve "vhd:$2" && nbdcopy "$address" "$tmp/after" && unserve &&
		e2fsck -fn "$tmp/after" &&
		debugfs -R "dump $1 $tmp/file" "$tmp/after"
}

guest_files
mkdir -p "$tmp/root"/{bin,dev,proc,sys,tmp,mnt,home}
cp /bin/busybox "$tmp/root/bin/busybox"
ln -s busybox "$tmp/root/bin/sh"
cp /tmp/guest/tree/init "$tmp/root/init"
truncate -s 64M "$tmp/raw"
mke2fs -q -t ext4 -d "$tmp/root" "$tmp/raw"
ok "an empty VHD is made" vhd-util create -n "$tmp/guest.vhd" -s 64
ok "and filled with a root file system" fill "vhd:$tmp/guest.vhd" "$tmp/raw"

disk="backendtype=tap,format=vhd,vdev=xvda,access=rw,target=$tmp/guest.vhd"
echo "disk = [ '$disk' ]" | show
initrd=small extra="root=/dev/xvda"
ok "xl starts a guest with it" guest demo pv "$disk"
in_guest demo 'dmesg | grep xvda' | show
ok "xvda's line is in its kernel's log" \
	in_guest demo 'dmesg | grep "blkfront: xvda: "'
ok "its root is the ext4 on xvda" \
	in_guest demo 'grep "^/dev/xvda / ext4 rw" /proc/mounts'
tap-ctl list | show
is "tap-ctl list shows the disk" \
	"$(tap-ctl list | sed 's/^pid=[0-9]* minor=[0-9]* state=0 //')" \
	"args=vhd:$tmp/guest.vhd"
ok "the guest writes a file" in_guest demo \
	'head -c 6000000 /dev/urandom >/home/file && sync'
written=$(sum_in demo /home/file)
echo "sha256 in the guest   $written" | show
in_guest demo 'mount -o remount,ro / && poweroff -f' >/dev/null &
ok "it shuts down" until_ 60 gone demo
kill %% 2>/dev/null

ok "the VHD is clean" vhd-util check -n "$tmp/guest.vhd"
ok "domain 0 reads it, its file system is clean" \
	file_in /home/file "$tmp/guest.vhd"
echo "sha256 in the image   $(sum "$tmp/file")" | show
is "the file in it is what the guest wrote" "$(sum "$tmp/file")" "$written"

echo "Two guests on children of that VHD: A as on a host with the kernel's" \
	"device, B by its ring." | show
ok "the kernel module is loaded" load_module
before=$(sum "$tmp/guest.vhd")
ok "the VHD gets a child" vhd-util snapshot -n "$tmp/a.vhd" -p "$tmp/guest.vhd"
ok "and another" vhd-util snapshot -n "$tmp/b.vhd" -p "$tmp/guest.vhd"
device=$(tap-ctl create -t blktap2 -a "vhd:$tmp/a.vhd")
pid=$(pgrep -x tapdisk)
echo "A: '$device', a block device" | show
ok "A's disk is a block device of the kernel" [ -b "$device" ]
memory=160
ok "A starts with it, by the kernel's own backend" guest a pv \
	"format=raw,vdev=xvda,access=rw,target=$device"
ok "B starts with its ring" guest b pv "$(tap vhd xvda "$tmp/b.vhd")"
script -qc 'tap-ctl list' /dev/null | tr -d '\r' | show
kinds=$(tap-ctl list --json | grep -o '"kind": *"[a-z0-9]*"' | cut -d'"' -f4)
is "tap-ctl list has both kinds" "$(paste -sd' ' <<<"$kinds")" "blktap2 xenio"
programs=$(for n in $(pgrep -x tapdisk); do
	echo "/proc/$n/exe -> $(readlink "/proc/$n/exe")"
done)
show <<<"$programs"
is "one program serves both" \
	"$(sed 's/.* //' <<<"$programs" | uniq -c | sed 's/^ *//')" \
	"2 /usr/libexec/tapdisk"
is "A's backend is the kernel's, B's is ours" \
	"$(xenstore-list /local/domain/0/backend | grep vbd | paste -sd' ')" \
	"vbd vbd3"
for g in a b; do
	ok "${g^} reads what the first guest wrote" [ \
		"$(sum_in $g /home/file)" = "$written" ]
	in_guest $g 'head -c 6000000 /dev/urandom >/home/own && sync' &
	writers[${#writers[@]}]=$!
done
ok "both write a file at the same time" wait "${writers[@]}"
for g in a b; do
	wrote[$g]=$(sum_in $g /home/own)
	echo "sha256 in ${g^}           ${wrote[$g]}" | show
	in_guest $g 'mount -o remount,ro / && poweroff -f' >/dev/null &
done
ok "A shuts down" until_ 60 gone a
ok "so does B" until_ 60 gone b
kill %% %- 2>/dev/null
ok "A's disk is taken down" tap-ctl destroy -p "$pid" -m "${device##*v}"
for g in a b; do
	ok "domain 0 reads ${g^}'s VHD" file_in /home/own "$tmp/$g.vhd"
	echo "sha256 in ${g^}'s image   $(sum "$tmp/file")" | show
	is "${g^}'s file is what it wrote" "$(sum "$tmp/file")" "${wrote[$g]}"
	ok "its VHD is clean" vhd-util check -n "$tmp/$g.vhd"
done
is "no byte of their parent has changed" "$(sum "$tmp/guest.vhd")" "$before"
ok "the module is unloaded" unload_module
is "the kernel has nothing to complain of" "$(complaints)" ""

. ./demo-upgrade.sh
finish
