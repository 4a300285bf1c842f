#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hundreds of messages that make no or little sense, in pieces; afterwards the
# tapdisk serves as before and holds no more than before.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

requires python3
truncate -s 1M "$dir/a.img"
start_disk "aio:$dir/a.img" || exit 1
seed=${SEED:-$RANDOM}
echo "# SEED=$seed"
cat >"$dir/nonsense.py" <<'PY'
import os, random, socket, struct, sys

path, image, seed, count = sys.argv[1:]
random.seed(int(seed))
pick = random.choice
# All but DETACH, which would end it, and RESUME, which is tried for long.
KINDS = [k for k in range(72) if k not in (11, 15)] + [999]
SPECS = [b"null:1048576", b"ram:1048576", b"vhd:/none", image.encode(), b"x"]

def message():
    b = bytearray(pick([bytes(544), random.randbytes(544)]))
    kind = pick(KINDS)
    struct.pack_into("<HH", b, 0, kind, pick([0, 0, 0, 1, 0xffff]))
    if kind in (24, 26, 64):
        b[8:] = bytes(536)
        for off in (8, 12, 16, 20, 24, 28, 48, 52, 96, 312):
            struct.pack_into("<I", b, off, random.randrange(6))
    elif random.random() < .8:
        b[8:] = struct.pack("<I", pick([0, 2, 0x10, 0x80, 0x400, 0x410])
                            ).ljust(536, b"\0")
        spec = pick(SPECS)
        b[20:20 + len(spec)] = spec
    return bytes(b) + random.randbytes(pick([0, 0, 1, 33, 65, 256, 289, 400]))

def send(m):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(path)
    try:
        while m:
            n = pick([1, 7, 100, 544, len(m)])
            s.send(m[:n])
            m = m[n:]
            if random.random() < .02:
                break
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass
    except OSError:
        pass
    return s

held = []
for i in range(int(count)):
    held.append(send(message()))
    if len(held) > 8:
        held.pop(random.randrange(8)).close()
PY
# Whether it is open or closed now is chance.
calm() {
	tap-ctl close -p "$pid" -m 0 && tap-ctl open -p "$pid" -m 0 \
		-a "aio:$dir/a.img"
}
descriptors() {
	find "/proc/$pid/fd" -mindepth 1 | wc -l
}
calm
before=$(descriptors)
ok "nonsense is sent" timeout 60 python3 "$dir/nonsense.py" \
	"$BLKTAP_CONTROL_DIR/ctl$pid" "aio:$dir/a.img" "$seed" 400
ok "it serves" calm
is "as before" "$(tap-ctl list -m 0)" \
	"pid=$pid minor=0 state=0 args=aio:$dir/a.img"
same() {
	[ "$(descriptors)" = "$before" ]
}
ok "with as many descriptors as before ($before)" eventually same
ok "and ends as it should" tap-ctl destroy -m 0
ok "soon" eventually is_gone "$pid"
done_testing
