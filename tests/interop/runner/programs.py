"""Builds our programs, and runs one case: starts the server, waits until it is ready, runs the client, ends both.

Nothing is waited for by sleeping, and nothing outlives its case: at its deadline a program is killed with all that it
has started.
"""

import contextlib
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from environments import Missing
from namespace import Namespace, NoNamespace
from table import Row

PEERS = pathlib.Path(__file__).parent.parent / "peers"

#: How long a server may take to listen, and to end when its stdin has ended.
READY_SECONDS = 30
END_SECONDS = 10

#: What programs that listen print.
READY = re.compile(r"^(?:READY|listening on) (\S+)$")
RESULT = re.compile(r"^(ok|FAILED|skipped) +(.+?)(?:: (.*))?$")


def build(target):
    """Builds our examples; their folder."""
    examples = [word for name in ("interop_server", "interop_client", "pi") for word in ("--example", name)]
    subprocess.run(["cargo", "build", "--quiet", "--all-features", *examples], check=True)
    return target / "debug" / "examples"


def run(case, peer, ours, folder):
    """The line of the table for a case."""
    row = Row(*case.columns())
    if isinstance(peer, Missing):
        row.reason = peer.reason
        return row
    if case.needs == "neovim":
        row.version = version_of(peer[0])
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", " ".join(case.columns()).lower()).strip("-")
    # Not beneath target: the path of a Unix socket has 107 bytes at most.
    here = tempfile.mkdtemp(prefix="interop-")
    words = {"peer": peer[0], "peers": PEERS, "ours": ours, "folder": here}
    try:
        with contextlib.ExitStack() as stack:
            prefix = stack.enter_context(Namespace()).prefix if case.alone else []
            between(case, words, prefix, logs / name, row, stack)
    except Died as error:
        row.failures.append(("the run", str(error)))
    except NoNamespace as error:
        row.reason = f"no network of its own: {error}"
    finally:
        shutil.rmtree(here, ignore_errors=True)
    return row


def between(case, words, prefix, log, row, stack):
    """Runs the servers and the client of a case."""
    for command in case.before:
        prepare([filled(word, words) for word in command])
    servers = []
    for number in range(case.servers):
        command = [*prefix, *(filled(word, words) for word in case.server)]
        servers.append(stack.enter_context(Program(command, f"{log}.server{number or ''}")))
    words["address"] = [server.ready() for server in servers][0]
    command = [*prefix, *(filled(word, words) for word in case.client)]
    with Program(command, f"{log}.client") as client:
        read(client, time.monotonic() + case.seconds, row)
    for server in servers:
        server.end(row)


def prepare(command):
    """Runs a command to its end."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=READY_SECONDS, check=False)
    if done.returncode != 0:
        raise Died(f"{command[1]} ended with {done.returncode}: {done.stderr.splitlines()[-1:]}")


def filled(word, words):
    """A word of a command with its placeholders filled in; what looks like another one is left."""
    for name, value in words.items():
        word = word.replace(f"{{{name}}}", str(value))
    return word


def version_of(nvim):
    first = subprocess.run([nvim, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    return first.removeprefix("NVIM v")


def read(client, deadline, row):
    """Reads the client's results until it ends."""
    for line in client.lines(deadline):
        if match := RESULT.match(line):
            outcome, check, detail = match.groups()
            if outcome == "ok":
                row.passed += 1
            elif outcome == "skipped":
                row.skips.append((check, detail))
            else:
                row.failures.append((check, detail or ""))
    status = client.process.wait()
    if status != 0 and not row.failures:
        raise Died(f"the client ended with {status}: {client.last_words()}")
    if row.passed == 0:
        raise Died(f"the client made no checks: {client.last_words()}")


class Died(Exception):
    """A program ended or was late."""


class Program:
    """A program that runs: its lines, and its end."""

    def __init__(self, command, log):
        self.command = command
        self.stderr = pathlib.Path(log)
        # Neovim reads a stdin that is no terminal into a buffer of its own.
        stdin = subprocess.DEVNULL if "--headless" in command else subprocess.PIPE
        with open(log, "wb") as stderr:
            self.process = subprocess.Popen(
                self.command, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
            )
        self.queue = queue.Queue()
        threading.Thread(target=self.pump, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def pump(self):
        for line in self.process.stdout:
            self.queue.put(line.decode(errors="replace").rstrip("\n"))
        self.queue.put(None)

    def lines(self, deadline):
        """Its lines until it ends."""
        while True:
            try:
                line = self.queue.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                self.kill()
                raise Died(f"{self.command[0]} was not done in time: {self.last_words()}") from None
            if line is None:
                return
            with open(self.stderr, "a") as log:
                log.write(f"{line}\n")
            yield line

    def ready(self):
        """Where it listens."""
        for line in self.lines(time.monotonic() + READY_SECONDS):
            if match := READY.match(line):
                return match[1]
        raise Died(f"the server ended before it listened: {self.last_words()}")

    def end(self, row):
        """Ends a server. Ours must end by itself when its stdin does, and well."""
        if not any(word.endswith("/interop_server") for word in self.command):
            return
        self.process.stdin.close()
        try:
            status = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            raise Died("our server did not end with its stdin") from None
        if status != 0:
            row.failures.append(("our server ends", f"with {status}: {self.last_words()}"))

    def last_words(self):
        lines = [line for line in self.stderr.read_text(errors="replace").splitlines() if line.strip()]
        return (lines or ["it said nothing"])[-1][:200]

    def kill(self):
        """Ends it, and all that it has started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
