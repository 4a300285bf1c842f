# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2034  # disks.sh, which reads it
# pv.t - the disks of a PV guest.
# xen: 4.20
# limit: 900
type=pv
. ./disks.sh
