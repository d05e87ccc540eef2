"""The checks that a client of another implementation makes of our server.

Each driver brings a `Peer` for its library. Lines as those of `examples/interop_client`.
"""

import sys

EDGES = [sign * (1 << bits) + more for bits in (7, 8, 15, 16, 31, 32) for sign in (1, -1) for more in (-1, 0, 1)]

#: How large a value may be where each message is a datagram of at most 8 192 bytes.
DATAGRAM = 8_000


def all_values(largest=1 << 30):
    """Values of every kind by the names of their checks; none takes much more than `largest` bytes."""
    texts = [length for length in (0, 31, 32, 255, 256, 4_000, 65_535, 65_536) if length < largest / 2]
    lists = [length for length in (0, 15, 16, 4_000, 60_000) if length < largest / 2]
    return {
        "echo nil and booleans": [None, True, False],
        "echo integers of every width": [0, 1, 31, 32, -1, -32, -33, *EDGES, (1 << 63) - 1, -(1 << 63)],
        "echo the largest u64": (1 << 64) - 1,
        "echo floats": [0.0, -1.5, 0.1, 1e300, float("inf")],
        "echo text of every width": ["x" * length for length in texts],
        "echo text beyond ASCII": "Grüße, 世界, 🦀",
        "echo bytes": bytes(range(256)),
        "echo bytes that are text": b"text",
        "echo lists of every width": [[0] * length for length in lists],
        "echo maps": MAP,
        "echo maps with integers for keys": {1: "one", -2: "minus two"},
        "echo 100 levels": eval("[" * 100 + "]" * 100),
        "echo a large text": "x" * min(largest, 1 << 20),
    }


MAP = {
    "firstName": "John",
    "lastName": "Smith",
    "isAlive": True,
    "age": 25,
    "height_cm": 167.6,
    "address": {"streetAddress": "21 2nd Street", "city": "New York", "postalCode": "10021-3100"},
    "phoneNumbers": [{"type": "home", "number": "212 555-1234"}, {"type": "office", "number": "646 555-4567"}],
    "children": [],
    "spouse": None,
    "wide": {f"key {n:02}": n for n in range(20)},
}


class Failed(Exception):
    """The server answered with this error."""

    def __init__(self, value):
        super().__init__(value)
        self.value = value


class Peer:
    """A client of another implementation, connected to our server."""

    #: Names of checks that it cannot pass, and why.
    lacks = {}

    #: How many bytes a value may have.
    largest = 1 << 30

    def call(self, method, *params):
        """The result; raises `Failed`."""
        raise NotImplementedError

    def notify(self, method, *params):
        """Sends a notification."""
        raise NotImplementedError

    def call_all(self, calls):
        """The results of `[(method, param …), …]`, all sent before the first is awaited, in the order of their arrival."""
        raise NotImplementedError

    def given_back(self, value):
        """What a value looks like to it when it was given back."""
        return value


def run(peer):
    """Makes all checks; ends the program."""
    make(peer, [*values(peer), *METHODS])


def make(peer, checks):
    """Makes these, pairs of a name and a function of the peer; ends the program."""
    lacks = dict(getattr(peer, "lacks", {}))
    passed = failed = 0
    for name, check in checks:
        if name in lacks:
            print(f"skipped {name}: {lacks.pop(name)}", flush=True)
            continue
        try:
            check(peer)
        except Exception as error:  # Whatever a library raises is a result.
            failed += 1
            print(f"FAILED  {name}: {type(error).__name__}: {shown(error)}", flush=True)
        else:
            passed += 1
            print(f"ok      {name}", flush=True)
    for name in lacks:
        failed += 1
        print(f"FAILED  {name}: it was to be skipped, but there is no such check", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(failed > 0)


def values(peer):
    for name, value in all_values(peer.largest).items():
        expected = peer.given_back(value)
        yield name, lambda peer, value=value, expected=expected: equal(peer.call("echo", value), expected)


def equal(seen, expected):
    """Equal also in their types, but for lists and tuples."""
    if isinstance(expected, list):
        assert isinstance(seen, (list, tuple)) and len(seen) == len(expected), shown(seen)
        for one, other in zip(seen, expected):
            equal(one, other)
    else:
        assert seen == expected and type(seen) is type(expected), f"{shown(seen)} instead of {shown(expected)}"


def shown(value):
    return repr(value)[:300]


def error_of(peer, *call):
    """The error of a call that must fail."""
    try:
        result = peer.call(*call)
    except Failed as error:
        value = error.value
        return value.decode() if isinstance(value, bytes) else value
    raise AssertionError(f"no error, but {shown(result)}")


def unknown_method(peer):
    equal(error_of(peer, "nope"), "[-32601] unknown method: nope")


def wrong_number(peer):
    expected = "[-32602] method `add` takes 2 parameters (a: i64, b: i64), got 1"
    equal(error_of(peer, "add", 1), expected)


def wrong_type(peer):
    error = error_of(peer, "add", 1, "two")
    assert error.startswith("[-32602] parameter 2 `b` of `add`: "), error


def at_once(peer):
    answers = peer.call_all([("add", n, 1000) for n in range(100)])
    equal(sorted(answers), list(range(1000, 1100)))


def slow(peer):
    """Answers come in the order in which they are ready."""
    equal(peer.call_all([("sleep", 0.5), ("add", 1, 2)]), [3, 0.5])


def notification(peer):
    for n in range(20):
        peer.notify("note", f"note {n}")
        equal(peer.call("last_note"), peer.given_back(f"note {n}"))


def unknown_notification(peer):
    """It is answered by nothing, and what follows is answered."""
    peer.notify("nope", 1)
    peer.notify("note")
    equal(peer.call("add", 20, 22), 42)


METHODS = [
    ("add", lambda peer: equal(peer.call("add", 40, 2), 42)),
    ("add negatives", lambda peer: equal(peer.call("add", -70_000, -1), -70_001)),
    ("fail", lambda peer: equal(error_of(peer, "fail", "boom"), "boom")),
    ("an unknown method", unknown_method),
    ("a wrong number of arguments", wrong_number),
    ("an argument of a wrong type", wrong_type),
    ("a hundred calls at once", at_once),
    ("a slow call holds up no other", slow),
    ("a notification", notification),
    ("notifications that fail are not answered", unknown_notification),
]
