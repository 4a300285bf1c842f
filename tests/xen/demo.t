# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# demo.t - a guest boots and runs from a VHD, by the disk line that Xen 4.19
# and later take as it is. Prints what happens, for "make demo".
# xen: 4.20
set -u
. ./lib.sh

show() { sed 's/^/      /'; }

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
ok "the image is read in domain 0" serve "vhd:$tmp/guest.vhd"
nbdcopy "$address" "$tmp/after"
unserve
ok "its file system is clean" e2fsck -fn "$tmp/after"
debugfs -R "dump /home/file $tmp/file" "$tmp/after" 2>/dev/null
echo "sha256 in the image   $(sum "$tmp/file")" | show
is "the file in it is what the guest wrote" "$(sum "$tmp/file")" "$written"
finish
