#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The storage manager's calls of vhd-util, and what it makes of the output.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
requires python3
cd "$dir" || exit 1
V=vhd-util

ok "create" $V create --debug -n "$dir/p.vhd" -s 1024
ok "create for growth" $V create --debug -n "$dir/g.vhd" -s 1024 -S 4096
ok "create, raw" $V create --debug -n "$dir/f.vhd" -s 4 -r
ok "snapshot" $V snapshot --debug -n "$dir/c.vhd" -p "$dir/p.vhd" -S 2048 -e
truncate -s 8M raw
ok "snapshot of a raw disk" $V snapshot --debug -n "$dir/m.vhd" -p "$dir/raw" -m
ok "fill" $V fill -n "$dir/c.vhd" -f 0 -t 9000

cat >sm.py <<'PY'
import os, re, subprocess, sys
d = sys.argv[1]
n = 0
def call(*args):
    p = subprocess.run(["vhd-util", *args], stdout=subprocess.PIPE, text=True)
    return p.returncode, p.stdout
def is_(what, got, want):
    global n
    n += 1
    print(f"{'ok' if got == want else 'not ok'} - {what}")
    if got != want:
        print(f"# got {got!r}, wanted {want!r}")

# The information of a disk: lines counted from the first and the last.
rc, out = call("query", "--debug", "-vsafp", "-n", d + "/c.vhd")
f = out.splitlines()
is_("virtual size", int(f[0]) << 20, 1 << 30)
is_("physical size", int(f[1]) > 6 << 20, True)
is_("parent", f[2], d + "/p.vhd")
is_("hidden", int(f[3].split(":")[1]), 0)
is_("allocated", int(f[-1]) * (2 << 20), 3 * (2 << 20))
rc, out = call("query", "--debug", "-vsaf", "-n", d + "/p.vhd")
is_("four lines without -p", (rc, len(out.splitlines())), (0, 4))
is_("no parent", call("query", "--debug", "-p", "-n",
                      d + "/p.vhd")[1].strip().endswith("has no parent"), True)
for flag, want in (("-v", "1024"), ("-f", "hidden: 0"), ("-a", "3"),
                   ("-S", "2048"), ("-p", d + "/p.vhd")):
    is_("query " + flag, call("query", "--debug", flag, "-n",
                              d + "/c.vhd"), (0, want + "\n"))
is_("query -s", int(call("query", "--debug", "-s", "-n", d + "/c.vhd")[1]),
    os.stat(d + "/c.vhd").st_size)
is_("depth", int(call("query", "--debug", "-d", "-n", d + "/c.vhd")[1]
                 .replace("chain depth:", "").strip()), 2)
is_("max size", int(call("query", "--debug", "-S", "-n",
                         d + "/g.vhd")[1]), 4096)

def scan(*args):
    """As the storage manager reads it."""
    seen = {}
    rc, out = call("scan", *args)
    for line in out.splitlines():
        info = {}
        for word in line.split():
            key, val = word.split("=", 1)
            if key == "vhd":
                info["name"] = val
            elif key == "scan-error":
                info["error"] = val
                break
            elif key in ("capacity", "size", "hidden"):
                info[key] = int(val)
            elif key == "parent":
                info[key] = None if val == "none" else val
        seen[info["name"]] = info
    return rc, seen
rc, seen = scan("-f", "-m", d + "/*.vhd")
is_("scan of all", (rc, sorted(seen)),
    (0, ["c.vhd", "f.vhd", "g.vhd", "m.vhd", "p.vhd"]))
rc, some = scan("-f", "-a", "-m", d + "/c.vhd")
is_("scan -a brings the ancestors", (rc, sorted(some)),
    (0, ["c.vhd", "p.vhd"]))
is_("parent of the child", seen["c.vhd"]["parent"], "p.vhd")
is_("parent of a root", seen["p.vhd"]["parent"], None)
open(d + "/bad.vhd", "w").write("x" * 2000)
rc, seen = scan("-f", "-m", d + "/*.vhd")
is_("one bad image is an error", rc, 22)
rc, seen = scan("-f", "-m", d + "/*.vhd", "-c")
is_("but not with -c", (rc, len(seen)), (0, 6))
is_("and is told apart", [k for k in seen if "error" in seen[k]],
    [d + "/bad.vhd"])

rc, out = call("read", "--debug", "-p", "-n", d + "/c.vhd")
is_("type", re.search(r"Disk type\s+: (\S+) hard disk", out).group(1),
    "Differencing")
names = [l.split(":", 1)[1] for l in out.splitlines() if "decoded name :" in l]
is_("locators", [x.strip().replace("--", "-")[-40:] for x in names],
    ["./p.vhd"] * 3)
p = subprocess.run(["vhd-util", "read", "--debug", "-B", "-n", d + "/c.vhd"],
                   stdout=subprocess.PIPE)
is_("bitmap of blocks", (p.stdout[0], len(p.stdout)), (0xe0, 512 // 8))

rc, out = call("coalesce", "--debug", "-n", d + "/c.vhd")
m = re.match(r"^Coalesced (\d+) sectors", out)
is_("coalesced", (rc, m and int(m.group(1))), (0, 9001))
is_("modify -z", call("modify", "--debug", "-z", "-n", d + "/c.vhd")[0], 0)
is_("modify -p", call("modify", "--debug", "-p", d + "/g.vhd", "-n",
                      d + "/c.vhd")[0], 0)
is_("modify -p -m", call("modify", "--debug", "-p", d + "/raw", "-n",
                         d + "/m.vhd", "-m")[0], 0)
is_("modify -s", call("modify", "-s", str(16 << 20), "-n",
                      d + "/g.vhd")[0], 0)
is_("set", call("set", "--debug", "-n", d + "/p.vhd", "-f", "hidden",
                "-v", "1")[0], 0)
is_("resize -f", call("resize", "--debug", "-s", "2048", "-n",
                      d + "/g.vhd", "-f")[0], 0)
is_("resize -j", call("resize", "--debug", "-s", "8192", "-n",
                      d + "/g.vhd", "-j", d + "/j")[0], 0)
os.environ["VHD_UTIL_TEST_FAIL_RESIZE_METADATA_MOVED"] = "1"
is_("a resize that fails", call("resize", "--debug", "-s", "900000", "-n",
                                d + "/g.vhd", "-j", d + "/j")[0], 22)
del os.environ["VHD_UTIL_TEST_FAIL_RESIZE_METADATA_MOVED"]
is_("revert", call("revert", "--debug", "-n", d + "/g.vhd", "-j",
                   d + "/j"), (0, ""))
is_("is back at its size", call("query", "--debug", "-v", "-n",
                                d + "/g.vhd"), (0, "8192\n"))
is_("check", call("check", "--debug", "-n", d + "/g.vhd", "-i", "-B")[0], 0)
is_("repair", call("repair", "-n", d + "/g.vhd")[0], 0)
is_("key -p", call("key", "-p", "-n", d + "/g.vhd"), (0, "none\n"))
is_("key -s", call("key", "-s", "-n", d + "/g.vhd", "-H", "ab" * 32)[0], 0)
is_("key -p, two words", call("key", "-p", "-n", d + "/g.vhd")[1].split()[1],
    "ab" * 32)

print(f"# {n} answers")
PY
while read -r line; do
	case $line in
	"ok - "*) result 0 "${line#ok - }" ;;
	"not ok - "*) result 1 "${line#not ok - }" ;;
	*) echo "$line" ;;
	esac
done < <(python3 sm.py "$dir" 2>&1)
ok "all was asked" test "$tests" -gt 30

done_testing
