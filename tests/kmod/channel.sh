# SPDX-License-Identifier: GPL-2.0-or-later
# Run inside the machine that boot.sh made: the suite of all transports, where
# poll tells of a request once and where it does until the answer, with and
# without large requests.
export CMOCKA_MESSAGE_OUTPUT=TAP
for how in '0 4096' '1 4096' '0 0' '1 0'; do
	level=${how% *} kib=${how#* }
	insmod /lib/blktap.ko "level_poll=$level" "large_kib=$kib" hold_seconds=2 ||
		exit 1
	channel_test > /tmp/out 2>/tmp/err
	status=$?
	sed "s/^\(.*ok [0-9]* - \)/\1level_poll=$level large_kib=$kib: /" /tmp/out
	cat /tmp/err
	[ $status = 0 ] || exit 1
	rmmod blktap || exit 1
done
