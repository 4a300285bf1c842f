# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# migrate.sh - a small legacy host as a tree, for the tests of blktap-migrate;
# sourced after lib.sh.
requires blktap-migrate vhd-util
target='--target 4.20'

# legacy DIR: an xl host of Xen 4.8 with a module list, an old daemon's link,
# and a domain that xend managed.
legacy() {
	local t=$1
	mkdir -p "$t"/{srv,proc,boot} "$t"/etc/{xen,rc2.d,init.d,modprobe.d} \
		"$t/var/lib/xend/domains/u-1"
	truncate -s 1M "$t/srv/a.img" "$t/srv/m.img"
	vhd-util create -n "$t/srv/b.vhd" -s 4
	cat >"$t/etc/xen/one.cfg" <<-'EOF'
		# the first guest
		name = 'one'
		memory = 256
		kernel = "/boot/vmlinuz"
		disk = [	# two of them
		  'tap:aio:/srv/a.img,xvda,w',  # root
		  "tap2:vhd:/srv/b.vhd,xvdb,w",
		]
		on_crash = 'restart'
	EOF
	cat >"$t/etc/xen/two.cfg" <<-'EOF'
		name = "two"; memory = 128
		kernel = "/boot/vmlinuz"
		disk = ['backendtype=phy,vdev=xvda,target=/dev/null', 'tap2:aio:/srv/a.img,xvdb,r' ,]
	EOF
	cat >"$t/var/lib/xend/domains/u-1/config.sxp" <<-'EOF'
		(domain
		    (name managed)
		    (uuid 5c9a2a44-5b0e-4f4b-8a5c-0d7b5f0e8b11)
		    (memory 256)
		    (image (linux (kernel /boot/vmlinuz)))
		    (device (tap2 (uname tap2:aio:/srv/m.img) (dev xvda:disk) (mode w)))
		)
	EOF
	printf 'loop\nblktap\n# end' >"$t/etc/modules"
	printf '#!/bin/sh\n' >"$t/etc/init.d/blktapctrl"
	ln -s ../init.d/blktapctrl "$t/etc/rc2.d/S20blktapctrl"
	chmod 640 "$t/etc/xen/one.cfg"
	touch -d '2012-03-04 05:06:07' "$t"/etc/xen/* "$t/etc/modules"
}

# What is in a tree, without what the tool keeps for itself; "times": also
# when files were written. Ids become ID.
listing() {
	local format='%y %m %U %G %p'
	[ "${2-}" != times ] || format='%y %m %U %G %T@ %p'
	(cd "$1" && find . -path ./var/lib/blktap-migrate -prune -o \
		-type d -printf '%y %m %p\n' -o -type l -printf '%y %l %p\n' \
		-o -printf "$format\\n" | sort
	find . -path ./var/lib/blktap-migrate -prune -o -type f -print0 |
		sort -z | xargs -0 sha256sum) |
		sed -E 's/blktap-migrate\.[0-9]+-[0-9]+-[0-9]+/ID/'
}

# plan_of TREE: its hash.
# shellcheck disable=SC2086
plan_of() { blktap-migrate plan --root "$1" $target | sed -n 's/^plan //p'; }
# shellcheck disable=SC2086
apply() { blktap-migrate apply --root "$1" $target --plan "$(plan_of "$1")"; }
