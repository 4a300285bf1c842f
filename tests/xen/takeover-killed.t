# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# takeover-killed.t - blktap-migrate is killed after each record that it makes
# of a running guest's takeover, there and back, and is gone on with or taken
# back; the guest writes and verifies all the time.
# xen: by name
# limit: 1500
set -u
. ./lib.sh
. ./takeover.sh

hash() { blktap-migrate plan --allow cold,live | sed -n 's/^plan //p'; }
apply() { "$@" blktap-migrate apply --allow cold,live --plan "$hash"; }
rollback() { "$@" blktap-migrate rollback --yes; }
killed() { # N WHAT
	"$2" "$tmp/killed-at" fdatasync "$1" >"$tmp/said" 2>&1
	[ $? = 137 ]
}
is_back() { [ "$(driver)" = vbd ] && [ "$(xenstore-read "$(back)/state")" = 4 ]; }
calls() { sed -n 's/ calls$//p' "$tmp/said"; }
# What had been noted when it was killed.
last() {
	local journal
	journal=$(find /var/lib/blktap-migrate -name journal | sort | tail -n 1)
	tail -n 1 "$journal" | cut -d' ' -f2-
}

ok "what kills at a call is built" gcc -o "$tmp/killed-at" killed-at.c
random "$tmp/a" 16
boot=180
ok "a guest runs over a loop device" guest g pv "file:$tmp/a,xvda,w"
cp "$tmp/g.cfg" /etc/xen/g.cfg
sed -i "s,file:,tap:aio:," /etc/xen/g.cfg
before=$(sum /etc/xen/g.cfg)
writers
hash=$(hash)
ok "it writes" another_round
apply "$tmp/killed-at" fdatasync 999 >"$tmp/said" 2>&1
applied=$(calls)
ok "its disk can be taken over" is_ours
rollback "$tmp/killed-at" fdatasync 999 >"$tmp/said" 2>&1
returned=$(calls)
ok "and back" is_back
echo "  an apply has $applied records, a rollback $returned"

# Six steps of two records each come last in the one, first in the other.
bad=0 points=0
wrong() { echo "  $1 after \"$2\""; sed 's/^/    /' "$tmp/said"; bad=$((bad + 1)); }
run() { # WORD
	blktap-migrate "$1" --yes >"$tmp/said" 2>&1
}
for n in $(seq 0 12); do
	killed $((applied - 12 + n)) apply || wrong "not killed" "$n"
	at=$(last)
	points=$((points + 1))
	if [ $((n % 4)) -lt 2 ] && [ "$n" != 12 ]; then
		run rollback && is_back || wrong "rollback" "$at"
		continue
	fi
	run resume
	is_ours || wrong "resume" "$at"
	another_round || wrong "the guest stands" "$at"
	killed $((n + 2)) rollback || wrong "not killed on the way back" "$n"
	at=$(last)
	points=$((points + 1))
	if [ $((n % 3)) = 0 ]; then run resume; else run rollback; fi
	is_back || wrong "the way back" "$at"
done
is "killed at each of $points points, it goes on or back" $bad 0
ok "the guest writes on" another_round
ok "all that was written is read" quiet g
echo "bench takeover.killed_stall_ms $(longest) ms"
ok "the guest's kernel has nothing to say of it" in_guest g \
	'! dmesg | grep -iE "i/o error|xvda.*(disabled for|bogus|stale)"'
is "it has not started anew" "$(starts g)" 1
is "its configuration is as it was" "$(sum /etc/xen/g.cfg)" "$before"
is "what it wrote is in the file" "$(sum_in g /dev/xvda)" "$(sum "$tmp/a")"
ok "the guest ends" destroy g
# Those that were started and not yet used when their starter was killed.
pkill -x tapdisk
until_ 10 sh -c '! pgrep -x tapdisk'
for minor in $(tap-ctl list | sed -n 's/^minor=//p'); do
	tap-ctl free -m "$minor"
done
rm -rf /etc/xen/g.cfg* /etc/modprobe.d/blktap-migrate.conf /var/lib/blktap-migrate
finish
