"""What is run: one case for each peer, transport and direction.

Data only. In commands, `{peer}` stands for the peer's interpreter or program, `{peers}` for the folder of the drivers,
`{ours}` for that of our programs, `{folder}` for one of the case alone, `{address}` for where its server says it listens.
"""

from dataclasses import dataclass, field

CALLS_US = "peer calls msgrpc"
WE_CALL = "msgrpc calls peer"


@dataclass
class Case:
    """One server and one client."""

    peer: str
    version: str
    transport: str
    direction: str
    #: The environment of the peer.
    needs: str
    server: list
    client: list
    #: Commands to be run before, each to its end.
    before: list = field(default_factory=list)
    #: How many servers there are, all started in the same way.
    servers: int = 1
    #: Whether a network of its own is needed.
    alone: bool = False
    #: How long the client may take, in seconds.
    seconds: int = 60

    def columns(self):
        return [self.peer, self.version, self.transport, self.direction]


#: Multicast as the example of txmsgpackrpc has it: five servers.
GROUP = "multicast://228.0.0.5:8000?ttl=5"
MEMBERS = 5

LISTEN = {
    "TCP": "tcp://127.0.0.1:0",
    "Unix": "unix://{folder}/socket",
}

OUR_SERVER = "{ours}/interop_server"
OUR_CLIENT = "{ours}/interop_client"


def cases():
    """All of them, in the order of the table."""
    return [
        *txmsgpackrpc(),
        *txmsgpackrpc_datagrams(),
        *msgpack_rpc_python(),
        *pynvim(),
        *neovim(),
        *plain_socket(),
        *vectors(),
    ]


TX = {"peer": "txmsgpackrpc", "version": "1.2", "needs": "txmsgpackrpc"}
TX_DRIVER = ["{peer}", "{peers}/txmsgpackrpc_peer.py"]
TX_LACKS = {
    "echo bytes": "it has one type for text and bytes",
    "echo bytes in a str": "it never answers a message with a str that is not UTF-8",
    "echo a timestamp": "it never answers a message with an extension below 0",
}


def txmsgpackrpc():
    """Over streams."""
    about, driver, lacks = TX, TX_DRIVER, TX_LACKS
    certificates = [["{peer}", "{peers}/certificates.py", "{folder}"]]
    for transport, listen in LISTEN.items():
        yield calls_us(driver, listen, transport=transport, **about)
        yield we_call(driver, listen, lacks, transport=transport, **about)
    # Its client verifies nothing; ours does.
    tls = {"transport": "TLS", "before": certificates, **about}
    listen = "tls://127.0.0.1:0"
    shown = ["--cert", "{folder}/cert.pem", "--key", "{folder}/key.pem"]
    yield Case(**tls, direction=CALLS_US, server=[OUR_SERVER, listen, *shown], client=[*driver, "client", "{address}"])
    server = [*driver, "server", listen, "cert={folder}/cert.pem", "key={folder}/key.pem"]
    client = [OUR_CLIENT, "{address}", "--ca", "{folder}/ca.pem", *skip(lacks)]
    yield Case(**tls, direction=WE_CALL, server=server, client=client)
    for kind, isolated in (("pool", "no"), ("isolated pool", "yes")):
        options = ["pool=4", f"isolated={isolated}"]
        yield calls_us(driver, LISTEN["TCP"], options, transport=f"TCP, {kind}", **about)
        ours = ["--pool", "4", *(["--isolated"] if isolated == "yes" else [])]
        yield we_call(driver, LISTEN["TCP"], lacks, ours, transport=f"TCP, {kind}", **about)
    # The client of its README, which calls the example `pi`.
    client = ["{peer}", "{peers}/txmsgpackrpc_pi.py", "client", "{address}"]
    server = ["{ours}/pi", "--serve", "tcp://127.0.0.1:0"]
    yield Case(**about, transport="TCP, its π", direction=CALLS_US, server=server, client=client)


