#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# demo.sh OBJDIR - real Xen, its own xl, and a guest whose disk is a VHD that
# our tapdisk serves. What happens there is tests/xen/demo.t; the first time
# takes a few minutes longer, for the Debian root that Xen runs in.
set -o pipefail
cd "$(dirname "$0")/.." || exit 1
export O=${1:-build}
echo "Xen 4.20 in QEMU, by emulation: a minute or two"
if tests/xen/run --limit 400 demo 2>&1 | sed -u 's/^# //'; then
	echo "demo: a guest ran from a VHD on stock Xen; logs in $O/xen/4.20"
else
	echo "demo: FAILED, see the first 'not ok' above; logs in $O/xen/4.20" >&2
	exit 1
fi
