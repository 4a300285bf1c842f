#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# boot.sh OUTDIR MODULE KERNEL SCRIPT FILE... - boot a kernel with the module
# and some static programs, run SCRIPT (of busybox's shell) as root there and
# print what it prints.
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
[ $# = 0 ] || cp "$@" "$root/bin/"
cat > "$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
export PATH=/bin
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
timeout "${BOOT_TIMEOUT:-240}" qemu-system-x86_64 -accel tcg,thread=multi \
	-smp 2 -m 512 -cpu qemu64 -display none -monitor none -no-reboot \
	-serial stdio -kernel "$kernel" -initrd "$out/initrd.gz" \
	-append "console=ttyS0 quiet panic=-1 slub_debug=FZPU page_poison=1 rdinit=/init" </dev/null |
	tr -d '\r' | tee "$out/console" | sed '/^status=/d' || exit 124
status=$(sed -n 's/^status=//p' "$out/console" | sort -n | tail -1)
exit "${status:-124}"
