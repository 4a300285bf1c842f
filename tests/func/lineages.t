#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Old and new of each lineage of control messages meet: ours drives an old
# tapdisk, or says of which lineage it is; an old client is served, or told.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

requires python3
ours=$TAPDISK
export OLD_TAPDISK=$ours OLD_LINEAGE
truncate -s 1M "$dir/a.img" "$dir/b.img"

# start_old LINEAGE: sets pid and minor; minor has a marker of ours
start_old() {
	OLD_LINEAGE=$1
	pid=$(TAPDISK=$O/tests/tools/old-tapdisk tap-ctl spawn)
	minor=$(tap-ctl allocate)
	minor=${minor##*-}
}
row() {
	tap-ctl list -p "$pid"
}

# A whole life, by messages of each size.
for old in xen42 tap2 early3 xs6; do
	start_old $old
	is "$old: a tapdisk without disks is listed" "$(row)" "pid=$pid"
	ok "$old: attach" tap-ctl attach -p "$pid" -m "$minor"
	is "$old: attached" "$(row)" "pid=$pid minor=$minor state=0"
	ok "$old: open" tap-ctl open -p "$pid" -m "$minor" -a "aio:$dir/a.img"
	is "$old: open, by its name" "$(row)" \
		"pid=$pid minor=$minor state=0 args=aio:$dir/a.img"
	fails_with 114 "$old: an error is the one that it answers" \
		tap-ctl open -p "$pid" -m "$minor" -a "aio:$dir/a.img"
	ok "$old: pause" tap-ctl pause -p "$pid" -m "$minor"
	is "$old: paused" "$(state_of "$minor")" 0x2a
	ok "$old: unpause with another image" \
		tap-ctl unpause -p "$pid" -m "$minor" -a "aio:$dir/b.img"
	is "$old: that image" "$(row)" \
		"pid=$pid minor=$minor state=0 args=aio:$dir/b.img"
	# The number of statistics closes the disk in Xen's.
	if [ $old = xen42 ]; then
		fails_with 93 "$old: no statistics" \
			tap-ctl stats -p "$pid" -m "$minor"
	else
		has "$old: statistics" "$(tap-ctl stats -p "$pid" -m "$minor")" \
			"\"name\": \"aio:$dir/b.img\""
	fi
	is "$old: still open" "$(state_of "$minor")" 0
	ok "$old: close by force" tap-ctl close -p "$pid" -m "$minor" -f
	is "$old: closed" "$(state_of "$minor")" 0x2
	fails_with 93 "$old: no change log" tap-ctl open -p "$pid" \
		-m "$minor" -a "aio:$dir/a.img" -C "$dir/log"
	like "$old: with a sentence that names it" \
		"$(tap-ctl open -p "$pid" -m "$minor" -a "aio:$dir/a.img" \
			-C "$dir/log" 2>&1)" "tapdisk $pid: .*(Xen|blktap)"
	is "$old: nothing came of that" "$(state_of "$minor")" 0x2
	want=93
	[ $old = xs6 ] && want=0
	fails_with $want "$old: a timeout only where there is one" tap-ctl open \
		-p "$pid" -m "$minor" -a "aio:$dir/a.img" -t 40
	ok "$old: close" tap-ctl close -p "$pid" -m "$minor"
	ok "$old: detach" tap-ctl detach -p "$pid" -m "$minor"
	ok "$old: and it ends" eventually is_gone "$pid"
	ok "$old: free" tap-ctl free -m "$minor"
done

start_old xen40
is "xen40: a tapdisk that has no list is listed" "$(row)" "pid=$pid"
for c in "attach" "open -a aio:$dir/a.img" pause close "close -f" stats \
	unpause detach; do
	# shellcheck disable=SC2086
	said=$(tap-ctl $c -p "$pid" -m "$minor" 2>&1)
	is "xen40: $c is refused" $? 93
	like "xen40: $c: by name" "$said" "tapdisk $pid: .*Xen 4.0"
done
is "xen40: and it lives" "$(row)" "pid=$pid"

start_disk "aio:$dir/b.img"
is "ours beside it is listed as ever" "$(tap-ctl list -m "$minor")" \
	"pid=$pid minor=$minor state=0 args=aio:$dir/b.img"
tap-ctl destroy -p "$pid" -m "$minor"

# Recorded bytes of old clients, to a tapdisk of ours.
TAPDISK=$ours
pid=$(tap-ctl spawn)
minor=$(tap-ctl allocate)
minor=${minor##*-}
cat >"$dir/old.py" <<'PY'
import os, socket, struct, sys

pid, minor, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
size = int(sys.argv[4])

def talk(kind, at={}, cookie=minor):
    b = bytearray(size)
    struct.pack_into("<HH", b, 0, kind, cookie)
    for off, val in at.items():
        b[off:off + len(val)] = val
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(os.environ["BLKTAP_CONTROL_DIR"] + "/ctl%d" % pid)
    s.sendall(b)
    out = b""
    while True:
        more = s.recv(65536)
        if not more:
            return out
        out += more

def show(r):
    kind, cookie = struct.unpack_from("<HH", r)
    err = struct.unpack_from("<i", r, 8)[0]
    return "%d/%d%s" % (len(r), kind, ":%d" % err if kind == 1 else "")

def text(r, at=12):
    return r[at:at + 256].split(b"\0")[0].decode()

def name(p):
    if size == 280:
        return {20: struct.pack("<H", len(p)), 22: p + b"\0"}
    return {20: p + b"\0"}

exec(sys.stdin.read())
PY
old() {
	python3 "$dir/old.py" "$pid" "$minor" "aio:$dir/a.img" "$1"
}
for size in 280 536; do
	is "$size: a whole life" "$(old $size <<'PY'
r = talk(3)
print(show(r), struct.unpack_from("<i", r, 8)[0] == pid)
print(show(talk(5)), show(talk(5)))
r = talk(7, name(path))
print(show(r), struct.unpack_from("<QI", r, 8))
r = talk(19, cookie=0xffff)
print(len(r) == 2 * size, struct.unpack_from("<HHIiii", r)[0::3], text(r, 20) == path.decode(),
      struct.unpack_from("<ii", r, size + 8))
print(show(talk(9)))
print(struct.unpack_from("<i", talk(19), 16)[0])
print(show(talk(11, name(path[:-5] + b"b.img"))))
print(text(talk(19), 20)[-5:])
PY
)" "$size/4 True
$size/6 $size/1:17
$size/8 (2048, 512)
True (20, 1) True (0, -1)
$size/10
42
$size/12
b.img"
	if [ $size = 280 ]; then
		is "280: 21 closes by force" "$(old 280 <<<'print(show(talk(21)))')" \
			"280/14"
	else
		is "536: statistics, and force is 23" "$(old 536 <<'PY'
r = talk(21)
print(r[0], len(r) - 536 == struct.unpack_from("<Q", r, 16)[0] > 0, show(talk(23)))
PY
)" "22 True 536/14"
	fi
	is "$size: a log of dirty blocks is not a change log" \
		"$(old $size <<<'print(show(talk(7, {8: b"\x10", **name(path)})))')" \
		"$size/1:93"
	[ $size = 280 ] && is "280: with only numbers of Xen 4.0: told by name" \
		"$(old 280 <<'PY'
for r in talk(5, name(path)), talk(7), talk(9, name(path)):
    print(show(r), "Xen 4.0" in text(r))
PY
)" "280/1:93 True
280/1:93 True
280/1:93 True"
	is "$size: nothing of it did anything" "$(state_of "$minor")" 0x2
	if [ $size = 280 ]; then
		pid2=$pid
		is "280: detach ends it" "$(old 280 <<<'print(show(talk(15)))')" \
			"280/16"
		ok "280: it is gone" eventually is_gone "$pid2"
		pid=$(tap-ctl spawn)
	fi
done
is "536: 24, 26 and 28 are the first blktap3's" "$(old 536 <<'PY'
talk(7, name(path))
r = talk(24)
print(show(r), struct.unpack_from("<QI", r, 8))
print(show(talk(26)), show(talk(28)))
PY
)" "536/25 (2048, 512)
536/1:22 536/1:19"
is "544: 24, which was EXIT, connects nothing and ends nothing" \
	"$(old 544 <<<'print(show(talk(24)), show(talk(3)))')" "544/1:22 544/4"
tap-ctl destroy -p "$pid" -m "$minor"
done_testing
