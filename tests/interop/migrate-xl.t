#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# xl's own parser, which needs no hypervisor, reads what blktap-migrate makes
# of disk lines: the same device, access and image as before, served by ours;
# what it refuses and xend had no use for is not converted.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/../func/lib.sh"
# shellcheck source=tests/migrate/stage.sh
. "$(dirname "$0")/../migrate/stage.sh"
requires python3
PATH=$PATH:$O/tests/tools
[ -x "$O/tests/tools/xl-disk" ] || make -s -C "$(dirname "$0")/../.." \
	O="$O" "$O/tests/tools/xl-disk"

root=$dir/host
mkdir -p "$root"/{etc/xen,srv,usr/sbin,sys/hypervisor/version}
: >"$root/usr/sbin/xl"
echo 4 >"$root/sys/hypervisor/version/major"
echo 8 >"$root/sys/hypervisor/version/minor"
truncate -s 1M "$root/srv/a" "$root/srv/q"
vhd-util create -n "$root/srv/v" -s 2

# planned VERSION: of each line of $dir/lines, "VERDICT" or the new line.
planned() {
	local n=1000 line
	rm -f "$root"/etc/xen/*
	while IFS= read -r line; do
		n=$((n + 1))
		printf "name='%s'\ndisk=['%s']\n" $n "$line" \
			>"$root/etc/xen/$n.cfg"
	done <"$dir/lines"
	blktap-migrate plan --root "$root" --target "$1" --include-file \
		--shared --qcow-script --json | python3 -c '
import json, sys
for d in json.load(sys.stdin)["disks"]:
    print(d["new"] or d["verdict"])'
}

# Fields: backend, format, device, access, script, domain, target. A script
# has the image behind its type.
same() {
	python3 - "$@" <<'PY'
import sys
bad = 0
names = {"raw": "aio", "vhd": "vhd", "qcow": "qcow", "qcow2": "qcow2"}
for old, new, line in zip(*(open(f).read().splitlines() for f in sys.argv[1:])):
    o, n = old.split(" ", 6), new.split(" ", 6)
    if len(n) != 7 or len(o) != 7:
        why = "refused"
    elif n[4] == "block-xenio":
        why = n[1] != "raw" or n[6] != names[o[1]] + ":" + o[6]
    else:
        why = n[0] != "tap" or (n[1], n[6]) != (o[1], o[6])
    if why or o[2:4] + o[5:6] != n[2:4] + n[5:6]:
        bad = 1
        print(line, ":", old, "became", new)
sys.exit(bad)
PY
}

# Words in every order, by name and by place.
python3 - >"$dir/lines" <<'PY'
from itertools import permutations
for image, kind in ("/srv/a", "raw"), ("/srv/v", "vhd"), ("/srv/q", "qcow2"):
    for chain in "tap:", "tap2:", "tap:tapdisk:", "tap:ioemu:", "tapdisk:":
        t = chain + (kind if kind != "raw" else "aio") + ":" + image
        for mode in "r", "w", "":
            print(f"{t},xvda,{mode}")
        print(f"{t},xvda")
        print(f"{t},ioemu:hda,w")
        print(f"{t},sda1:disk,r,")
        for p in permutations([t, "vdev=/dev/xvdb", "access=ro", "discard"]):
            print(",".join(p))
for image, kind in ("/srv/a", "raw"), ("/srv/v", "vhd"):
    words = ["backendtype=tap", f"format={kind}", "vdev=xvdc", "access=r"]
    for p in permutations(words):
        print(", ".join(p) + f",target={image}")
        print(",".join([image, *p]))
        print(",".join([*p, "tap:" + image]))
print("file:/srv/a,xvda,w\nfile:vhd:/srv/v,xvda,r\nphy:vhd:/srv/v,xvda,w")
print("vhd:/srv/v,xvda\nformat=vhd,/srv/v,xvda,r\nvdev=xvda,/srv/v,vhd,r")
PY
forms=$(wc -l <"$dir/lines")
ok "there are many forms" test "$forms" -gt 300
xl-disk <"$dir/lines" >"$dir/old"
is "xl reads all of them" "$(grep -c refused "$dir/old")" 0
for version in 4.17 4.20; do
	planned $version >"$dir/new-lines"
	# What 4.20 has already said in its words stays.
	paste -d '\n' "$dir/new-lines" "$dir/lines" |
		awk 'NR % 2 { new = $0; next }
			{ print new == "KEEP" ? $0 : new }' >"$dir/after"
	is "for $version each is converted or in its words" \
		"$(grep -cx 'MANUAL\|COLD' "$dir/after")" 0
	xl-disk <"$dir/after" >"$dir/new" 2>"$dir/why"
	ok "for $version $forms lines say what they said, to ours" \
		same "$dir/old" "$dir/new" "$dir/lines"
done

# Refused by xl, unknown to xend: not one is guessed at.
cat >"$dir/lines" <<'EOF'
tap:vhd:/srv/v,format=raw,vdev=xvda
raw:/srv/v,xvda,w,format=vhd
tap:aio:/srv/a,raw,xvda,w
/srv/a,raw,xvda,w,dom1
/srv/v,VHD,xvda,w
tap:aio:/srv/a,xvda,W
tap:ram:/srv/a,xvda,w
vdev=xvda,vdev=xvdb,target=/srv/a
tap:aio:/srv/a,xvda,w,,,
EOF
xl-disk <"$dir/lines" >"$dir/old" 2>/dev/null
is "xl takes none of these" "$(grep -vc refused "$dir/old")" 0
for version in 4.17 4.20; do
	is "for $version none of them is converted" \
		"$(planned $version | grep -vcx MANUAL)" 0
done

# Whole files, a line of python each: what is no problem is one to xl neither.
python3 - "$dir" <<'PY'
import sys
disk = "disk = [ 'tap:aio:/srv/a,xvda,w' ]"
for n, extra in enumerate([
    "memory = 64", "memory = 0x40", "memory = 64L", "memory = -1", "a = 1.5",
    "localtime = True", "a = None", "a = ('x',)", "a = [ 'x', ]", "a = [[1]]",
    "a = [\n# c\n1\n, 2]", 'a = """x"""', 'a = "x" "y"', "a = 1\r", "A = 1",
    "_a = 1", "a = 1; b = 2", "a = 'x' # c", "a = \\\n1", "a += [ 1 ]",
    "\ta = 1", "a = {}", "a = [,]", "a = 'x\ny'", "a =\n1", "1a = 1",
    "a = 'it\\'s'", "import os", "a = 'x' + 'y'", "", "# c", "# c\r",
]):
    for place in "before", "after":
        text = extra + "\n" + disk if place == "before" else disk + "\n" + extra
        for end in "", "\n":
            name = f"{sys.argv[1]}/f{n}{place}{len(end)}.cfg"
            with open(name, "w", newline="") as f:
                f.write(text + end)
PY
rm -f "$root"/etc/xen/*
mv "$dir"/f*.cfg "$root/etc/xen"
blktap-migrate inventory --root "$root" --json | python3 -c '
import json, sys
for vm in json.load(sys.stdin)["vms"]:
    if not vm["problem"]:
        print(vm["file"])' | sort >"$dir/sound"
for f in "$root"/etc/xen/*.cfg; do
	[ "$(xl-disk -f "$f" 2>&1)" != "unknown raw xvda rw - - /srv/a" ] ||
		echo "${f#"$root"}"
done | sort >"$dir/taken"
is "what is understood of 128 files is what xl reads" \
	"$(comm -13 "$dir/taken" "$dir/sound")" ""
is "and the reverse, where the last line has an end" \
	"$(comm -23 "$dir/taken" "$dir/sound" | grep -v '0.cfg$')" ""
ok "that are some" test "$(wc -l <"$dir/sound")" -gt 30

# What the worlds' files became: files for xl, all of whose disks it reads.
# A file may have no end of its last line.
sed 's/\(.\)=== /\1\n=== /' "$trees"/*/converted |
	awk -v dir="$dir" '/^=== / { f = "" }
	/^=== etc\/xen\// { f = dir "/made-" ++n; next }
	f { print >f }'
files=$(find "$dir" -name 'made-*' | wc -l)
ok "there are files of the worlds" test "$files" -gt 4
bad=$(for f in "$dir"/made-*; do
	grep -q '^ *disk' "$f" || continue
	[ "$(xl-disk -f "$f" 2>/dev/null | grep -vc refused)" -gt 0 ] ||
		cat "$f"
done)
is "xl reads the disks of $files of them" "$bad" ""
done_testing
