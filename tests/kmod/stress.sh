# SPDX-License-Identifier: GPL-2.0-or-later
# Run inside the machine that boot.sh made.
insmod /lib/blktap.ko || exit 1
stress 8 || exit 1
rmmod blktap || exit 1
insmod /lib/blktap.ko level_poll=1 classic=1 || exit 1
stress 4 || exit 1
rmmod blktap || exit 1
insmod /lib/blktap.ko large_kib=0 || exit 1
stress 4 || exit 1
rmmod blktap || exit 1
