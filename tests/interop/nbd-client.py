#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""nbd-client.py WHAT SOCKET - an NBD client without manners, for nbd-clients.t.

Exits with 0 if the server did what it should.
"""
import array
import os
import select
import signal
import socket
import struct
import sys

ACK, UNSUP = 1, 0x80000001


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(path)
    return s


def get(s, n):
    buf = b""
    while len(buf) < n:
        part = s.recv(min(n - len(buf), 1 << 20))
        if not part:
            raise EOFError
        buf += part
    return buf


def ended(s):
    try:
        while s.recv(1 << 20):
            pass
    except ConnectionError:
        pass
    return True


def option(number, data=b""):
    return b"IHAVEOPT" + struct.pack(">II", number, len(data)) + data


def reply(s, number):
    magic, opt, kind, length = struct.unpack(">QIII", get(s, 20))
    assert magic == 0x3E889045565A9 and opt == number
    return kind, get(s, length)


def ready(s, structured=False, send=None):
    send = send or s.sendall
    assert get(s, 18) == b"NBDMAGICIHAVEOPT\0\3"
    send(struct.pack(">I", 3))
    send(option(99, b"?"))
    assert reply(s, 99) == (UNSUP, b"")
    if structured:
        send(option(8))
        assert reply(s, 8) == (ACK, b"")
    send(option(1, b"whatever"))
    size, flags = struct.unpack(">QH", get(s, 10))
    return size


def request(kind, off, length, flags=0, cookie=7):
    return struct.pack(">IHHQQI", 0x25609513, flags, kind, cookie, off, length)


def simple(s, cookie=7):
    magic, err, got = struct.unpack(">IIQ", get(s, 16))
    assert magic == 0x67446698 and got == cookie, (magic, got)
    return err


def hoard(path):
    """Ask for much, fetch nothing, and see the end."""
    s = connect(path)
    ready(s)
    s.sendall(request(0, 0, 8 << 20) * 50)
    print("asked", flush=True)
    over = select.poll()
    over.register(s, 0)
    over.poll()
    return True


def dawdle(path, wanted):
    """Read it all, with a stop after the first answer."""
    s = connect(path)
    size = ready(s)
    step = 1 << 20
    s.sendall(b"".join(request(0, off, step, 0, off)
                       for off in range(0, size, step)))
    with open(wanted, "rb") as data:
        for i in range(size // step):
            off = struct.unpack(">8xQ", get(s, 16))[0]
            data.seek(off)
            assert get(s, step) == data.read(step), off
            if i == 0:
                os.kill(os.getpid(), signal.SIGSTOP)
    return True


def nonsense(path):
    for bytes_ in b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 4096:
        s = connect(path)
        s.sendall(bytes_)
        ended(s)
    s = connect(path)
    ready(s)
    s.sendall(b"x" * 28)
    return ended(s)


def slowly(path):
    s = connect(path)

    def send(data):
        for i in range(len(data)):
            s.sendall(data[i:i + 1])

    size = ready(s, True, send)
    send(request(0, size - 1, 1))
    head = struct.unpack(">IHHQIQ", get(s, 28))
    assert head == (0x668E33EF, 1, 1, 7, 9, size - 1), head
    get(s, 1)
    return True


def requests(path):
    s = connect(path)
    size = ready(s)
    for kind, off, length, flags, want in (
            (0, size, 1, 0, 22), (0, 2**64 - 1, 2, 0, 22), (0, 0, 0, 0, 22),
            (0, 0, (32 << 20) + 1, 0, 22), (3, 0, 0, 0, 0), (5, 0, 999, 0, 0),
            (7, 0, 512, 0, 22), (8, 0, 0, 0, 22), (65535, 0, 0, 0, 22),
            (4, size, 1, 0, 22), (6, size, 1, 0, 28), (0, 0, 1, 128, 22),
            (3, 0, 0, 1, 0)):
        s.sendall(request(kind, off, length, flags))
        got = simple(s)
        assert got == want, (kind, off, length, flags, got)
    s.sendall(request(1, size - 4, 8) + b"x" * 8)
    assert simple(s) == 28
    s.sendall(request(1, 0, 40 << 20))
    for _ in range(40):
        s.sendall(bytes(1 << 20))
    assert simple(s) == 22
    s.sendall(request(0, 0, 4))
    assert simple(s) == 0 and get(s, 4) == b"not "
    s.sendall(request(2, 0, 0))
    return not s.recv(1)


def unflushed(path):
    s = connect(path)
    ready(s)
    s.sendall(request(1, 0, 4096) + b"\7" * 4096)
    assert simple(s) == 0
    s.sendall(request(2, 0, 0))
    return not s.recv(1)


def cut(path):
    s = connect(path)
    ready(s)
    s.sendall(request(1, 0, 1 << 20) + bytes(1000))
    s.close()
    return True


def large(path):
    s = connect(path)
    ready(s)
    data = bytes(range(256)) * (1 << 17)
    s.sendall(request(1, 3, len(data)) + data)
    assert simple(s) == 0
    s.sendall(request(0, 3, len(data)))
    assert simple(s) == 0
    return get(s, len(data)) == data


def crowd(path):
    crowd_ = [connect(path) for _ in range(16)]
    for s in crowd_:
        ready(s)
    more = connect(path)
    try:
        get(more, 18)
    except (EOFError, ConnectionError):
        crowd_[0].sendall(request(3, 0, 0))
        return simple(crowd_[0]) == 0
    return False


def send_fds(path, fds, name="name"):
    s = connect(path)
    s.sendmsg([name.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                           array.array("i", fds))])
    return s


def pass_(path, style):
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    send_fds(path, [theirs.fileno()])
    theirs.close()
    if style == "new":
        ready(ours)
    else:
        head = get(ours, 152)
        assert head[:16] == b"NBDMAGIC" + bytes.fromhex("00420281861253".zfill(16))
    ours.sendall(request(0, 0, 512))
    assert simple(ours) == 0
    get(ours, 512)
    ours.sendall(request(2, 0, 0))
    return not ours.recv(1)


def hand(path, server, name):
    """Pass a connection to another server in, by a name."""
    theirs = connect(server)
    return ended(send_fds(path, [theirs.fileno()], name))


def nothing(path):
    s = connect(path)
    s.sendall(b"no descriptor")
    return ended(s)


def many(path):
    pairs = [socket.socketpair() for _ in range(10)]
    s = send_fds(path, [p[1].fileno() for p in pairs])
    ended(s)
    for p in pairs:
        p[1].close()
    first = pairs[0][0]
    first.settimeout(20)
    ready(first)
    return all(ended(p[0]) for p in pairs[1:])


WHAT = {f.__name__.rstrip("_"): f for f in (
    hoard, dawdle, nonsense, slowly, requests, unflushed, cut, large, crowd,
    pass_, hand, nothing, many)}
sys.exit(0 if WHAT[sys.argv[1]](*sys.argv[2:]) else 1)
