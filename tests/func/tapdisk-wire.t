#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Messages in pieces, wrong, unknown and slow, against a real tapdisk.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

requires python3
truncate -s 100M "$dir/a.img"
pid=$(tap-ctl spawn)
tap-ctl allocate >/dev/null
cat >"$dir/wire.py" <<'PY'
import os, socket, struct, sys, time

def conn():
    s = socket.socket(socket.AF_UNIX)
    s.connect(os.environ["BLKTAP_CONTROL_DIR"] + "/ctl" + sys.argv[1])
    return s

def msg(kind, cookie=0, at={}):
    b = bytearray(544)
    struct.pack_into("<HH", b, 0, kind, cookie)
    for off, val in at.items():
        b[off:off + len(val)] = val
    return bytes(b)

def read(s, size=544):
    b = b""
    while len(b) < size:
        more = s.recv(size - len(b))
        if not more:
            break
        b += more
    return b

def show(b):
    kind, cookie = struct.unpack_from("<HH", b)
    text = b[12:268].split(b"\0")[0].decode() if kind == 1 else ""
    err = struct.unpack_from("<i", b, 8)[0]
    return " ".join(map(str, [kind, cookie] + ([err] if kind == 1 else [])))

def ask(kind, cookie=0, at={}, more=b""):
    s = conn()
    s.sendall(msg(kind, cookie, at) + more)
    return read(s)

u32 = lambda n: struct.pack("<I", n)
image = os.environ["IMAGE"].encode() + b"\0"
exec(sys.stdin.read())
PY
wire() {
	IMAGE=aio:$dir/a.img python3 "$dir/wire.py" "$pid"
}

is "byte by byte" "$(wire <<'PY'
s = conn()
for b in msg(3):
    s.sendall(bytes([b]))
r = read(s)
print(show(r), struct.unpack_from("<i", r, 8)[0] == int(sys.argv[1]), s.recv(1))
PY
)" "4 0 True b''"
is "attach" "$(wire <<<'print(show(ask(5)))')" "6 0"
is "attach again: EEXIST, the cookie comes back" \
	"$(wire <<<'print(show(ask(5)))')" "1 0 17"
is "a key in pieces, behind the message" "$(wire <<'PY'
s = conn()
m = msg(7, 0, {8: u32(0x400 | 2), 20: image}) + bytes([64]) + b"k" * 64
s.sendall(m[:300])
time.sleep(0.02)
s.sendall(m[300:545])
time.sleep(0.02)
s.sendall(m[545:600])
time.sleep(0.02)
s.sendall(m[600:])
r = read(s)
print(show(r), struct.unpack_from("<QII", r, 8))
PY
)" "8 0 (204800, 512, 4)"
is "disk info says the same, read-only" "$(wire <<'PY'
print(struct.unpack_from("<QII", ask(28), 8))
PY
)" "(204800, 512, 4)"
is "hello knows a disk of ours" "$(wire <<'PY'
r = ask(66)
print(show(r), struct.unpack_from("<I", r, 8)[0], struct.unpack_from("<I", r, 16)[0] >= 512)
PY
)" "67 0 1 True"
is "open again: EALREADY" "$(wire <<<'print(show(ask(7, 0, {20: image})))')" \
	"1 0 114"
is "close" "$(wire <<<'print(show(ask(13)))')" "14 0"
is "keys of wrong sizes are refused and change nothing" "$(wire <<'PY'
for n in (0, 33, 128, 129, 255):
    print(show(ask(7, 0, {8: u32(0x400), 20: image}, bytes([n]) + b"k" * n)))
PY
)" "1 0 22
1 0 22
1 0 22
1 0 22
1 0 22"
is "a log's path and a key, in one write: there is no such log" "$(wire <<'PY'
print(show(ask(7, 0, {8: u32(0x410), 20: image},
    b"/no-log".ljust(256, b"\0") + bytes([32]) + b"k" * 32)))
PY
)" "1 0 2"
is "a log's path without end" "$(wire <<'PY'
print(show(ask(7, 0, {8: u32(0x10), 20: image}, b"x" * 256)))
PY
)" "1 0 5"
is "a name without end: cookie 0" "$(wire <<'PY'
print(show(ask(7, 9, {20: b"x" * 256})))
PY
)" "1 0 22"
is "unknown numbers and replies are refused" "$(wire <<'PY'
for t in (0, 2, 4, 17, 30, 31, 36, 63, 999):
    print(show(ask(t, 3)))
PY
)" "$(for i in {1..9}; do echo "1 0 22"; done)"
is "nothing of it changed anything" "$(tap-ctl list)" \
	"pid=$pid minor=0 state=0x2"
is "statistics of all, of none, of one" "$(wire <<'PY'
import json
def stats(cookie):
    s = conn()
    s.sendall(msg(21, cookie))
    r = read(s)
    return json.loads(read(s, struct.unpack_from("<Q", r, 16)[0]))
print(len(stats(0xffff)), stats(0)["name"], show(ask(21, 5)))
PY
)" "1 (null) 1 5 19"
is "a ring without Xen fails cleanly; nonsense before it is told apart" "$(
	wire <<'PY'
ask(7, 0, {20: image})
ring = {8: u32(1), 12: u32(51712), 48: u32(0), 52: u32(1), 312: u32(5)}
print(show(ask(24, 7, ring)))
print(show(ask(24, 0, {**ring, 52: u32(9)})))
print(show(ask(24, 0, {**ring, 48: u32(4)})))
print(show(ask(24, 0, {**ring, 312: u32(0)})))
print(show(ask(26, 0, ring)))
PY
)" "1 7 19
1 0 93
1 0 22
1 0 22
1 0 19"
is "forty silent connections do not keep others out for ever" "$(wire <<'PY'
held = [conn() for i in range(40)]
for c in held[:31]:
    c.sendall(b"\3\0")
s = conn()
s.sendall(msg(3))
for c in held:
    c.close()
print(show(read(s)))
PY
)" "4 0"
is "who hangs up before the answer harms nobody" "$(wire <<'PY'
for i in range(20):
    c = conn()
    c.sendall(msg(19, 0xffff))
    c.close()
print(show(ask(3)))
PY
)" "4 0"
tap-ctl destroy -m 0
done_testing
