"""txmsgpackrpc, on Twisted: a client of our server, and a server with the six methods."""

import os
import queue
import sys
import threading

from program import host_and_port, main, path, ready, when_stdin_ends
from twisted.internet import defer, reactor, task, threads
from txmsgpackrpc import client as tx
from txmsgpackrpc.error import ResponseError
from txmsgpackrpc.server import MsgpackRPCServer

import checks


class TxPeer(checks.Peer):
    """Twisted runs on the main thread, the checks on another."""

    lacks = {"echo bytes": "it has one type for text and bytes, and reads no str that is not UTF-8"}

    def __init__(self, connection):
        self.connection = connection

    def call(self, method, *params):
        try:
            return threads.blockingCallFromThread(reactor, self.connection.createRequest, method, *params)
        except ResponseError as error:
            raise checks.Failed(error.args[0]) from error

    def notify(self, method, *params):
        notify = defer.maybeDeferred
        threads.blockingCallFromThread(reactor, notify, self.connection.createNotification, method, params)

    def call_all(self, calls):
        answers = queue.Queue()

        def send():
            for method, *params in calls:
                self.connection.createRequest(method, *params).addBoth(answers.put)

        reactor.callFromThread(send)
        return [answers.get(timeout=20) for _ in calls]

    def given_back(self, value):
        return value.decode() if value == b"text" else value


def connect(address, options):
    scheme = address.partition("://")[0]
    if scheme == "unix":
        return tx.connect_UNIX(path(address), waitTimeout=20, maxRetries=0)
    host, port = host_and_port(address)
    if "pool" in options:
        isolated = options.get("isolated") == "yes"
        return tx.connect_pool(host, port, poolsize=int(options["pool"]), isolated=isolated, waitTimeout=20)
    return tx.connect(host, port, waitTimeout=20, maxRetries=0)


def client(address, **options):
    status = []

    def make_checks():
        try:
            peer = TxPeer(threads.blockingCallFromThread(reactor, connect, address, options))
            if "pool" in options:
                peer.lacks = {**peer.lacks, **POOL_LACKS}
            checks.run(peer)
        except SystemExit as error:
            status.append(error.code)
        finally:
            reactor.callFromThread(reactor.stop)

    reactor.callWhenRunning(threading.Thread(target=make_checks, daemon=True).start)
    reactor.run()
    # Not all threads of Twisted end by themselves.
    sys.stdout.flush()
    os._exit(status[0] if status else 1)


POOL_LACKS = {
    "a notification": "createNotification of its pool raises an AttributeError of its own",
    "notifications that fail are not answered": "createNotification of its pool raises an AttributeError of its own",
}


class Six(MsgpackRPCServer):
    note = None

    def remote_echo(self, x):
        return x

    def remote_add(self, a, b):
        return a + b

    def remote_fail(self, msg):
        raise RuntimeError(msg)

    def remote_sleep(self, seconds):
        return task.deferLater(reactor, seconds, lambda: seconds)

    def remote_note(self, x):
        Six.note = x

    def remote_last_note(self):
        return Six.note


def server(address, **options):
    scheme = address.partition("://")[0]
    six = Six()

    def listen():
        if scheme == "unix":
            reactor.listenUNIX(path(address), six.getStreamFactory())
            ready(address)
            return
        host, port = host_and_port(address)
        port = reactor.listenTCP(port, six.getStreamFactory(), interface=host)
        ready(f"{scheme}://{host}:{port.getHost().port}")

    reactor.callWhenRunning(listen)
    when_stdin_ends(lambda: reactor.callFromThread(reactor.stop))
    reactor.run()


if __name__ == "__main__":
    main(client, server)
