#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Images that other programs of the family wrote, encrypted and not.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/../func/lib.sh"

requires openssl python3 gunzip
here=$(cd "$(dirname "$0")" && pwd)
data=$here/../data/openxt
for f in "$data"/*.vhd.gz; do
	gunzip -c "$f" >"$dir/$(basename "$f" .gz)"
done
cd "$dir" || exit 1

sha() {
	sha256sum | cut -d' ' -f1
}

# The disk as a guest would get it before decryption.
disk() {
	vhd-util read -n "$1" -r 0 -c $(($(vhd-util query -n "$1" -v) * 2048))
}

# Decrypt the sectors that the images named hold with the key of the first.
plain() {
	local leaf=$1 key=$2 f
	shift 2
	disk "$leaf" >disk
	for f in "$leaf" "$@"; do
		vhd-util read -n "$f" -e 0
	done | sort -un >extents
	python3 "$here/xts.py" "$data/$key" disk extents | sha
}

for f in f*.vhd t*.vhd; do
	is "$f is valid" "$(vhd-util check -n "$f" -b)" "$f is valid"
done

is "AES-256-XTS, no nonce" \
	"$(plain f1-enc512.vhd f1-enc512,aes-xts-plain,512.key)" \
	0aace2e6dae6c0fdddfe3bfb76cfede0c61bf38f4951766ee3f669d890778336
is "AES-128-XTS, with a nonce" \
	"$(plain f2-enc256.vhd f2-enc256,aes-xts-plain,256.key)" \
	68b363554d5cb32af48c5441dc3c66e756c3961693bc4251e2a49d4283eb0e78
is "a clear disk" "$(disk f3-base.vhd | sha)" \
	bfe201571d9b1e96726f78bceb9baf3a8b5cdb21421b938579c5e7e53e9b8dd7
is "an encrypted child of a clear parent" \
	"$(plain f3-child.vhd f3-child,aes-xts-plain,512.key)" \
	33fe26ec3ce8f73022722e723b215c6cd32576ec97d1eb4669fe344b0772471d
is "a child without a hash under an encrypted parent" \
	"$(plain f4-child.vhd f4-base,aes-xts-plain,512.key f4-base.vhd)" \
	92bb5053dee1b19050e5d62788f62b121b7b249fbc9c986fabde08a749b039a5
is "both encrypted with one key" \
	"$(plain f5-child.vhd f5-base,aes-xts-plain,512.key f5-base.vhd)" \
	5be0e5ab45a1c43ebf6b4da371fa6c04122abfd9c49a214642637ead73db2f14

is "the hash that is stored is that of the key" \
	"$(vhd-util key -p -n f1-enc512.vhd | cut -d' ' -f2)" \
	"$(vhd-util key -C -k "$data/f1-enc512,aes-xts-plain,512.key")"
ok "key -c: the right key" vhd-util key -c -n f2-enc256.vhd \
	-k "$data/f2-enc256,aes-xts-plain,256.key"
cp "$data/f1-enc512,aes-xts-plain,512.key" f5-base,aes-xts-plain,512.key
fails_with 22 "key -c: another key" vhd-util key -c -n f5-base.vhd \
	-k f5-base,aes-xts-plain,512.key
fails_with 1 "key -c: a key by another name" vhd-util key -c -n f5-base.vhd \
	-k "$data/f1-enc512,aes-xts-plain,512.key"

# A batmap of which an old writer zeroed the first sector.
is "q1 is read by its bitmaps" "$(disk q1-marker-clobbered.vhd 2>/dev/null |
	sha)" 77a45339286ccc26c86e41a82e011415924462fdb8bdb6f1541fe3e255849777
like "check tells of the batmap" "$(vhd-util check -n q1-marker-clobbered.vhd)" \
	'^batmap is invalid: invalid checksum'
ok "repair" vhd-util repair -n q1-marker-clobbered.vhd
is "then it is valid" "$(vhd-util check -n q1-marker-clobbered.vhd -b)" \
	"q1-marker-clobbered.vhd is valid"
is "the marker is still there" \
	"$(vhd-util query -n q1-marker-clobbered.vhd -m)" "marker: 7"
is "and the content" "$(disk q1-marker-clobbered.vhd | sha)" \
	77a45339286ccc26c86e41a82e011415924462fdb8bdb6f1541fe3e255849777

before=$(cat f3-base.vhd f3-child.vhd | sha)
fails_with 22 "an encrypted child does not go into a clear parent" \
	vhd-util coalesce -n f3-child.vhd
is "neither is changed" "$(cat f3-base.vhd f3-child.vhd | sha)" "$before"
is "one key: coalesce" "$(vhd-util coalesce -n f5-child.vhd)" \
	"Coalesced 32 sectors"
is "the parent is what the chain was" \
	"$(plain f5-base.vhd f5-base,aes-xts-plain,512.key 2>/dev/null)" \
	"$(plain f5-child.vhd f5-base,aes-xts-plain,512.key f5-base.vhd)"
like "and keeps its hash" "$(vhd-util key -p -n f5-base.vhd)" ' 39f5c1bc'

# What we encrypt, openssl decrypts.
cat "$here"/*.t >src
truncate -s 6M src
for bytes in 32 64; do
	head -c $bytes "$data/f1-enc512,aes-xts-plain,512.key" >"k$bytes"
	rm -f clear.vhd enc.vhd
	vhd-util convert -n src -I raw -N clear.vhd -O dynamic
	ok "copy -k, $bytes bytes" vhd-util copy -n clear.vhd -N enc.vhd \
		-k "k$bytes"
	disk enc.vhd >disk
	vhd-util read -n enc.vhd -e 0 >extents
	is "openssl decrypts it" \
		"$(python3 "$here/xts.py" "k$bytes" disk extents | sha)" \
		"$(sha <src)"
	is "its hash is the key's" "$(vhd-util key -p -n enc.vhd)" \
		"$(printf '0%.0s' {1..64}) $(vhd-util key -C -k "k$bytes")"
done
rm -f enc2.vhd
vhd-util copy -n clear.vhd -N enc2.vhd -E <k64
is "copy -E takes the key from standard input" \
	"$(vhd-util key -p -n enc2.vhd)" "$(vhd-util key -p -n enc.vhd)"
fails_with 22 "copy -E without a key" vhd-util copy -n clear.vhd -N no.vhd -E
ok "leaves nothing behind" test ! -e no.vhd
fails_with 126 "what is encrypted is not copied as if it were clear" \
	vhd-util copy -n enc.vhd -N no.vhd

done_testing
