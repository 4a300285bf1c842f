#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The inventory of this machine: tapdisks that run, ours and one of an older
# lineage beside it, and what one of them needs; then several hosts' together.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/migrate/stage.sh
. "$(dirname "$0")/../migrate/stage.sh"

requires python3

# say EXPRESSION: of the inventory, as d.
say() {
	blktap-migrate inventory --json | python3 -c \
		"import json,sys; d=json.load(sys.stdin); print($1)"
}

of_pid() {
	say "[t for t in d['tapdisks'] if t['pid'] == $1][0]$2"
}

vhd-util create -n "$dir/a.vhd" -s 10
export TAPDISK3_CRYPTO_KEYDIR=$dir/keys
start_disk "vhd:$dir/a.vhd"
ours=$pid
is "a tapdisk of ours is known for one" "$(of_pid "$ours" "['lineage']")" ours
is "it answers" "$(of_pid "$ours" "['answers']")" True
is "with its image" "$(of_pid "$ours" "['images'][0]['path']")" "$dir/a.vhd"
has "and the key folder that its successor needs" \
	"$(of_pid "$ours" "['environment']")" \
	"TAPDISK3_CRYPTO_KEYDIR=$dir/keys"
is "the image is open once, locked, and sound" \
	"$(say "[(c['openers'], c['locked'], c['problem']) for c in d['chains'] if c['layers'] == ['vhd:$dir/a.vhd']]")" \
	"[(1, True, None)]"

unset TAPDISK3_CRYPTO_KEYDIR
for lineage in xen42:xen-4.2 tap2:blktap-2.5 early3:blktap3-2012 xs6:xapi-2; do
	export OLD_LINEAGE=${lineage%:*} OLD_TAPDISK=$O/bin/tapdisk
	pid=$(TAPDISK=$O/tests/tools/old-tapdisk tap-ctl spawn)
	is "one of lineage ${lineage#*:} beside it is told apart" \
		"$(of_pid "$pid" "['lineage']")" "${lineage#*:}"
	kill -9 "$pid"
done
is "ours still is" "$(of_pid "$ours" "['lineage']")" ours
kill -STOP "$ours"
is "one that hangs is in the inventory" \
	"$(of_pid "$ours" "['answers']")" False
kill -CONT "$ours"

for world in xen-4.17-live libvirt; do
	stage $world
	blktap-migrate inventory --root "$root" --json >"$dir/$world.json"
done
sed 's/"xen": "4.17.5"/"xen": "4.20.1"/' "$dir/xen-4.17-live.json" \
	>"$dir/new.json"
report=$(blktap-migrate fleet "$dir"/{xen-4.17-live,new,libvirt}.json)
like "each host has its versions and its count" "$report" \
	'new +4\.20\.1 +6\.1\.0-28-amd64 +6, 1'
has "an image that two know, and who has it open" "$report" \
	"/srv/xen/old.vhd: xen-4.17-live (unknown), new (unknown)"
has "a line that another host does not take as it is" "$report" \
	"desk xvda from libvirt to xen-4.17-live: does not start there"
is "and between equal ones nothing" \
	"$(blktap-migrate fleet "$dir"/{xen-4.17-live,xen-4.17-live}.json |
		grep -c elsewhere)" 0
is "as JSON too" "$(blktap-migrate fleet --json "$dir/new.json" |
	python3 -c 'import json,sys; print(json.load(sys.stdin)["hosts"][0]["ours"])')" 1
done_testing
