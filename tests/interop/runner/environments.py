"""The peers' software: virtual environments of pinned packages under target/interop, and Debian's Neovim.

What cannot be had is `Missing`, with the reason: no network, no such Python, no right to install.
"""

import concurrent.futures
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

#: How long the packages of one environment may take, in seconds.
INSTALL_SECONDS = 150


@dataclass
class Missing:
    """A peer that cannot be had."""

    reason: str


@dataclass
class Environment:
    """Packages of one peer: pinned, with the import that shows that they work."""

    packages: list
    probe: str
    #: Without the dependencies that the package itself names.
    alone: list = ()
    #: The old packages do not know the newest Pythons.
    pythons: tuple = ("python3.11", "python3.12", "python3.10", "python3")


ENVIRONMENTS = {
    "txmsgpackrpc": Environment(
        packages=[
            "Twisted==22.2.0",
            "msgpack==0.6.2",
            "pyOpenSSL==26.4.0",
            "service-identity==26.1.0",
            "setuptools==65.5.0",
        ],
        alone=["txmsgpackrpc==1.2"],
        probe="import txmsgpackrpc.client, txmsgpackrpc.server",
    ),
    "msgpack-rpc-python": Environment(
        packages=["tornado==4.5.3", "msgpack-python==0.5.6"],
        alone=["msgpack-rpc-python==0.4.1"],
        probe="import collections, collections.abc as abc; collections.MutableMapping = abc.MutableMapping;"
        " import msgpackrpc",
    ),
    "pynvim": Environment(packages=["pynvim==0.6.0"], probe="import pynvim", pythons=("python3",)),
    "plain": Environment(packages=["msgpack==1.1.0"], probe="import msgpack", pythons=("python3",)),
}


def start(folder, names):
    """Begins to set up all of `names` at once; a future of each one's program, or of `Missing`."""
    folder.mkdir(parents=True, exist_ok=True)
    workers = concurrent.futures.ThreadPoolExecutor(max_workers=3)
    return {name: workers.submit(set_up, folder, name) for name in names}


def set_up(folder, name):
    """The interpreter of an environment, or the program itself; or why there is none."""
    try:
        if name == "python":
            return [sys.executable]
        return neovim() if name == "neovim" else environment(folder / name, ENVIRONMENTS[name])
    except subprocess.TimeoutExpired:
        return Missing(f"its packages were not there after {INSTALL_SECONDS} s")
    except OSError as error:
        return Missing(str(error))


def environment(folder, wanted):
    recipe = hashlib.sha256(json.dumps([wanted.packages, list(wanted.alone), wanted.probe]).encode()).hexdigest()
    python, stamp = folder / "bin" / "python", folder / "recipe"
    if stamp.exists() and stamp.read_text() == recipe and works(python, wanted.probe) is None:
        return [str(python)]
    shutil.rmtree(folder, ignore_errors=True)
    found = next(filter(None, (usable(name) for name in wanted.pythons)), None)
    if found is None:
        return Missing("python3 with venv is not installed; apt-get install python3-venv")
    made = run([found, "-m", "venv", str(folder)])
    if made is not None:
        return Missing(made)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1", "--timeout=20"]
    for packages in (wanted.packages, ["--no-deps", *wanted.alone] if wanted.alone else []):
        failed = run([*pip, *packages]) if packages else None
        if failed is not None:
            return Missing(failed)
    failed = works(python, wanted.probe)
    if failed is not None:
        return Missing(failed)
    stamp.write_text(recipe)
    return [str(python)]


def usable(name):
    """The interpreter of this name, if it can make environments."""
    found = shutil.which(name)
    return found if found and works(found, "import venv, ensurepip") is None else None


def works(python, code):
    return run([str(python), "-c", code])


def run(command):
    """None, or the last line of what went wrong."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode == 0:
        return None
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    return (lines or [f"{command[0]} ended with {done.returncode}"])[-1].strip()[:160]


def neovim():
    """Neovim, of any version; the table shows which. Debian's, where it may be installed."""
    if shutil.which("nvim") is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            return Missing("nvim is not installed; apt-get install neovim")
        failed = run(["apt-get", "update", "-qq"])
        failed = failed or run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "neovim"])
        if failed is not None:
            return Missing(failed)
    return [shutil.which("nvim")]
