# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# hvm.t - a guest with emulated hardware boots from a VHD: its QEMU reads the
# disk through our NBD socket.
# xen: 4.20
set -u
. ./lib.sh

as --32 -o "$tmp/boot.o" boot.S &&
	ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$tmp/boot" "$tmp/boot.o"
head -c 8M /dev/urandom | base64 -w 63 | head -c 8M >"$tmp/raw"
dd if="$tmp/boot" of="$tmp/raw" conv=notrunc 2>/dev/null
vhd-util create -n "$tmp/a.vhd" -s 8
ok "a VHD gets a boot sector" fill "vhd:$tmp/a.vhd" "$tmp/raw"

cat >"$tmp/g.cfg" <<EOF
name="g"
type="hvm"
memory=64
serial="file:$tmp/serial"
vnc=0
on_poweroff="destroy"
disk=[ '$(tap vhd xvda "$tmp/a.vhd")' ]
EOF
ok "xl creates the guest" xl create "$tmp/g.cfg"
written() { [ "$(stat -c %s "$tmp/serial")" -ge 1024 ]; }
ok "it boots" until_ 120 written
dd if="$tmp/raw" bs=512 skip=100 count=2 2>/dev/null >"$tmp/wanted"
ok "it read its disk" cmp -n 1024 "$tmp/serial" "$tmp/wanted"
ok "its QEMU did so over NBD" sh -c "tr '\0' ' ' \
	</proc/$(pgrep -f 'xen-domid')/cmdline | \
	grep -F 'nbd+unix:///?socket=/run/blktap-control/nbd'"
ok "it ends" destroy g
finish
