"""The π client of txmsgpackrpc's README against our example `pi`, without the half minute between its two rounds.

Digits come as text: as an integer, no more than 18 places of them fit the wire.
"""

from program import host_and_port, main
from twisted.internet import defer, reactor, threads
from txmsgpackrpc.client import connect
from txmsgpackrpc_peer import beside_reactor

import checks

PLACES = (5, 100, 1_000, 10_000)
BEGIN = "3.14159265358979323846264338327950288419716939937510"


def both_rounds(connection):
    """Two rounds of all places, the second while the first is at work."""

    def send():
        calls = [connection.createRequest("PI", digits, 600) for _ in range(2) for digits in PLACES]
        return defer.DeferredList(calls)

    outcomes = threads.blockingCallFromThread(reactor, send)
    for (good, digits), places in zip(outcomes, PLACES * 2):
        assert good, digits
        checks.equal(digits[:52], BEGIN[: places + 2])
        checks.equal(len(digits), places + 2)


def client(address):
    def make_checks():
        host, port = host_and_port(address)
        connection = threads.blockingCallFromThread(reactor, connect, host, port, None, 900)
        checks.make(connection, [("two rounds of digits", both_rounds)])

    beside_reactor(make_checks)


if __name__ == "__main__":
    main(client)
