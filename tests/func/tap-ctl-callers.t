#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The calls of the storage manager and of Xen's hotplug script, in their
# order, and their ways of reading the answers.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

requires python3
run=$BLKTAP_CONTROL_DIR
truncate -s 1M "$dir/a b.img" "$dir/c.img"

# The storage manager: fields at single blanks, four at most, two halves each.
cat >"$dir/sm.py" <<'PY'
import re, subprocess, sys, os

def call(*args):
    p = subprocess.Popen(("tap-ctl",) + args, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         close_fds=True, universal_newlines=True)
    line = p.stdout.readline().rstrip()
    rest = p.stdout.read()
    if p.wait():
        raise Exception("%s: %d" % (args, p.returncode))
    return line, rest

def rows(*args):
    line, rest = call("list", *args)
    for l in [line] + rest.splitlines():
        row = {}
        for field in l.rstrip().split(" ", 3):
            bits = field.split("=")
            if len(bits) == 2:
                key, val = bits
                row[key] = int(val, 16) if key == "state" else \
                    val if key == "args" else int(val)
        if set(row) == {"pid", "minor", "state", "args"}:
            yield row["pid"], row["minor"], row["state"], row["args"]

path = os.environ["IMAGE"]
marker = call("allocate")[0]
minor = re.match(re.escape(os.environ["BLKTAP_CONTROL_DIR"]) +
                 r"/tapdisk/tapdisk-(\d+)$", marker).group(1)
pid = str(int(call("spawn")[0]))
call("attach", "-p", pid, "-m", minor)
call("open", "-p", pid, "-m", minor, "-a", "aio:" + path, "-R", "-t", "40", "-D")
print(list(rows("-f", path)) == [(int(pid), int(minor), 0, "aio:" + path)])
call("pause", "-p", pid, "-m", minor)
print(next(rows("-m", minor))[2] & 0x20)
call("unpause", "-p", pid, "-m", minor, "-a", "aio:" + path)
call("close", "-p", pid, "-m", minor, "-t", "120")
call("detach", "-p", pid, "-m", minor)
call("free", "-m", minor)
print(list(rows()))
PY
is "the storage manager's way" "$(IMAGE="$dir/a b.img" python3 "$dir/sm.py")" \
	"True
32
[]"

# The hotplug script that asks for rings; no -R, ever.
export XENBUS_TYPE=vbd3
f=$dir/c.img
is "script: nobody has it yet" "$(tap-ctl list -t aio -f "$f")" ""
name=$(tap-ctl allocate)
like "script: the marker" "$name" "^$run/tapdisk/tapdisk-[0-9]+\$"
minor=${name#"$run/tapdisk/tapdisk-"}
exec 9<"$f"
pid=$(tap-ctl spawn)
exec 9<&-
ok "script: attach" tap-ctl attach -p "$pid" -m "$minor"
ok "script: open" tap-ctl open -p "$pid" -m "$minor" -a "aio:$f"
ok "script: NBD listens" test -S "$run/nbd$pid.$minor"
# Tokens between blanks and commas; the last pid= and minor= win.
tokens=$(tap-ctl list -t aio -f "$f" | tr ', ' '\n\n')
is "script: the second time it is found" \
	"$(sed -n 's/^pid=//p;s/^minor=//p' <<<"$tokens" | xargs)" "$pid $minor"
ok "script: remove" tap-ctl destroy -p "$pid" -m "$minor"
is "script: the next list must not find it" \
	"$(tap-ctl list -t aio -f "$f")" ""

ok "script: who had no trouble leaves no log" \
	eventually test ! -e "$dir/log/tapdisk.$pid.log"

# People have columns, and a sentence.
on_terminal() {
	python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$@" </dev/null |
		tr -d '\r'
}
said=$(on_terminal tap-ctl spawn)
like "a person is told of a tapdisk" "$said" '^tapdisk spawned with pid [0-9]+$'
pid=${said##* }
is "and sees columns" "$(on_terminal tap-ctl list)" \
	"$(printf '%8s %4s %4s %7s %10s %s' "$pid" - - - - -)"
name=$(tap-ctl allocate)
tap-ctl attach -p "$pid" -m "${name##*-}"
tap-ctl open -p "$pid" -m "${name##*-}" -a "aio:$f"
is "of a disk, too" "$(on_terminal tap-ctl list)" \
	"$(printf '%8s %4s %4s %7s %10s %s' "$pid" "${name##*-}" 0 xenio aio "$f")"
tap-ctl destroy -p "$pid" -m "${name##*-}"

# A script that gives up half way: what it leaves can be found.
name=$(tap-ctl allocate)
minor=${name##*-}
pid=$(tap-ctl spawn)
tap-ctl attach -p "$pid" -m "$minor"
fails_with 2 "script: open fails" \
	tap-ctl open -p "$pid" -m "$minor" -a "aio:$dir/none"
ok "script: detach" tap-ctl detach -p "$pid" -m "$minor"
ok "script: free" tap-ctl free -m "$minor"
ok "script: the tapdisk is gone" eventually is_gone "$pid"
ok "script: but who had trouble does" test -s "$dir/log/tapdisk.$pid.log"
done_testing
