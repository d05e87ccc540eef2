"""txmsgpackrpc, on Twisted: a client of our server, and a server with the six methods."""

import os
import queue
import sys
import threading

from program import host_and_port, main, path, ready, when_stdin_ends
from twisted.internet import defer, reactor, ssl, task, threads
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
    if scheme == "udp":
        return tx.connect_UDP(host, port, waitTimeout=20)
    # As its users have it: it does not verify certificates.
    about = {"waitTimeout": 20, "maxRetries": 0, "ssl": scheme == "tls"}
    if "pool" in options:
        isolated = options.get("isolated") == "yes"
        return tx.connect_pool(host, port, poolsize=int(options["pool"]), isolated=isolated, **about)
    return tx.connect(host, port, **about)


def client(address, **options):
    def make_checks():
        peer = TxPeer(threads.blockingCallFromThread(reactor, connect, address, options))
        if "pool" in options:
            peer.lacks = {**peer.lacks, **POOL_LACKS}
        if address.startswith("udp:"):
            peer.largest = checks.DATAGRAM
        checks.run(peer)

    beside_reactor(make_checks)


def beside_reactor(make_checks):
    """Runs the reactor here and the checks on another thread; ends the program."""
    status = []

    def thread():
        try:
            make_checks()
        except SystemExit as error:
            status.append(error.code)
        finally:
            reactor.callFromThread(reactor.stop)

    reactor.callWhenRunning(threading.Thread(target=thread, daemon=True).start)
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
        if scheme == "multicast":
            reactor.listenMulticast(port, six.getMulticastProtocol(host, ttl=5), listenMultiple=True)
            ready(address)
            return
        if scheme == "udp":
            port = reactor.listenUDP(port, six.getDatagramProtocol(), interface=host)
        elif scheme == "tls":
            context = ssl.DefaultOpenSSLContextFactory(options["key"], options["cert"])
            port = reactor.listenSSL(port, six.getStreamFactory(), context, interface=host)
        else:
            port = reactor.listenTCP(port, six.getStreamFactory(), interface=host)
        ready(f"{scheme}://{host}:{port.getHost().port}")

    reactor.callWhenRunning(listen)
    when_stdin_ends(lambda: reactor.callFromThread(reactor.stop))
    reactor.run()


if __name__ == "__main__":
    main(client, server)
