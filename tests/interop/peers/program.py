"""What every driver of a peer is: a program with two modes, lines on stdout, an end with its stdin."""

import os
import sys
import threading


def main(client, server=None):
    """`client ADDRESS [OPTION=VALUE …]` or `server ADDRESS [OPTION=VALUE …]`."""
    mode, address, *options = sys.argv[1:]
    options = dict(option.split("=", 1) for option in options)
    {"client": client, "server": server}[mode](address, **options)


def ready(address):
    """Says where a server listens."""
    print(f"READY {address}", flush=True)


def when_stdin_ends(stop):
    """Calls `stop`, on a thread of its own."""

    def wait():
        while os.read(0, 4096):
            pass
        stop()

    threading.Thread(target=wait, daemon=True).start()


def host_and_port(address):
    """`tcp://127.0.0.1:8000` → ("127.0.0.1", 8000)"""
    host, _, port = address.partition("://")[2].partition("?")[0].rpartition(":")
    return host, int(port)


def path(address):
    """`unix:///run/x.sock` → "/run/x.sock" """
    return address.removeprefix("unix://")
