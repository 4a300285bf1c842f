# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# module.t - the kernel module in domain 0: what every tool expects of the
# device, a tapdisk killed under load, and a file system that outlives it.
# xen: 4.20 4.17
# limit: 600
set -u
. ./lib.sh
. ./module.sh

is "it was built with all warnings on, and under sparse, without one" \
	"$(grep -E 'warning:|error:' $kmod/log)" ""
is "for this kernel" "$(modinfo -F vermagic $kmod/blktap.ko | cut -d' ' -f1)" \
	"$(uname -r)"
for field in license description author version parm alias srcversion; do
	ok "modinfo tells $field" [ -n "$(modinfo -F $field $kmod/blktap.ko)" ]
done

# It begins without the module, loads it, and unloads it in the end. What a
# device in use goes through is left out where kmod.t has the same kernel.
case $(uname -r) in 6.1.*) export brief=1 ;; esac
module=$kmod/blktap.ko img=$tmp suite tapdisk sh $kmod/serve.sh

ok "it is loaded" load_module
suite conform $kmod/conform
suite crash $kmod/crash
suite stress $kmod/stress 3
ok "it is unloaded" unload_module
is "the kernel has nothing to complain of" "$(complaints)" ""
finish
