#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# boot.sh OUTDIR MODULE KERNEL SCRIPT FILE... - boot a kernel with the module
# and some programs (with their libraries), run SCRIPT (of busybox's shell) as
# root there and print what it prints. MODULES names further kernel modules,
# DISK a disk's image. CLOCK=1: time counts instructions, as on one processor.
# BARE=1: without the kernel's checks of memory, which make allocations dear.
#
# Exits with SCRIPT's status, or 124 when the machine did not end in time.
set -eu
out=$1 module=$2 kernel=$3 script=$4
shift 4
root=$out/root
rm -rf "$root"
mkdir -p "$root"/{bin,dev,proc,sys,tmp,lib}
cp "$(command -v busybox)" "$root/bin/busybox"
cp "$module" "$root/lib/blktap.ko"
cp "$script" "$root/script"
for program; do
	cp "$program" "$root/bin/"
	ldd "$program" 2>/dev/null | grep -o '/[^ ]*' | while read -r lib; do
		mkdir -p "$root/$(dirname "$lib")"
		cp -L "$lib" "$root/$lib"
	done
done
mkdir -p "$root/modules"
for module in ${MODULES:-}; do
	/sbin/modprobe --show-depends -S "${kernel#*vmlinuz-}" "$module" |
		sed -n 's/^insmod //p'
done | awk '!seen[$1]++ { printf "%02d %s\n", n++, $1 }' |
	while read -r nr path; do cp "$path" "$root/modules/$nr.ko"; done
cat > "$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
export PATH=/bin
for module in /modules/*.ko; do
	# Some are for other processors.
	[ ! -e "$module" ] || insmod "$module" 2>/dev/null
done
sh /script
echo "status=$?"
# What the kernel had to complain about is a failure too.
if dmesg | grep -E 'WARNING:|BUG:|Oops|possible .*deadlock|blocked for more|general protection|KASAN' ; then
	echo "status=99"
fi
echo o > /proc/sysrq-trigger
sleep 10
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet) | gzip -1 > "$out/initrd.gz"
accel=tcg,thread=multi
[ -z "${CLOCK:-}" ] || accel='tcg,thread=single -icount shift=0,sleep=on,align=off'
checks='slub_debug=FZPU page_poison=1'
[ -z "${BARE:-}" ] || checks=
# shellcheck disable=SC2086
timeout "${BOOT_TIMEOUT:-480}" qemu-system-x86_64 -accel $accel \
	-smp 2 -m 512 -cpu qemu64 -display none -monitor none -no-reboot \
	-serial stdio -kernel "$kernel" -initrd "$out/initrd.gz" \
	${DISK:+-drive "file=$DISK,if=virtio,format=raw,cache=none"} \
	-append "console=ttyS0 quiet panic=-1 $checks rdinit=/init" </dev/null |
	tr -d '\r' | tee "$out/console" | sed '/^status=/d' || exit 124
status=$(sed -n 's/^status=//p' "$out/console" | sort -n | tail -1)
exit "${status:-124}"
