#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One host of each old world: its inventory, its plan and who serves what are
# what they were, byte for byte, and looking changes nothing.
#
# UPDATE=1 writes what was printed in the place of what was expected.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/migrate/stage.sh
. "$(dirname "$0")/../migrate/stage.sh"

requires python3

# compare WHAT WORLD FILE COMMAND...: what it prints is what is expected.
compare() {
	local what=$1 file=$trees/$2/$3
	shift 3
	"$@" >"$dir/out" 2>&1
	[ -z "${UPDATE-}" ] || cp "$dir/out" "$file"
	diff -u "$file" "$dir/out" >"$dir/diff" 2>&1
	result $? "$what" "$(cat "$dir/diff")"
}

look_at() {
	local world=$1 before wanted=0 opts
	stage "$world"
	read -ra opts < <(options_of "$world")
	[ ! -e "$trees/$world/status" ] || wanted=$(<"$trees/$world/status")
	before=$(digest)
	compare "$world: the inventory" "$world" inventory \
		blktap-migrate inventory --root "$root"
	compare "$world: the plan" "$world" plan \
		blktap-migrate plan --root "$root" "${opts[@]}"
	blktap-migrate plan --root "$root" "${opts[@]}" >"$dir/out" 2>&1
	is "$world: the plan's exit status" $? "$wanted"
	compare "$world: who serves what" "$world" status-table \
		blktap-migrate status --root "$root"
	ok "$world: inventory --json is JSON" sh -c \
		"blktap-migrate inventory --root $root --json | python3 -m json.tool"
	is "$world: plan --json has the same hash" \
		"$(blktap-migrate plan --root "$root" "${opts[@]}" --json |
			python3 -c 'import json,sys; print("plan", json.load(sys.stdin)["hash"])')" \
		"$(tail -1 "$trees/$world/plan")"
	is "$world: nothing was changed" "$(digest)" "$before"
}

for world in "$trees"/*/; do
	look_at "$(basename "$world")"
done
done_testing
