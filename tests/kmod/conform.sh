# SPDX-License-Identifier: GPL-2.0-or-later
# Run inside the machine that boot.sh made: by both namings.
insmod /lib/blktap.ko || exit 1
conform || exit 1
rmmod blktap || exit 1
insmod /lib/blktap.ko classic=1 || exit 1
conform || exit 1
rmmod blktap || exit 1
