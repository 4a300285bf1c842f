#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One host of each old world: what apply makes of its files is what it was,
# byte for byte; nothing else is changed; and rollback brings all of it back.
#
# UPDATE=1 writes what was made in the place of what was expected.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/migrate/stage.sh
. "$(dirname "$0")/../migrate/stage.sh"

# changed: each file that is new or has other contents, and links that are gone,
# but for backups.
changed() {
	(cd "$root" && find . -type f ! -name '*.blktap-migrate.*' \
		! -path './var/lib/blktap-migrate/*' | sort) |
		while read -r f; do
			cmp -s "$root/$f" "$dir/start/$f" || echo "${f#./}"
		done
	(cd "$dir/start" && find . | sort) | while read -r f; do
		[ -e "$root/$f" ] || [ -L "$root/$f" ] || echo "gone ${f#./}"
	done
}

# made: the same with their contents, as one text.
made() {
	changed | while read -r f; do
		echo "=== $f"
		[ "${f#gone }" != "$f" ] || cat "$root/$f"
	done
}

plan() { blktap-migrate plan --root "$root" "${options[@]}" | sed -n 's/^plan //p'; }
apply() {
	blktap-migrate apply --root "$root" "${options[@]}" --plan "$(plan)"
}

# What was not in order before, and is not now.
bad() { blktap-migrate verify --root "$root" | sed -n 's/^BAD  //p'; }

# What the world's plan is made with, without what a tree cannot do.
look_at() {
	local world=$1 words before
	read -ra options < <(options_of "$world" | sed 's/--allow [^ ]*//')
	stage "$world"
	rm -rf "$dir/start" && cp -a "$root" "$dir/start"
	before=$(digest)
	if [ -e "$trees/$world/status" ]; then
		fails_with 2 "$world: apply is refused" apply
		is "$world: nothing is changed" "$(digest)" "$before"
		return
	fi
	ok "$world: apply" apply
	[ -z "${UPDATE-}" ] || made >"$trees/$world/converted"
	is "$world: what it made" "$(made)" "$(cat "$trees/$world/converted")"
	is "$world: a second plan has nothing to do" "$(apply 2>&1)" \
		"nothing is to be done"
	words=$(changed | wc -l)
	ok "$world: something was made" test "$words" -gt 0
	is "$world: what verify finds wrong" "$(bad)" \
		"$(cat "$trees/$world/bad" 2>/dev/null)"
	ok "$world: rollback" blktap-migrate rollback --root "$root" --yes
	rm -rf "$root/var/lib/blktap-migrate"
	[ -e "$dir/start/var/lib" ] || rmdir -p "$root/var/lib" 2>/dev/null
	is "$world: everything is back" "$(digest)" "$before"
}

# libvirt would write its files again.
stage libvirt
options=()
mkdir -p "$root/run"
echo 1 >"$root/run/libvirtd.pid"
like "libvirt runs: its files are not edited" "$(apply 2>&1)" \
	'desk.xml: libvirt runs'
rm "$root/run/libvirtd.pid"
ok "it is stopped: they are" apply
echo 1 >"$root/run/libvirtd.pid"
fails_with 4 "it runs again: they are not brought back" blktap-migrate \
	rollback --root "$root" --yes
rm "$root/run/libvirtd.pid"
ok "it is stopped: rollback goes on" blktap-migrate rollback --root "$root" --yes

for world in "$trees"/*/; do
	look_at "$(basename "$world")"
done
done_testing
