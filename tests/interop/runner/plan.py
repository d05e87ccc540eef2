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
    #: How long the client may take, in seconds.
    seconds: int = 60
    environment: dict = field(default_factory=dict)

    def columns(self):
        return [self.peer, self.version, self.transport, self.direction]


LISTEN = {
    "TCP": "tcp://127.0.0.1:0",
    "Unix": "unix://{folder}/socket",
}

OUR_SERVER = "{ours}/interop_server"
OUR_CLIENT = "{ours}/interop_client"


def cases():
    """All of them, in the order of the table."""
    return [*txmsgpackrpc(), *msgpack_rpc_python(), *pynvim(), *neovim(), *plain_socket()]


def txmsgpackrpc():
    driver = ["{peer}", "{peers}/txmsgpackrpc_peer.py"]
    about = {"peer": "txmsgpackrpc", "version": "1.2", "needs": "txmsgpackrpc"}
    lacks = {
        "echo bytes": "it has one type for text and bytes",
        "echo bytes in a str": "it never answers a message with a str that is not UTF-8",
        "echo a timestamp": "it never answers a message with an extension below 0",
    }
    for transport, listen in LISTEN.items():
        yield calls_us(driver, listen, transport=transport, **about)
        yield we_call(driver, listen, lacks, transport=transport, **about)
    for kind, isolated in (("pool", "no"), ("isolated pool", "yes")):
        options = ["pool=4", f"isolated={isolated}"]
        yield calls_us(driver, LISTEN["TCP"], options, transport=f"TCP, {kind}", **about)


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


def calls_us(driver, listen, options=(), **about):
    client = [*driver, "client", "{address}", *options]
    return Case(**about, direction=CALLS_US, server=[OUR_SERVER, listen], client=client)


def we_call(driver, listen, lacks, **about):
    skips = [word for check, reason in lacks.items() for word in ("--skip", f"{check}={reason}")]
    client = [OUR_CLIENT, "{address}", *skips]
    return Case(**about, direction=WE_CALL, server=[*driver, "server", listen], client=client)
