# SPDX-License-Identifier: GPL-2.0-or-later
# Run inside the machine that boot.sh made: the suite of all transports, where
# poll tells of a request once and where it does until the answer.
export CMOCKA_MESSAGE_OUTPUT=TAP
for level in 0 1; do
	insmod /lib/blktap.ko level_poll=$level hold_seconds=2 || exit 1
	channel_test > /tmp/out 2>/tmp/err
	status=$?
	sed "s/^\(.*ok [0-9]* - \)/\1level_poll=$level: /" /tmp/out
	cat /tmp/err
	[ $status = 0 ] || exit 1
	rmmod blktap || exit 1
done
