# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154,SC2086  # lib.sh, stage.sh, words on purpose
# lines.t - what blktap-migrate makes of the disks of old hosts, shown to the
# real xl; no guest is started.
# xen: by name
# limit: 400
set -u
. ./lib.sh
dir=$tmp
. /rig/share/migrate/stage.sh

version=$(xl info xen_version | cut -d. -f1,2)
case $version in
4.1[3-8].* | 4.1[3-8]) served='"script": "block-xenio"' ;;
*) served='"backend": "tap"' ;;
esac
goal="--target $version --include-file --shared --qcow-script"

# parsed FILE: the disks of a configuration as xl has them, one a line.
parsed() {
	xl create -n "$1" | tr -d '\n' | sed 's/"vdev"/\n&/g' | grep '^"vdev"'
}
takes() { xl create -n "$1" >/dev/null; }

# The tool shows each file to xl itself, before it is put in place.
export BLKTAP_MIGRATE_XL=xl
apply() {
	local hash
	hash=$(blktap-migrate plan --root "$root" $goal | sed -n 's/^plan //p')
	blktap-migrate apply --root "$root" $goal --plan "$hash"
}

edited() { find "$root/etc/xen" -name '*.blktap-migrate.*'; }
for world in "$trees"/*; do
	world=${world##*/}
	stage "$world"
	case $world in xcp-ng-8 | openxt) continue ;; esac
	# Old xm took a domain without a kernel.
	for file in "$root"/etc/xen/*; do
		[ ! -f "$file" ] || grep -q 'disk' "$file" || continue
		grep -qE '^ *(kernel|bootloader|builder|type)' "$file" ||
			echo 'kernel = "/boot/vmlinuz"' >>"$file"
	done
	ok "$world: xl takes what its files become" apply
	for backup in $(edited); do
		file=${backup%.blktap-migrate.*}
		ok "$world: ${file##*/} is a configuration" takes "$file"
	done
done

# Each form by itself, and what it is for this xl.
small() {
	printf '%s\n' "name='x'" 'memory=32' "kernel='/boot/vmlinuz'" \
		"disk=['$1']" ${2+"type='$2'"}
}
form() {
	local line=$1
	root=$tmp/one
	rm -rf "$root" && mkdir -p "$root/etc/xen" "$root/srv"
	truncate -s 1M "$root/srv/a"
	rm -f "$root/srv/a.vhd"
	vhd-util create -n "$root/srv/a.vhd" -s 2
	small "$@" >"$root/etc/xen/x.cfg"
	apply >"$tmp/said" 2>&1 || { cat "$tmp/said"; return 1; }
	parsed "$root/etc/xen/x.cfg" >"$tmp/parsed"
	grep -qF "$served" "$tmp/parsed" ||
		{ echo "$line:"; cat "$root/etc/xen/x.cfg" "$tmp/parsed"; false; }
}
while read -r line type; do
	ok "$line${type:+ ($type)} is ours for xl $version" form "$line" $type
done <<-'EOF'
	tap:aio:/srv/a,xvda,w
	tap:tapdisk:aio:/srv/a,xvda,r
	tap2:aio:/srv/a,sda,w
	tap2:vhd:/srv/a.vhd,xvda,w
	tap:vhd:/srv/a.vhd,hda,w
	tap:tapdisk:vhd:/srv/a.vhd,xvda,w
	vhd:/srv/a.vhd,xvda,w
	/srv/a.vhd,vhd,xvda,rw
	format=vhd,vdev=xvda,access=ro,discard,target=/srv/a.vhd
	file:/srv/a,xvda,w
	tap:aio:/srv/a,xvda,w!
	tap:aio:/srv/a,ioemu:hda,w hvm
EOF
finish
