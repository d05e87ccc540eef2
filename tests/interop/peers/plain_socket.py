"""Calls the pi server with nothing but a socket and the package msgpack; exits 1 at the first surprise."""

import os
import socket
import sys

import msgpack

PASSED = 0


def check(name, condition, seen):
    """Counts one expectation, or ends the run with what was seen instead."""
    global PASSED
    if not condition:
        print(f"FAILED {name}: {seen!r}")
        sys.exit(1)
    PASSED += 1
    print(f"ok     {name}")


class Peer:
    """One connection: requests out, responses in, in any order."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=30)
        self.unpacker = msgpack.Unpacker(raw=False, max_buffer_size=1 << 27)

    def send(self, message):
        self.socket.sendall(msgpack.packb(message))

    def receive(self):
        """The next response, or None when the server has closed."""
        while True:
            for message in self.unpacker:
                return message
            data = self.socket.recv(1 << 16)
            if not data:
                return None
            self.unpacker.feed(data)

    def call(self, msgid, method, params):
        self.send([0, msgid, method, params])
        return self.receive()


def digits_and_errors(host, port):
    peer = Peer(host, port)
    answer = peer.call(1, "PI", [50, 60])
    digits = "3.14159265358979323846264338327950288419716939937510"
    check("PI(50) gives the digits", answer == [1, 1, None, digits], answer)
    answer = peer.call(2, "PI", [1000])
    check("PI(1000) without its optional argument", answer[2] is None and len(answer[3]) == 1002, answer)
    answer = peer.call(3, "nope", [])
    check("an unknown method is named", answer == [1, 3, "[-32601] unknown method: nope", None], answer)
    answer = peer.call(4, "PI", ["many"])
    check("a wrong argument is named", answer[1] == 4 and answer[3] is None
          and "parameter 1 `digits` of `PI`" in answer[2] and '"many"' in answer[2], answer)
    answer = peer.call(5, "PI", [])
    check("a missing argument is named", "takes 1 to 2 parameters (digits: u32" in answer[2], answer)
    answer = peer.call(2**32 - 1, b"PI", [2])
    check("a method as bin, the largest msgid", answer == [1, 2**32 - 1, None, "3.14"], answer)
    answer = peer.call(6, "PI", [5.0])
    check("a float of integral value is an integer", answer == [1, 6, None, "3.14159"], answer)
    for msgid in range(100):
        peer.send([0, msgid, "PI", [msgid % 7]])
    answers = sorted(peer.receive()[1] for _ in range(100))
    check("a hundred requests at once are all answered", answers == list(range(100)), answers)
    peer.send([2, "PI", [3]])
    answer = peer.call(7, "PI", [1])
    check("a notification is not answered", answer == [1, 7, None, "3.1"], answer)
    half = Peer(host, port)
    half.send([0, 1, "PI", [20000]])
    half.socket.shutdown(socket.SHUT_WR)
    answer = half.receive()
    check("an answer comes after half-close", answer[2] is None and len(answer[3]) == 20002, answer)
    check("then the server closes", half.receive() is None, "more")


def garbage(host, port):
    pieces = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\xc1" * 100,
        b"\x00" * 1000,
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x94\x00\x01\xa2PI\xc6\xff\xff\xff\xff",
        bytes(msgpack.packb([0, 1, "PI", {"a": 1}])),
        bytes(msgpack.packb([7, "x"])) * 100,
        os.urandom(65536),
    ]
    for index, piece in enumerate(pieces):
        with socket.create_connection((host, port), timeout=10) as bad:
            try:
                bad.sendall(piece)
                bad.shutdown(socket.SHUT_WR)
                while bad.recv(65536):
                    pass
            except OSError:
                pass  # The server may have closed while we were still sending.
        answer = Peer(host, port).call(1, "PI", [2])
        check(f"the server survives garbage {index}", answer == [1, 1, None, "3.14"], answer)


if __name__ == "__main__":
    where = sys.argv[1].removeprefix("tcp://").rsplit(":", 1)
    digits_and_errors(where[0], int(where[1]))
    garbage(where[0], int(where[1]))
    print(f"{PASSED} passed, 0 failed")
