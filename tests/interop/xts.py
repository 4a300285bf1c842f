#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""xts.py KEYFILE DISK [EXTENTS] - decrypt a disk's sectors on standard output.

AES-XTS with 512-byte units and the sector number as tweak, put together from
single AES blocks that the openssl program computes: a route that shares no
code with ours. EXTENTS has "start count" lines; other sectors stay as is."""
import subprocess
import sys


def ecb(key, data, decrypt):
    name = {16: "-aes-128-ecb", 32: "-aes-256-ecb"}[len(key)]
    return subprocess.run(
        ["openssl", "enc", name, "-d" if decrypt else "-e", "-nopad",
         "-K", key.hex()], input=data, stdout=subprocess.PIPE,
        check=True).stdout


def masks(first):
    """The 32 masks of a sector, from its encrypted tweak."""
    t = int.from_bytes(first, "little")
    out = []
    for _ in range(32):
        out.append(t.to_bytes(16, "little"))
        t <<= 1
        if t >> 128:
            t = (t & ((1 << 128) - 1)) ^ 0x87
    return b"".join(out)


def xor(a, b):
    n = len(a)
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(
        n, "big")


key = open(sys.argv[1], "rb").read()
disk = bytearray(open(sys.argv[2], "rb").read())
k1, k2 = key[:len(key) // 2], key[len(key) // 2:]
sectors = []
for line in open(sys.argv[3]):
    start, count = map(int, line.split())
    sectors += range(start, start + count)
tweaks = ecb(k2, b"".join(s.to_bytes(16, "little") for s in sectors), False)
mask = b"".join(masks(tweaks[i * 16:i * 16 + 16])
                for i in range(len(sectors)))
cipher = b"".join(bytes(disk[s * 512:s * 512 + 512]) for s in sectors)
if sectors:
    plain = xor(ecb(k1, xor(cipher, mask), True), mask)
    for i, s in enumerate(sectors):
        disk[s * 512:s * 512 + 512] = plain[i * 512:i * 512 + 512]
sys.stdout.buffer.write(disk)
