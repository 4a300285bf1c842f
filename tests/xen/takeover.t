# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# takeover.t - a running guest's disk goes from the kernel's backend to our
# ring and back, under four writers that verify: five times one that is a VHD
# behind a tapdev, and once one over a loop device, with the guest's driver
# told to do without persistent grants and indirect requests.
# xen: 4.20
# limit: 600
set -u
. ./lib.sh
. ./module.sh
. ./takeover.sh

ok "the module is loaded" load_module
vhd-util create -n "$tmp/a.vhd" -s 16
dev=$(tap-ctl create -t blktap2 -a "vhd:$tmp/a.vhd")
read -r pid minor _ < <(tap-ctl list | sed 's/pid=//; s/minor=//')
over "a VHD behind $(basename "$dev")" 5 "$dev" \
	"persistent grants: enabled; indirect descriptors: enabled"
ok "the guest ends" destroy g
ok "and the old tapdisk" tap-ctl destroy -p "$pid" -m "$minor"
is "domain 0 reads the same" "$(image_sum "vhd:$tmp/a.vhd")" "$seen"
ok "the VHD is clean" vhd-util check -n "$tmp/a.vhd"
ok "the module is unloaded" unload_module
is "the kernel has nothing to complain of" "$(complaints)" ""

random "$tmp/a" 16
over "a file, without this and that" 1 "$tmp/a" \
	"persistent grants: disabled; indirect descriptors: disabled" \
	feature_persistent=0 max_indirect_segments=11
is "domain 0 reads the same" "$(sum "$tmp/a")" "$seen"
ok "it goes over for good" move takeover
ok "and xl takes it away from us" xl block-detach g xvda
is "and its tapdisk with it" "$(tap-ctl list)" ""
ok "the guest ends" destroy g
finish
