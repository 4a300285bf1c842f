#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Names of files, images and guests with bytes that are anything but letters:
# found, told as JSON, converted, and brought back.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/func/migrate.sh
. "$(dirname "$0")/migrate.sh"
requires python3
cd "$dir" || exit 1
legacy tree

names=("a b" "it's" 'a"b' $'a\nb' $'a\tb' $'\xc3\xa4' $'\xff\xfe' 'a%sb' 'a\b'
	'$(false)' '=' '--json' "tap:aio:" $'e\x1b[31m' '日本')
for i in "${!names[@]}"; do
	printf 'name = "n%d"\nkernel = "/k"\ndisk = [ "tap:aio:/srv/a.img,xvda,w" ]\n' \
		"$i" >"tree/etc/xen/${names[i]}.cfg"
done
# What stands between quotes may be any byte that is no quote.
for i in '%s' $'\xff' "it's" 'ä' '=' '&'; do
	cp tree/srv/a.img "tree/srv/$i"
	printf 'name = "i%s"\nkernel = "/k"\ndisk = [ "backendtype=tap,vdev=xvda,target=/srv/%s", "tap2:aio:/srv/a.img,xvdb,w" ]\n' \
		"$i" "$i" >"tree/etc/xen/image $i.cfg"
done
before=$(listing tree times)
is_json() { "$@" >out 2>said; python3 -m json.tool <out >/dev/null; }

ok "the inventory is JSON" is_json blktap-migrate inventory --root tree --json
is "each file is in it" "$(python3 -c '
import json
vms = json.load(open("out"))["vms"]
print(len(vms), sum(len(v["disks"]) for v in vms))')" \
	"$((${#names[@]} + 6 + 3)) $((${#names[@]} + 12 + 5))"
# shellcheck disable=SC2086
ok "the plan is JSON" is_json blktap-migrate plan --root tree $target --json
is "what is to be done is told for each" \
	"$(python3 -c 'import json; print(sum(a["kind"] == "edit"
	for a in json.load(open("out"))["actions"]))')" \
	$((${#names[@]} + 6 + 4))
# shellcheck disable=SC2086
ok "apply tells it as JSON" is_json blktap-migrate apply --root tree $target \
	--plan "$(plan_of tree)" --json
same=0
for i in "${!names[@]}"; do
	cmp -s "tree/etc/xen/${names[i]}.cfg" - <<-EOT && same=$((same + 1))
		name = "n$i"
		kernel = "/k"
		disk = [ "backendtype=tap,format=raw,vdev=xvda,access=w,target=/srv/a.img" ]
	EOT
done
is "each file is what it was but for its disk" $same ${#names[@]}
for i in '%s' $'\xff' "it's" 'ä' '=' '&'; do
	has "the image /srv/$i is where it was" \
		"$(cat "tree/etc/xen/image $i.cfg")" \
		"\"backendtype=tap,vdev=xvda,target=/srv/$i\", \"backendtype=tap,f"
done
ok "verify finds it as it was left" blktap-migrate verify --root tree
ok "verify is JSON" is_json blktap-migrate verify --root tree --json
ok "the inventory still is" is_json blktap-migrate inventory --root tree --json
mv out host.json
ok "the fleet's is" is_json blktap-migrate fleet --json host.json host.json
ok "and who serves what" is_json blktap-migrate status --root tree --json
ok "rollback is JSON" is_json blktap-migrate rollback --root tree --yes --json
is "all is as it was" "$(listing tree times)" "$before"
done_testing
