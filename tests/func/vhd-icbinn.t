#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Images on an ICBINN server: ours against the recorded exchanges of the real
# one, and vhd-util through it.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
requires python3
here=$(cd "$(dirname "$0")" && pwd)
cd "$dir" || exit 1
V=vhd-util

mkdir wire disks keys
port=$((20000 + $$ % 20000))
coproc SVC { exec icbinn-svc -p $port:wire -p $((port + 1)):disks \
	-p $((port + 2)):keys; }
svc=$SVC_PID
trap 'kill $svc; cleanup' EXIT
read -r ready <&"${SVC[0]}"
is "it says when it is ready" "$ready" listening
like "it listens on the loopback alone" \
	"$(grep -h ":$(printf %04X $port) " /proc/net/tcp)" '0100007F:'

cat >replay.py <<'PY'
import json, socket, struct, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def record():
    mark = s.recv(4, socket.MSG_WAITALL)
    n = struct.unpack(">I", mark)[0] & 0x7fffffff
    return mark + s.recv(n, socket.MSG_WAITALL)
n = 0
for x in json.load(open(sys.argv[2]))["exchanges"]:
    s.sendall(bytes.fromhex(x["call_with_record_mark"]))
    got, want = record(), bytes.fromhex(x["reply_with_record_mark"])
    if x["op"] == "STAT d":           # a folder's size is its file system's
        got, want = got[:32] + got[36:], want[:32] + want[36:]
    if x["op"].endswith("cnt10"):     # in any order
        got, want = sorted(got), sorted(want)
    if x["op"].endswith("cnt1"):      # either one
        got = got.replace(b"a\0\0\0\0\0\0\0", b"l\0\0\0\0\0\0\2")
    if got != want:
        print(x["op"], got, want)
    n += got == want
print(n, "equal")
PY
is "28 recorded calls, the same replies" \
	"$(python3 replay.py $port "$here/../data/openxt/icbinn-wire.json")" \
	"28 equal"

# Links and dots do not lead out, and noise does not hurt.
ln -s /etc/passwd disks/out
ln -s ../keys disks/up
echo secret >keys/secret
head -c 4000 /dev/urandom >/dev/tcp/127.0.0.1/$((port + 1))

export LIBVHD_ICBINN_VHD_SERVER=tcp:127.0.0.1:$((port + 1))
fails_with 22 "a link is no image: its size is not told" $V query -n out -v
for n in up/secret ../keys/secret /../keys/secret; do
	fails_with 2 "$n leads nowhere" $V query -n $n -v
done
mkdir disks/d
ok "create" $V create -n d/a.vhd -s 20
ok "snapshot" $V snapshot -n d/b.vhd -p d/a.vhd
is "query, with the parent" "$($V query -n d/b.vhd -vpfd)" "20
/d/a.vhd
hidden: 0
chain depth: 2"
is "its locator" "$($V query -n d/b.vhd -pu)" "./a.vhd"
ok "fill" $V fill -n d/b.vhd -f 10 -t 5000
is "check" "$($V check -n d/b.vhd -p -b)" "d/b.vhd is valid"
is "coalesce" "$($V coalesce -n d/b.vhd)" "Coalesced 4991 sectors"
ok "set hidden" $V set -n d/a.vhd -f hidden -v 1
ok "resize" $V resize -n d/a.vhd -s 20000 -j d/journal
ok "the journal was over there, and is gone" test ! -e d/journal -a \
	! -e disks/d/journal
is "scan" "$($V scan d/a.vhd)" "vhd=a.vhd capacity=20971520000 \
size=$(stat -c %s disks/d/a.vhd) hidden=1 parent=none"
ok "modify" $V modify -n d/b.vhd -z
fails_with 17 "a file that is there is not written over" \
	$V create -n d/a.vhd -s 20
fails_with 2 "a missing one" $V query -n d/none.vhd -v
head -c 64 /dev/zero | tr '\0' k >"keys/k,aes-xts-plain,512.key"
export LIBVHD_ICBINN_KEY_SERVER=tcp:127.0.0.1:$((port + 2))
$V create -n d/k.vhd -s 4
ok "key -s with a key from there" $V key -s -n d/k.vhd \
	-k k,aes-xts-plain,512.key
ok "key -c" $V key -c -n d/k.vhd -k k,aes-xts-plain,512.key
is "key -C is key -p" "$($V key -C -k k,aes-xts-plain,512.key)" \
	"$($V key -p -n d/k.vhd | cut -d' ' -f2)"
unset LIBVHD_ICBINN_KEY_SERVER

for bad in nonsense udp:x tcp: tcp:127.0.0.1:99999 tcp:127.0.0.1:1; do
	export LIBVHD_ICBINN_VHD_SERVER=$bad
	like "$bad: an error, no local file" \
		"$($V create -n local.vhd -s 2 2>&1; echo "=$?")" '=[1-9]'
done
ok "none was made" test ! -e local.vhd
unset LIBVHD_ICBINN_VHD_SERVER
is "what was made there is valid here" "$($V check -n disks/d/b.vhd -p -b
	$V check -n disks/d/a.vhd -b)" "disks/d/b.vhd is valid
disks/d/a.vhd is valid"

export LIBVHD_ICBINN_VHD_SERVER=tcp:127.0.0.1:$((port + 1))
is "check of what is not there" "$($V check -n none.vhd 2>/dev/null; echo $?)" \
	"cannot stat none.vhd: 2
2"
fails_with 95 "a pattern is refused, not matched with local names" \
	$V scan -m '*'
done_testing
