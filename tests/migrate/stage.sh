# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# stage.sh - a host's tree, in a folder of its own; sourced after func/lib.sh.
#
# A world is a folder of trees/:
#
#	root/		the host's files, captured /proc and /sys, xenstore-ls,
#			tap-ctl-list
#	images		vhd PATH MB [PARENT] or raw PATH MB: made when staged
#	options		what "plan" is told
#	status		exit status of "plan" if it is not 0
#	inventory	expected
#	plan		expected
#	status-table	expected of "status"
#	converted	files that differ, and new ones, after "apply"
#	bad		what "verify" finds wrong with it, if anything
trees=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/trees

# stage WORLD: sets root.
stage() {
	root=$dir/root
	rm -rf "$root"
	cp -a "$trees/$1/root" "$root"
	local kind path size parent
	while read -r kind path size parent; do
		mkdir -p "$root${path%/*}"
		case $kind in
		raw) truncate -s "${size}M" "$root$path" ;;
		vhd) stage_vhd "$path" "$size" "$parent" ;;
		esac
	done <"$trees/$1/images"
}

stage_vhd() {
	if [ "$3" ]; then
		vhd-util snapshot -n "$root$1" -p "$root$3"
		# The way to its parent is told relative to itself.
	else
		vhd-util create -n "$root$1" -s "$2"
	fi
}

options_of() {
	cat "$trees/$1/options"
}

# Everything in the tree, with its contents.
digest() {
	(cd "$root" && find . -printf '%p %m %l\n' -type f -exec sha256sum {} + |
		sort)
}
