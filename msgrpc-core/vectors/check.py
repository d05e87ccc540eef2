#!/usr/bin/env python3
"""Runs the vectors of a server against any server that has the six methods: `check.py tcp://127.0.0.1:8000`.

Also at `unix:///path` and `udp://host:port`. Needs Python alone. An answer passes when it means the same; with --exact, when it is the same by its bytes, which is for
msgrpc itself. One line for each vector, then the sum; the exit status is 0 if nothing failed.
"""

import argparse
import json
import pathlib
import socket
import struct
import sys

HERE = pathlib.Path(__file__).parent

#: How long an answer may take, in seconds.
PATIENCE = 5

#: Asked after each vector: what comes before its answer is all that the vector brought about.
PROBE = bytes.fromhex("94 00 7e a3 61 64 64 92 14 16")
PROBE_ANSWER = bytes.fromhex("94 01 7e c0 2a")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", help="tcp://host:port, unix:///path or udp://host:port")
    parser.add_argument("--exact", action="store_true", help="compare by bytes, the texts of errors included")
    arguments = parser.parse_args()
    files = {"datagrams.json": datagrams} if arguments.address.startswith("udp:") else STREAMS
    vectors = [(check, vector) for name, check in files.items() for vector in load(name)]
    failed = 0
    for check, vector in vectors:
        try:
            check(arguments.address, vector, arguments.exact)
        except (Failed, OSError) as error:
            failed += 1
            print(f"FAILED  {vector['name']}: {error}")
        else:
            print(f"ok      {vector['name']}")
    print(f"{len(vectors) - failed} passed, {failed} failed")
    return failed > 0


def load(name):
    return json.loads((HERE / name).read_text())


def server(address, vector, exact):
    """A vector of server.json."""
    peer = Peer(address)
    for piece in vector["send"]:
        peer.send(bytes.fromhex(piece))
    if vector.get("half_close"):
        peer.socket.shutdown(socket.SHUT_WR)
    for answer in vector["answers"]:
        compare(peer.receive(), bytes.fromhex(answer), exact)
    peer.ends(vector["then"])


def malformed(address, vector, exact):
    """A vector of malformed.json."""
    peer = Peer(address)
    peer.send(bytes.fromhex(vector["bytes"]))
    if "answer" in vector:
        compare(peer.receive(), bytes.fromhex(vector["answer"]), exact)
    if "code" in vector:
        answer = decode(peer.receive())[0]
        if not is_error(answer) or answer[1] != vector["msgid"]:
            raise Failed(f"{answer} is no error for {vector['msgid']}")
    peer.ends("closed" if vector["then"] == "ends" else "open")


STREAMS = {"server.json": server, "malformed.json": malformed}


def datagrams(address, vector, exact):
    """A vector of datagrams.json."""
    host, _, port = address.removeprefix("udp://").rpartition(":")
    peer = socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET, socket.SOCK_DGRAM)
    peer.settimeout(PATIENCE)
    peer.connect((host.strip("[]"), int(port)))
    for datagram in vector["send"]:
        peer.send(bytes.fromhex(datagram))
    for answer in [*vector["answers"], None]:
        if answer is None:
            peer.send(PROBE)
            answer = PROBE_ANSWER.hex()
        try:
            found = peer.recv(65536)
        except TimeoutError:
            raise Failed(f"nothing came within {PATIENCE} s") from None
        compare(found, bytes.fromhex(answer), exact)


class Failed(Exception):
    """The server does something else."""


