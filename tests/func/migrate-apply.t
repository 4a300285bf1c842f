#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# blktap-migrate apply on a tree: what it does, and what it refuses with a
# reason and without having changed anything.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/func/migrate.sh
. "$(dirname "$0")/migrate.sh"
cd "$dir" || exit 1
legacy start
hash=$(plan_of start)
before=$(listing start times)

# refused NAME STATUS REGEXP COMMAND...: and the tree is as it was.
refused() {
	local name=$1 status=$2 why=$3 said rc
	shift 3
	said=$("$@" 2>&1 </dev/null)
	rc=$?
	is "$name: status" $rc "$status"
	like "$name: the reason" "$said" "$why"
	is "$name: nothing has changed" "$(listing tree times)" "$before"
}
fresh() { rm -rf tree && cp -a start tree; }
# shellcheck disable=SC2086
with_plan() { blktap-migrate apply --root tree $target --plan "$1"; }

fresh
refused "a wrong hash" 2 'the host is not as it was' \
	with_plan "$(tr 0-9a-f 1-9a-f0 <<<"$hash")"
refused "no hash" 2 "--plan $hash" blktap-migrate apply --root tree \
	--target 4.20
refused "other options than the plan's" 2 'not as it was' blktap-migrate \
	apply --root tree --target 4.17 --plan "$hash"

sed -i '2i # one line more' tree/etc/xen/one.cfg
changed=$(listing tree times)
is "a file changed after the plan: status" \
	"$(with_plan "$hash" >log 2>&1; echo $?)" 2
like "a file changed after the plan: the reason" "$(cat log)" 'not as it was'
is "a file changed after the plan: nothing has changed" \
	"$(listing tree times)" "$changed"

fresh
mkdir -p tree/var/lib/blktap-migrate
exec 8>tree/var/lib/blktap-migrate/lock
flock 8
refused "a second instance" 2 'another blktap-migrate is at work' \
	with_plan "$hash"
exec 8>&-

# Mounts are in a namespace of their own.
mounted() {
	local how=$1
	shift
	unshare -m bash -c "$how"' && shift && "$@"' - "$@"
}
export -f with_plan
export hash target
if unshare -m true 2>/dev/null; then
	fresh
	refused "a read-only /etc" 2 'etc/.*Read-only' mounted \
		'mount --bind tree/etc tree/etc &&
		mount -o remount,ro,bind tree/etc' x \
		bash -c 'with_plan $hash'
	refused "a full disk under the journal" 2 'No space left' mounted \
		'mkdir -p tree/var/lib/blktap-migrate &&
		mount -t tmpfs -o size=16k tmpfs tree/var/lib/blktap-migrate &&
		dd if=/dev/zero of=tree/var/lib/blktap-migrate/x bs=4k \
			status=none 2>&-; true' x \
		bash -c 'with_plan $hash'
	refused "a full disk under /etc" 2 'No space left' mounted \
		'cp -a tree/etc etc.copy &&
		mount -t tmpfs -o size=64k tmpfs tree/etc &&
		cp -a etc.copy/. tree/etc && rm -rf etc.copy &&
		dd if=/dev/zero of=tree/etc/x bs=1k status=none 2>&-; true' \
		x bash -c 'with_plan $hash'
fi

printf '#!/bin/sh\n! grep -q "format=vhd" "$3" || { echo "bad disk"; exit 1; }\n' >xl
chmod +x xl
export BLKTAP_MIGRATE_XL=$dir/xl
refused "xl does not take what a file would become" 2 \
	'one.cfg: what it would become: .*bad disk' with_plan "$hash"
is "of what was refused nothing is left" \
	"$(ls tree/var/lib/blktap-migrate)" lock
sed -i 's/format=vhd/nothing/' xl
ok "xl takes all of them" with_plan "$hash"
unset BLKTAP_MIGRATE_XL

has "the entry is said anew, the rest is as it was" \
	"$(cat tree/etc/xen/one.cfg)" "disk = [	# two of them
  'backendtype=tap,format=raw,vdev=xvda,access=w,target=/srv/a.img',  # root
  \"backendtype=tap,format=vhd,vdev=xvdb,access=w,target=/srv/b.vhd\",
]"
is "its mode is as it was" "$(stat -c %a tree/etc/xen/one.cfg)" 640
is "the old file is kept, with its times" \
	"$(stat -c %y tree/etc/xen/one.cfg.blktap-migrate.* | cut -d. -f1)" \
	"2012-03-04 05:06:07"
has "a managed domain is exported" "$(cat tree/etc/xen/managed.cfg)" \
	"'backendtype=tap,format=raw,vdev=xvda,access=w,target=/srv/m.img'"
is "the module is listed no more" "$(cat tree/etc/modules)" "loop
#blktap-migrate# blktap
# end"
ok "the old daemon is not started" test ! -L tree/etc/rc2.d/S20blktapctrl
ok "verify finds it as it was left" blktap-migrate verify --root tree
is "a second plan has nothing to do" "$(apply tree 2>&1)" "nothing is to be done"
ok "resume has nothing to do" blktap-migrate resume --root tree

fails_with 2 "rollback without --yes does nothing" blktap-migrate rollback \
	--root tree
echo '# by hand' >>tree/etc/xen/two.cfg
said=$(blktap-migrate verify --root tree)
is "verify sees what somebody has changed: status" $? 2
like "verify sees what somebody has changed" "$said" \
	'BAD .*two.cfg: somebody has changed it'
said=$(blktap-migrate rollback --root tree --yes 2>&1)
is "rollback stops at what somebody has changed: status" $? 4
like "rollback stops at what somebody has changed: the reason" "$said" \
	'two.cfg: somebody has changed it'
fails_with 2 "apply waits for it" apply tree
sed -i '$d' tree/etc/xen/two.cfg
ok "rollback goes on" blktap-migrate rollback --root tree --yes
is "all is as it was" "$(listing tree times)" "$before"
ok "verify finds it as it was" blktap-migrate verify --root tree
ok "rollback once more does nothing" blktap-migrate rollback --root tree --yes
has "its state is told as JSON" \
	"$(blktap-migrate resume --root tree --json)" '"state": "rolled back"'
fails_with 2 "an unknown id" blktap-migrate resume --root tree --id 1
fails_with 2 "no migration at all" blktap-migrate rollback --root start --yes

# What fails half way is undone at once.
fresh
# shellcheck disable=SC2086
said=$(strace -qq -o /dev/null -e trace=rename \
	-e inject=rename:error=EIO:when=8 \
	blktap-migrate apply --root tree $target --plan "$hash" 2>&1)
is "a failure half way: status" $? 3
like "a failure half way: the reason" "$said" \
	'is rolled back: step . of 5: .*: Input/output error'
is "a failure half way: nothing has changed" "$(listing tree times)" "$before"
done_testing
