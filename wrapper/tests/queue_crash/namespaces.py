"""Network namespaces: machines of their own, as far as sockets show."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Generator

SERVERS = "10.77.0.1"
"""The address of the servers, from wherever they are reached."""
_NEW_NETWORK = 0x40000000


@frozen
class Network:
    """The namespace of the servers, and one for each worker's machine, linked to that."""

    servers: str
    machines: tuple[str, ...]

    def command(self, machine: int) -> list[str]:
        """Return what begins a command that runs on a machine."""
        return ["ip", "netns", "exec", self.machines[machine]]

    def set_link(self, machine: int, state: str) -> None:
        """Cut the link of a machine (`down`), or put it back (`up`)."""
        run("-n", self.servers, "link", "set", _interface(machine), state)

    @contextmanager
    def sockets_at(self, name: str) -> Generator[None]:
        """Let this thread make its sockets in a namespace."""
        with Path("/proc/thread-self/ns/net").open() as own:
            with Path("/run/netns", name).open() as other:
                _enter(other.fileno())
            try:
                yield
            finally:
                _enter(own.fileno())


@contextmanager
def network(machines: int) -> Generator[Network]:
    """Make namespaces and their links, and remove them; skip where the machine doesn't allow it."""
    if sys.platform != "linux" or shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need Linux, iproute2 and root")
    prefix = f"wanflow-{os.getpid()}"
    made = Network(f"{prefix}-s", tuple(f"{prefix}-{number}" for number in range(machines)))
    with ExitStack() as stack:
        try:
            _make(made, stack)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine allows no network namespaces: {error.stderr.strip()}")
        yield made


def _make(network: Network, stack: ExitStack) -> None:
    for name in (network.servers, *network.machines):
        run("netns", "add", name)
        stack.callback(run, "netns", "del", name)
    run("-n", network.servers, "link", "set", "lo", "up")
    run("-n", network.servers, "addr", "add", f"{SERVERS}/32", "dev", "lo")
    for number, name in enumerate(network.machines):
        _connect(network.servers, name, number)


def _connect(servers: str, machine: str, number: int) -> None:
    near, far = f"10.77.{number + 1}.1", f"10.77.{number + 1}.2"
    link = _interface(number)
    run("-n", servers, "link", "add", link, "type", "veth", "peer", "name", link, "netns", machine)
    for name, address in ((servers, near), (machine, far)):
        run("-n", name, "addr", "add", f"{address}/30", "dev", link)
        run("-n", name, "link", "set", link, "up")
    run("-n", machine, "link", "set", "lo", "up")
    run("-n", machine, "route", "add", SERVERS, "via", near)


def _interface(machine: int) -> str:
    return f"machine{machine}"


def run(*words: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "setns")
