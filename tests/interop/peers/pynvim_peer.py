"""pynvim: a client of our server. It begins every session with a notification whose method name is a bin."""

from pynvim.msgpack_rpc import socket_session, tcp_session
from program import host_and_port, main, path

import checks


class PynvimPeer(checks.Peer):
    lacks = {"echo maps with integers for keys": "it reads maps with text for keys only"}

    def __init__(self, session):
        session.error_wrapper = checks.Failed
        self.session = session

    def call(self, method, *params):
        return self.session.request(method, *params)

    def notify(self, method, *params):
        self.session.request(method, *params, async_=True)

    def call_all(self, calls):
        """Its own requests wait one for another; the layer beneath does not."""
        answers = []
        session = self.session._async_session

        def answered(error, result):
            answers.append(error or result)
            if len(answers) == len(calls):
                session.stop()

        for method, *params in calls:
            session.request(method, params, answered)
        session.run(None, None)
        return answers


def client(address):
    session = socket_session(path(address)) if address.startswith("unix:") else tcp_session(*host_and_port(address))
    checks.run(PynvimPeer(session))


if __name__ == "__main__":
    main(client)
