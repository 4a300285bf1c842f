# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154  # lib.sh
# boot.sh - words of the tests in which a guest boots from its disk.

# boot_sector FILE: a disk for emulated hardware. What boots from it sends its
# sectors 100 and 101, which are text, to the serial port.
boot_sector() {
	as --32 -o "$tmp/boot.o" boot.S &&
		ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$tmp/boot" \
			"$tmp/boot.o" &&
		head -c 8M /dev/urandom | base64 -w 63 | head -c 8M >"$1" &&
		dd if="$tmp/boot" of="$1" conv=notrunc 2>/dev/null &&
		dd if="$1" bs=512 skip=100 count=2 2>/dev/null >"$tmp/wanted"
}
# hvm_config DISK: of a guest with emulated hardware.
hvm_config() {
	cat <<-EOF
		name="g"
		type="hvm"
		memory=64
		serial="file:$tmp/serial"
		vnc=0
		on_poweroff="destroy"
		disk=[ '$1' ]
	EOF
}
written() { [ "$(stat -c %s "$tmp/serial")" -ge 1024 ]; }
# hvm_boots DISK-OF-QEMU: four tests.
hvm_boots() {
	ok "a guest with emulated hardware is created" xl create "$tmp/g.cfg"
	ok "it boots" until_ 120 written
	ok "it read its disk" cmp -n 1024 "$tmp/serial" "$tmp/wanted"
	ok "its QEMU did so over NBD" sh -c "tr '\0' ' ' \
		</proc/$(pgrep -f 'xen-domid')/cmdline | grep -F 'file=$1'"
}

# grub_disk FILE: a file system with the guest's kernel, for pygrub.
grub_disk() {
	guest_files
	mkdir -p "$tmp/root/boot/grub"
	cp "$base/vmlinuz" "$tmp/root/boot/vmlinuz"
	gzip -1 </tmp/guest/small >"$tmp/root/boot/initrd"
	cat >"$tmp/root/boot/grub/grub.cfg" <<-'EOF'
		menuentry "guest" {
			linux /boot/vmlinuz console=hvc0 quiet rdinit=/init from=grub
			initrd /boot/initrd
		}
	EOF
	truncate -s 48M "$1"
	mke2fs -q -t ext2 -d "$tmp/root" "$1"
}
grub_config() {
	cat <<-EOF
		name="g"
		type="pv"
		memory=256
		bootloader="pygrub"
		on_poweroff="destroy"
		disk=[ '$1' ]
	EOF
}
# grub_boots: three tests.
grub_boots() {
	rm -f "$consoles/guest-g.log"
	kill -HUP "$(cat /run/xenconsoled.pid)"
	ok "a guest with pygrub is created" xl create "$tmp/g.cfg"
	ok "it starts" until_ 90 guest_ready g
	ok "with the kernel of its disk" in_guest g 'grep from=grub /proc/cmdline'
}
