# SPDX-License-Identifier: GPL-2.0-or-later
# module.sh - words of the tests with the kernel module; after lib.sh.
#
#   load_module, unload_module
#   suite NAME COMMAND... a program that speaks TAP: its results become ours
#   complaints            what the kernel had to say since the test began
kmod=/rig/share/kmod
dmesg >"$tmp/dmesg"

load_module() { insmod "$kmod/blktap.ko" "$@"; }

# The last reference of a disk that is gone may be dropped a moment later.
unload_module() { until_ 10 rmmod blktap; }

suite() {
	local name=$1 word rest rc
	shift
	"$@" >"$tmp/suite" 2>&1
	rc=$?
	while read -r word rest; do
		case "$word $rest" in
		"ok "*) result ok "$name: ${rest#* - }" ;;
		"not ok "*) result "not ok" "$name: ${rest#ok * - }" ;;
		"#"* | "Bail out!"*) echo "  $word $rest" ;;
		esac
	done <"$tmp/suite"
	is "$name ends well" "$rc" 0
}

complaints() {
	dmesg | diff "$tmp/dmesg" - | grep -E "^>.*($faults)"
}
faults='WARNING:|BUG:|Oops|possible .*deadlock|blocked for more|general protection'
faults="$faults|KASAN|Call Trace"
