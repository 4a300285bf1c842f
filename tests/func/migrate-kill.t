#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# blktap-migrate is killed before each call that changes something on the
# disk, and gone on with from there: to the end, and to the start.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/func/migrate.sh
. "$(dirname "$0")/migrate.sh"
requires strace
calls='fdatasync fsync rename link unlink symlink mkdir rmdir'
cd "$dir" || exit 1

legacy start
cp -a start end
hash=$(plan_of start)
before=$(listing start times)
ok "the whole of it is applied" apply end
after=$(listing end)
records=$(grep -c . end/var/lib/blktap-migrate/*/journal)
edits=$(find end -name '*.blktap-migrate.*' ! -path '*/var/lib/*' | wc -l)
is "three files have a backup" "$edits" 3
ok "there is one record a step, and more" test "$records" -ge 17

# killed CALL N COMMAND...: kill -9 before the N-th such call; 137 if there was
# one.
killed() {
	local call=$1 n=$2
	shift 2
	(strace -qq -o /dev/null -e "trace=$call" \
		-e "inject=$call:signal=SIGKILL:when=$n" "$@"
	exit $?) >/dev/null 2>&1
	[ $? = 137 ]
}

# shellcheck disable=SC2086
apply_killed() {
	killed "$1" "$2" blktap-migrate apply --root tree $target --plan "$hash"
}
resume() { blktap-migrate resume --root tree --yes >log 2>&1; }
rollback() { blktap-migrate rollback --root tree --yes >log 2>&1; }
begun() { compgen -G 'tree/var/lib/blktap-migrate/*/journal' >/dev/null; }

# Nothing was begun before the journal was there: then apply is asked again.
to_the_end() { if begun; then resume; else apply tree >log 2>&1; fi; }
to_the_start() { ! begun || rollback; }

# compare NAME N WANTED GOT
differs() {
	[ "$3" = "$4" ] && return 1
	echo "# $1 after $2:"
	diff <(echo "$3") <(echo "$4") | sed 's/^/# /' | head -n 20
	sed 's/^/# /' log
}

resumed() {
	to_the_end || echo "# resume: $(cat log)"
	differs resume "$1" "$after" "$(listing tree)"
}
rolled_back() {
	to_the_start || echo "# rollback: $(cat log)"
	differs rollback "$1" "$before" "$(listing tree times)"
}

# sweep CHECK START COMMAND...: for each call that COMMAND makes over a copy of
# START, one in which it is killed there, and then the check.
sweep() {
	local check=$1 from=$2 call n
	shift 2
	bad=0 points=0
	for call in $calls; do
		for ((n = 1; ; n++)); do
			rm -rf tree && cp -a "$from" tree
			"$@" "$call" $n || break
			points=$((points + 1))
			! $check "$call $n" || bad=$((bad + 1))
		done
	done
}

sweep resumed start apply_killed
is "apply killed at each of $points points, then resumed" $bad 0
ok "that were many points" test $points -gt 40
echo "# $points points, $records records"
sweep rolled_back start apply_killed
is "apply killed at each of $points points, then rolled back" $bad 0

# Both ways on are killed too.
rollback_killed() { killed "$@" blktap-migrate rollback --root tree --yes; }
resume_killed() { killed "$@" blktap-migrate resume --root tree --yes; }
back_by_resume() {
	resume
	differs "rollback, resume" "$1" "$before" "$(listing tree times)"
}
sweep rolled_back end rollback_killed
is "rollback killed at each of $points points, then again" $bad 0
rm -rf half && cp -a start half && rm -rf tree && cp -a start tree
apply_killed fdatasync 2 && rm -rf half && cp -a tree half
sweep resumed half resume_killed
is "resume killed at each of $points points, then again" $bad 0
sweep back_by_resume end rollback_killed
is "a rollback that was killed is gone on with by resume" $bad 0
done_testing
