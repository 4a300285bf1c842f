#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# blktap-migrate verify reads a disk by its tapdisk and around it: a tree with
# a real tapdisk in it, and what XenStore would say of its disk.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/func/migrate.sh
. "$(dirname "$0")/migrate.sh"
cd "$dir" || exit 1
legacy tree
root=$dir/tree
mkdir -p "$root/run/blktap-control" "$root/proc"
export BLKTAP_CONTROL_DIR=$root/run/blktap-control
dd if=/dev/urandom of="$root/srv/a.img" bs=1M count=3 2>/dev/null
ok "apply" apply tree

start_disk "aio:$root/srv/a.img"
mkdir -p "$root/proc/$pid" "$root/usr/local/libexec"
ln -s /usr/local/libexec/tapdisk "$root/proc/$pid/exe"
echo "pid=$pid minor=$minor state=0 args=aio:/srv/a.img" >"$root/tap-ctl-list"
back=/local/domain/0/backend/vbd3/1/51712
front=/local/domain/1/device/vbd/51712
cat >"$root/xenstore-ls" <<EOF
$back = ""
$back/dev = "xvda"
$back/frontend = "$front"
$back/minor = "$minor"
$back/params = "aio:/srv/a.img"
$back/pid = "$pid"
$back/state = "4"
$back/xenio-owner = "1"
$front/state = "4"
/local/domain/1/name = "one"
EOF
sound() { blktap-migrate verify --root tree "$@"; }

ok "what both ways read is the same" sound
ok "as many ranges as are asked for" sound --ranges 200
mv "$root/tap-ctl-list" list
ok "a disk of ours without a tapdisk is found" test "$(sound | grep -c 'no tapdisk answers')" = 1
mv list "$root/tap-ctl-list"
cat >"$root/etc/xen/example.cfg" <<EOF
name = "example"
kernel = "/boot/vmlinuz"
disk = ['/dev/vg/guest-volume,raw,xvda,rw']
EOF
ok "an image of a file that was left alone may be missing" sound
mv "$root/srv/b.vhd" away
like "one of a file that was changed may not" "$(sound)" \
	'BAD  .*/srv/b.vhd: it is not there'
mv away "$root/srv/b.vhd"
cp "$root/tap-ctl-list" list
echo "pid=$pid minor=7 state=2a args=aio:/srv/a.img" >>"$root/tap-ctl-list"
ok "a tapdisk that is paused has its image closed" sound
sed -i 's/state=2a/state=0/' "$root/tap-ctl-list"
like "two that are not have it open" "$(sound)" '2 tapdisks have it open'
mv list "$root/tap-ctl-list"

# The tapdisk goes on with the file that it has open.
cp "$root/srv/a.img" other
printf x | dd of=other bs=1 seek=5000 conv=notrunc 2>/dev/null
mv other "$root/srv/a.img"
said=$(sound)
is "a byte that differs: status" $? 2
like "a byte that differs: where" "$said" \
	'BAD  /srv/a.img: 65536 bytes at 0 are not what the tapdisk reads'
sed -i "/$(printf '%s' "${back//\//\\/}")\/state/s/4/6/" "$root/xenstore-ls"
like "a backend that is not connected" "$(sound)" 'the backend in state 6'
tap-ctl destroy -p "$pid" -m "$minor" >/dev/null
like "a socket that is gone" "$(sound)" "nbd$pid.$minor: No such file"
done_testing
