"""txmsgpackrpc as a client of a multicast group of our servers. Its servers are in `txmsgpackrpc_peer.py`.

Each of its calls waits its whole time, so the values are sent at once.
"""

from program import host_and_port, main
from twisted.internet import defer, reactor, threads
from twisted.python.failure import Failure
from txmsgpackrpc.client import connect_multicast
from txmsgpackrpc.error import TimeoutError as NoReplies
from txmsgpackrpc_peer import beside_reactor

import checks

#: How long each call waits, in seconds.
WAIT = 1


class Group(checks.Peer):
    lacks = {"echo bytes": "it has one type for text and bytes, and reads no str that is not UTF-8"}
    largest = checks.DATAGRAM

    def __init__(self, connection, servers):
        self.connection = connection
        self.servers = servers

    def ask(self, *calls):
        """What each call brings: a tuple of what each server answered."""

        def send():
            return defer.DeferredList([self.connection.createRequest(*call) for call in calls], consumeErrors=True)

        return [outcome for _, outcome in threads.blockingCallFromThread(reactor, send)]

    def notify(self, method, *params):
        notify = defer.maybeDeferred
        threads.blockingCallFromThread(reactor, notify, self.connection.createNotification, method, params)

    def each(self, outcome, expected):
        """Every server answered so."""
        assert isinstance(outcome, tuple) and len(outcome) == self.servers, checks.shown(outcome)
        for answer in outcome:
            checks.equal(answer, expected)


def all_are_found(group):
    """As the multicast example of txmsgpackrpc does."""
    [results] = group.ask(("echo", checks.MAP))
    group.each(results, checks.MAP)


def fail(group):
    [results] = group.ask(("fail", "boom"))
    group.each(tuple(failure.value.args[0] for failure in results), "boom")


def unknown_method(group):
    """A group is silent where not all of it may know the name."""
    [outcome] = group.ask(("nope",))
    assert isinstance(outcome, Failure) and outcome.check(NoReplies), checks.shown(outcome)


def at_once(group):
    outcomes = group.ask(*[("add", n, 1000) for n in range(10)])
    for n, outcome in enumerate(outcomes):
        group.each(outcome, n + 1000)


def notification(group):
    group.notify("note", "for all")
    [results] = group.ask(("last_note",))
    group.each(results, "for all")


def client(address, servers):
    def make_checks():
        host, port = host_and_port(address)
        connect = lambda: connect_multicast(host, port, ttl=5, waitTimeout=WAIT)
        group = Group(threads.blockingCallFromThread(reactor, connect), int(servers))
        values = {name: value for name, value in checks.all_values(group.largest).items() if name not in group.lacks}
        echoes = dict(zip(values, group.ask(*[("echo", value) for value in values.values()])))

        def echo(name):
            expected = "text" if values[name] == b"text" else values[name]
            return lambda group: group.each(echoes[name], expected)

        skipped = [(name, None) for name in group.lacks]
        checks.make(group, [("all servers are found", all_are_found), *skipped, *((name, echo(name)) for name in values), *METHODS])

    beside_reactor(make_checks)


METHODS = [
    ("fail", fail),
    ("an unknown method", unknown_method),
    ("ten calls at once", at_once),
    ("a notification", notification),
]


if __name__ == "__main__":
    main(client)