def txmsgpackrpc_datagrams():
    """Over UDP, and over multicast as its example has it."""
    about, driver, lacks = TX, TX_DRIVER, TX_LACKS
    datagrams = {"transport": "UDP", **about}
    yield calls_us(driver, "udp://127.0.0.1:0", **datagrams)
    yield we_call(driver, "udp://127.0.0.1:0", lacks, **datagrams)
    group = {"transport": "multicast", "servers": MEMBERS, "alone": True, **about}
    client = ["{peer}", "{peers}/txmsgpackrpc_multicast.py", "client", "{address}", f"servers={MEMBERS}"]
    yield Case(**group, direction=CALLS_US, server=[OUR_SERVER, GROUP], client=client)
    client = [OUR_CLIENT, "{address}", "--servers", str(MEMBERS), *skip(lacks)]
    yield Case(**group, direction=WE_CALL, server=[*driver, "server", GROUP], client=client)


def msgpack_rpc_python():
    driver = ["{peer}", "{peers}/msgpackrpc_peer.py"]
    about = {"peer": "msgpack-rpc-python", "version": "0.4.1", "needs": "msgpack-rpc-python", "transport": "TCP"}
    lacks = {
        "echo bytes": "it has one type for text and bytes",
        "echo a timestamp": "it closes the connection on an extension below 0",
    }
    yield calls_us(driver, LISTEN["TCP"], **about)
    yield we_call(driver, LISTEN["TCP"], lacks, **about)


def pynvim():
    driver = ["{peer}", "{peers}/pynvim_peer.py"]
    for transport, listen in LISTEN.items():
        yield calls_us(driver, listen, peer="pynvim", version="0.6.0", needs="pynvim", transport=transport)


def neovim():
    nvim = ["{peer}", "--headless", "--clean"]
    about = {"peer": "Neovim", "version": "", "needs": "neovim"}
    # It prints its address by itself, but not for the eyes of a program.
    ready = 'lua local a = vim.v.servername; io.stdout:write("READY ", "%s", a, "\\n"); io.stdout:flush()'
    script = ["--cmd", "let g:address = '{address}'", "--cmd", "luafile {peers}/neovim_peer.lua"]
    client = [OUR_CLIENT, "{address}", "--neovim"]
    for transport, listen, scheme in (("TCP", "127.0.0.1:0", "tcp://"), ("Unix", "{folder}/socket", "unix://")):
        server = [*nvim, "--listen", listen, "--cmd", ready % scheme]
        yield Case(**about, transport=transport, direction=CALLS_US, server=[OUR_SERVER, LISTEN[transport]], client=[*nvim, *script])
        yield Case(**about, transport=transport, direction=WE_CALL, server=server, client=client)


def plain_socket():
    """A socket and a MessagePack library, as the README shows it, against the example `pi`."""
    yield Case(
        peer="socket and msgpack",
        version="1.1.0",
        transport="TCP",
        direction=CALLS_US,
        needs="plain",
        server=["{ours}/pi", "--serve", "tcp://127.0.0.1:0"],
        client=["{peer}", "{peers}/plain_socket.py", "{address}"],
    )


def vectors():
    """The vectors, as anybody can run them against a server."""
    client = ["{peer}", "msgrpc-core/vectors/check.py", "{address}", "--exact"]
    for transport, listen in {**LISTEN, "UDP": "udp://127.0.0.1:0"}.items():
        about = {"peer": "vectors by exact bytes", "version": "", "transport": transport, "needs": "python"}
        yield Case(**about, direction=CALLS_US, server=[OUR_SERVER, listen], client=client)


def calls_us(driver, listen, options=(), **about):
    client = [*driver, "client", "{address}", *options]
    return Case(**about, direction=CALLS_US, server=[OUR_SERVER, listen], client=client)


def we_call(driver, listen, lacks, options=(), **about):
    client = [OUR_CLIENT, "{address}", *options, *skip(lacks)]
    return Case(**about, direction=WE_CALL, server=[*driver, "server", listen], client=client)


def skip(lacks):
    return [word for check, reason in lacks.items() for word in ("--skip", f"{check}={reason}")]
