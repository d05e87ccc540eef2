"""msgpack-rpc-python, on Tornado: a client of our server, and a server with the six methods. It has TCP alone."""

import collections
import collections.abc

# Tornado 4.5 looks for it where it was up to Python 3.9.
collections.MutableMapping = collections.abc.MutableMapping

import msgpackrpc
from msgpackrpc.error import RPCError
from msgpackrpc.server import AsyncResult
from program import host_and_port, main, ready, when_stdin_ends

import checks


class OldPeer(checks.Peer):
    """It has one type for text and bytes, and gives all of it as bytes."""

    def __init__(self, client):
        self.client = client

    def call(self, method, *params):
        return self.answer(self.client.call_async(method, *params))

    def notify(self, method, *params):
        self.client.notify(method, *params)

    def call_all(self, calls):
        answers = []
        futures = [self.client.call_async(*call) for call in calls]
        for future in futures:
            future.attach_callback(lambda future: answers.append(future.result))
        for future in futures:
            self.answer(future)
        return answers

    def given_back(self, value):
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, list):
            return [self.given_back(item) for item in value]
        if isinstance(value, dict):
            return {self.given_back(key): self.given_back(item) for key, item in value.items()}
        return value

    @staticmethod
    def answer(future):
        future.join()
        if future.error is not None:
            error = future.error
            if isinstance(error, RPCError):
                raise error
            raise checks.Failed(error)
        return future.result


def client(address):
    checks.run(OldPeer(msgpackrpc.Client(msgpackrpc.Address(*host_and_port(address)), timeout=20)))


class Six:
    def __init__(self, loop):
        self.loop = loop
        self.kept = None

    def echo(self, x):
        return x

    def add(self, a, b):
        return a + b

    def fail(self, msg):
        raise RuntimeError(msg.decode())

    def sleep(self, seconds):
        result = AsyncResult()
        self.loop._ioloop.call_later(seconds, result.set_result, seconds)
        return result

    def note(self, x):
        self.kept = x

    def last_note(self):
        return self.kept


def server(address):
    host, port = host_and_port(address)
    loop = msgpackrpc.Loop()
    server = msgpackrpc.Server(Six(loop), loop=loop)
    server.listen(msgpackrpc.Address(host, port))
    [listener] = server._listeners
    sockets = listener._mp_server._sockets.values()
    # It listens on every address of the machine; the first socket is IPv4 or both.
    ports = {socket.getsockname()[1] for socket in sockets if socket.family.name == "AF_INET"}
    ready(f"tcp://{host}:{ports.pop()}")
    when_stdin_ends(lambda: loop._ioloop.add_callback(loop.stop))
    server.start()


if __name__ == "__main__":
    main(client, server)
