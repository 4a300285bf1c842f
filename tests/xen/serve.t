# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# serve.t - the old tapdisk behind a tapdev is exchanged for ours, and back,
# while a guest writes to its disk there and verifies; also by a blktap-migrate
# that is killed at the worst moments.
# xen: by name
# limit: 600
set -u
. ./lib.sh
. ./module.sh
. ./takeover.sh

# What an administrator had set for the old one, and has for the way back.
old() {
	TAPDISK=/rig/share/old-tapdisk OLD_LINEAGE=xen42 \
		OLD_TAPDISK=/usr/libexec/tapdisk "$@"
}
back_again() {
	OLD_LINEAGE=xen42 OLD_TAPDISK=/usr/libexec/tapdisk \
		blktap-migrate rollback --yes
}
hash() { blktap-migrate plan --allow keep | sed -n 's/^plan //p'; }
apply() { "$@" blktap-migrate apply --allow keep --plan "$(hash)"; }
lineage() {
	case $(blktap-migrate status | awk '$2 == "xvda" { print $4 }') in
	ours) echo ours ;;
	*4.2*) echo old ;;
	esac
}
held() { cat /sys/module/blktap/parameters/hold_seconds; }
# killed CALL N: an apply is, and what is left then goes on.
killed() {
	apply "$tmp/killed-at" "$1" "$2" >"$tmp/said" 2>&1
	[ $? = 137 ]
}

ok "what kills at a call is built" gcc -o "$tmp/killed-at" killed-at.c
ok "the module is loaded" load_module
vhd-util create -n "$tmp/a.vhd" -s 16
dev=$(old tap-ctl create -t blktap2 -a "vhd:$tmp/a.vhd")
guest_files
boot=180
ok "a guest runs from a VHD behind ${dev##*/}" guest g pv \
	"format=raw,vdev=xvda,access=rw,target=$dev"
cp "$tmp/g.cfg" /etc/xen/g.cfg
is "an old tapdisk serves it" "$(lineage)" old
writers
ok "it writes" another_round

ok "ours takes it" apply
sed 's/^/  /' "$tmp/out"
is "now ours serves it" "$(lineage)" ours
is "behind blkback, as before" "$(driver)" vbd
ok "the guest writes on" another_round
ok "verify has nothing to say" blktap-migrate verify
ok "the old one gets it back" back_again
sed 's/^/  /' "$tmp/out"
is "it serves it" "$(lineage)" old
ok "the guest writes on" another_round

# In the trial of ours; before the old one is killed; after; and when all is
# done but the record.
for point in "unlink 1" "pidfd 1" "unlink 2" "fdatasync 2"; do
	# shellcheck disable=SC2086  # two words
	ok "killed at $point" killed $point
	ok "and gone on with" blktap-migrate resume --yes
	is "ours serves it" "$(lineage) $(held)" "ours 60"
	ok "the guest writes on" another_round
	ok "and back" back_again
done
ok "killed with the old one paused" killed pidfd 1
ok "and taken back" back_again
is "the old one serves it" "$(lineage) $(held)" "old 60"
ok "the guest writes on" another_round

ok "all that was written is read" quiet g
echo "bench serve.stall_ms $(longest) ms"
ok "the guest's kernel has nothing to say of it" in_guest g \
	'! dmesg | grep -iE "i/o error|xvda.*(disabled for|bogus|stale)"'
is "it has not started anew" "$(starts g)" 1
seen=$(sum_in g /dev/xvda)
ok "the guest ends" destroy g
for pid in $(tap-ctl list | sed -n 's/^pid=\([0-9]*\) .*args=.*/\1/p'); do
	ok "the tapdisk ends" tap-ctl destroy -p "$pid" -m 0
done
is "domain 0 reads the same" "$(image_sum "vhd:$tmp/a.vhd")" "$seen"
ok "the VHD is clean" vhd-util check -n "$tmp/a.vhd"
# Those that were started and not yet used when their starter was killed.
pkill -x tapdisk
until_ 10 sh -c '! pgrep -x tapdisk'
for minor in $(tap-ctl list | sed -n 's/^minor=//p'); do
	tap-ctl free -m "$minor"
done
ok "the module is unloaded" unload_module
is "the kernel has nothing to complain of" "$(complaints)" ""
rm -rf /etc/xen/g.cfg* /var/lib/blktap-migrate
finish
