# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2034  # disks.sh, which reads it
# pvh.t - the disks of a PVH guest.
# xen: 4.20
# limit: 900
# Its processor is emulated twice over: to unpack fio and to run it took minutes.
type=pvh initrd=small boot=150
. ./disks.sh
