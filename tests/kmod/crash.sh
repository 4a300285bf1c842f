# SPDX-License-Identifier: GPL-2.0-or-later
# Run inside the machine that boot.sh made.
insmod /lib/blktap.ko || exit 1
crash || exit 1
rmmod blktap || exit 1
