# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# lib.sh - what the functional tests share; sourced, not run.
#
# Each test has a control directory of its own, and at its end no tapdisk of
# it is left. A check is one line of TAP:
#
#	is "what" "$got" "$wanted"	ok "what" command...
#	fails_with 22 "what" command...	like "what" "$got" 'regexp'
#	has "what" "$text" "part"
#
# and the last line of a test is done_testing.
O=${O:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build}
dir=$(mktemp -d /tmp/blktap-func.XXXXXX)
export BLKTAP_CONTROL_DIR=$dir/run BLKTAP_LOG_DIR=$dir/log
export BLKTAP_CONF=$dir/conf TAPDISK=$O/bin/tapdisk
unset XENBUS_TYPE TAPDISK3_CRYPTO_KEYDIR TAPDISK2_CRYPTO_KEYDIR
mkdir -m 700 "$BLKTAP_CONTROL_DIR"
tests=0
failed=0
PATH=$O/bin:$PATH
export PATH

pids() {
	for s in "$BLKTAP_CONTROL_DIR"/ctl*; do
		[ -S "$s" ] && echo "${s##*/ctl}"
	done
}

# The tests' own tapdisks, by their numbers.
cleanup() {
	local p
	for p in $(pids); do
		grep -qs tapdisk "/proc/$p/comm" && kill -9 "$p"
		rm -rf "/dev/shm/td3-$p"
	done
	rm -rf "$dir"
}
trap cleanup EXIT

result() {
	tests=$((tests + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tests - $2"
	else
		echo "not ok $tests - $2"
		failed=1
		sed 's/^/# /' <<<"$3"
	fi
}

is() {
	[ "$2" = "$3" ]
	result $? "$1" "got    '$2'"$'\n'"wanted '$3'"
}

like() {
	[[ $2 =~ $3 ]]
	result $? "$1" "got  '$2'"$'\n'"like '$3'"
}

has() {
	[[ $2 == *"$3"* ]]
	result $? "$1" "'$3' is not in it"
}

ok() {
	local what=$1 said rc
	shift
	said=$("$@" 2>&1 </dev/null)
	rc=$?
	result $rc "$what" "$* ended with $rc: $said"
}

fails_with() {
	local status=$1 what=$2 said rc
	shift 2
	said=$("$@" 2>&1 </dev/null)
	rc=$?
	[ $rc = "$status" ]
	result $? "$what" "$* ended with $rc, not $status: $said"
}

done_testing() {
	echo "1..$tests"
	exit $failed
}

# Skip the whole test if a program is missing.
requires() {
	local p
	for p in "$@"; do
		command -v "$p" >/dev/null && continue
		echo "1..0 # SKIP $p is not installed"
		exit 0
	done
}

# Wait until a command succeeds: 10 s at most, for what has no other sign.
eventually() {
	local i
	for ((i = 0; i < 500; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.02
	done
	return 1
}

is_gone() {
	! kill -0 "$1"
}

# A tapdisk with one disk, open: sets pid and minor.
start_disk() {
	minor=$(tap-ctl allocate) && minor=${minor##*-} &&
		pid=$(tap-ctl spawn) && tap-ctl attach -p "$pid" -m "$minor" &&
		tap-ctl open -p "$pid" -m "$minor" -a "$1" "${@:2}"
}

state_of() {
	tap-ctl list -m "$1" | sed -n 's/.*state=\([^ ]*\).*/\1/p'
}
