#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# demo.sh OBJDIR - real Xen, its own xl, and guests whose disks are VHDs that
# our tapdisk serves. What happens there is tests/xen/demo.t; the first time
# takes a few minutes longer, for the Debian root that Xen runs in.
set -o pipefail
cd "$(dirname "$0")/.." || exit 1
export O=${1:-build}
rm -f "$O/xen/4.20/tap"
echo "Xen 4.20 in QEMU, by emulation: three minutes or more"
if tests/xen/run --limit 660 demo 2>&1 | sed -u 's/^# //'; then
	echo "demo: guests ran from VHDs on stock Xen; logs in $O/xen/4.20"
else
	why=$(grep -m 1 '^not ok' "$O/xen/4.20/tap" 2>/dev/null)
	echo "demo: FAILED: ${why:-no test was run}; logs in $O/xen/4.20" >&2
	exit 1
fi