class Peer:
    """One connection."""

    def __init__(self, address):
        if address.startswith("unix://"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address.removeprefix("unix://"))
        else:
            host, _, port = address.removeprefix("tcp://").rpartition(":")
            self.socket = socket.create_connection((host.strip("[]"), int(port)))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(PATIENCE)
        self.buffer = b""

    def send(self, piece):
        try:
            self.socket.sendall(piece)
        except ConnectionError:
            pass  # The server may end the connection in the middle of it.

    def receive(self):
        """The bytes of the next message; none at the end."""
        while True:
            try:
                _, length = decode(self.buffer)
            except Short:
                more = self.more()
                if not more and self.buffer:
                    raise Failed(f"it ended within {self.buffer.hex(' ')}") from None
                if not more:
                    return b""
                self.buffer += more
            else:
                message, self.buffer = self.buffer[:length], self.buffer[length:]
                return message

    def more(self):
        try:
            return self.socket.recv(65536)
        except TimeoutError:
            raise Failed(f"nothing came within {PATIENCE} s") from None
        except ConnectionError:
            return b""

    def ends(self, then):
        """Nothing more comes, and the connection is open or closed."""
        expected = b""
        if then == "open":
            self.send(PROBE)
            expected = PROBE_ANSWER
        found = self.receive()
        if found != expected:
            raise Failed(f"at the end {shown(found)} instead of {shown(expected)}")
        self.socket.close()


def compare(found, expected, exact):
    """The same bytes, or the same meaning: for a fault, an error for the same id."""
    if found == expected:
        return
    if not exact and found:
        seen, wanted = decode(found)[0], decode(expected)[0]
        is_fault = isinstance(wanted[2], Str) and wanted[2].bytes.startswith(b"[-32")
        if seen == wanted or is_fault and is_error(seen) and seen[1] == wanted[1]:
            return
    raise Failed(f"{shown(found)} instead of {shown(expected)}")


def is_error(answer):
    """`[1, msgid, error, nil]` with an error that no implementation takes for success."""
    if not isinstance(answer, list) or len(answer) != 4 or answer[0] != 1 or answer[3] is not None:
        return False
    error = answer[2]
    return bool(error.bytes) if isinstance(error, (Str, Bin)) else bool(error)


def shown(message):
    return f"{message.hex(' ')[:200]} ({message[:60]!r})" if message else "the end"


class Short(Exception):
    """More bytes are needed."""


class Raw:
    """Bytes of one kind."""

    def __init__(self, data):
        self.bytes = data

    def __eq__(self, other):
        return type(self) is type(other) and self.bytes == other.bytes

    def __hash__(self):
        return hash((type(self), self.bytes))

    def __repr__(self):
        return f"{type(self).__name__}({self.bytes!r})"


class Str(Raw):
    """A str, perhaps not UTF-8."""


class Bin(Raw):
    """A bin."""


class Ext(Raw):
    """An extension, its type first."""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Short
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form):
        return struct.unpack(f">{form}", self.take(struct.calcsize(form)))[0]

    def value(self):
        head = self.number("B")
        if head <= 0x7F:
            return head
        if head >= 0xE0:
            return head - 0x100
        if head <= 0x8F:
            return self.map(head & 0x0F)
        if head <= 0x9F:
            return self.array(head & 0x0F)
        if head <= 0xBF:
            return Str(self.take(head & 0x1F))
        if head in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[head]
        if head == 0xC1:
            raise Failed("the byte c1")
        for first, forms, make in KINDS:
            if first <= head < first + len(forms):
                return make(self, forms[head - first])
        raise Failed(f"the byte {head:02x}")

    def array(self, count):
        return [self.value() for _ in range(count)]

    def map(self, count):
        # Pairs, since keys may be lists and may occur twice.
        return ("map", [(self.value(), self.value()) for _ in range(count)])


#: The first byte of a kind, the forms of what follows it, what is read.
KINDS = [
    (0xC4, "BHI", lambda reader, form: Bin(reader.take(reader.number(form)))),
    (0xC7, "BHI", lambda reader, form: Ext(reader.take(reader.number(form) + 1))),
    (0xCA, "fd", lambda reader, form: (form, reader.take(struct.calcsize(form)))),
    (0xCC, "BHIQbhiq", lambda reader, form: reader.number(form)),
    (0xD4, (1, 2, 4, 8, 16), lambda reader, length: Ext(reader.take(length + 1))),
    (0xD9, "BHI", lambda reader, form: Str(reader.take(reader.number(form)))),
    (0xDC, "HI", lambda reader, form: reader.array(reader.number(form))),
    (0xDE, "HI", lambda reader, form: reader.map(reader.number(form))),
]


def decode(data):
    """The first value, and its length."""
    reader = Reader(data)
    value = reader.value()
    return value, reader.at


if __name__ == "__main__":
    sys.exit(main())
