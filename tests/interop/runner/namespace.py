"""A network of its own for multicast: Twisted sends and joins by route, and no route of this machine must be touched."""

import os
import subprocess


class NoNamespace(Exception):
    """Networks of one's own cannot be made here."""


class Namespace:
    """A network of one interface, `lo`, with the route to all groups; it ends with this object."""

    SCRIPT = "ip link set lo up && ip route add 224.0.0.0/4 dev lo && echo ready && exec cat"

    def __enter__(self):
        # Who is not root is so within a namespace of users.
        users = [] if os.geteuid() == 0 else ["--map-root-user"]
        command = ["unshare", "--net", *users, "sh", "-c", self.SCRIPT]
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        except OSError as error:
            raise NoNamespace(str(error)) from None
        if self.process.stdout.readline() != "ready\n":
            _, stderr = self.process.communicate()
            raise NoNamespace((stderr.strip().splitlines() or ["unshare and ip say nothing"])[-1])
        users = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        #: What stands before a command that is to run within.
        self.prefix = ["nsenter", "--target", str(self.process.pid), *users, "--net"]
        return self

    def __exit__(self, *_):
        self.process.communicate()
