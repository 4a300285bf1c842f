# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# pygrub.t - a guest boots a kernel that is inside its VHD.
# xen: 4.20
set -u
. ./lib.sh

guest_files
mkdir -p "$tmp/root/boot/grub"
cp $base/vmlinuz "$tmp/root/boot/vmlinuz"
gzip -1 </tmp/guest/small >"$tmp/root/boot/initrd"
cat >"$tmp/root/boot/grub/grub.cfg" <<'EOF'
menuentry "guest" {
	linux /boot/vmlinuz console=hvc0 quiet rdinit=/init from=grub
	initrd /boot/initrd
}
EOF
truncate -s 48M "$tmp/raw"
mke2fs -q -t ext2 -d "$tmp/root" "$tmp/raw"
vhd-util create -n "$tmp/a.vhd" -s 48
ok "a VHD gets a file system with a kernel" fill "vhd:$tmp/a.vhd" "$tmp/raw"

cat >"$tmp/g.cfg" <<EOF
name="g"
type="pv"
memory=256
bootloader="pygrub"
on_poweroff="destroy"
disk=[ '$(tap vhd xvda "$tmp/a.vhd")' ]
EOF
rm -f "$consoles/guest-g.log"
ok "xl creates the guest" xl create "$tmp/g.cfg"
ok "it starts" until_ 60 guest_ready g
ok "with the kernel of the VHD" in_guest g 'grep from=grub /proc/cmdline'
is "domain 0 has let go of the disk" \
	"$(xenstore-list /local/domain/0/backend/vbd3/0 2>/dev/null)" ""
is "one tapdisk is left" "$(tap-ctl list | wc -l)" 1
is "the guest reads the same disk" "$(sum_in g /dev/xvda)" "$(sum "$tmp/raw")"
ok "it ends" destroy g
finish
