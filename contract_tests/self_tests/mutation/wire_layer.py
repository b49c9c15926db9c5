"""Faults of a server that misreads the bytes of HTTP, or writes wrong ones."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from self_tests.mutation.kill_proof import KEY, SCRIPTS, ScriptRunner
from self_tests.mutation.mutant import Mutant, register

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[[bytes, dict[str, Any]], bytes]

_SHORT = 0.5
FAILED = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
BAD = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Writer:
    """A transport that changes what is written."""

    def __init__(self, transport: Any, change: Callable[[bytes], bytes]) -> None:
        self._transport, self._change = transport, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write the changed bytes."""
        changed = self._change(data)
        if changed:
            self._transport.write(changed)


class _Connections(set[Any]):
    """The connections of a server, each changed as it is added."""

    def __init__(self, layer: Any, received: Change | None, sent: Change | None) -> None:
        super().__init__()
        self._layer, self._received, self._sent = layer, received, sent

    def add(self, connection: Any) -> None:
        """Add a connection; its bytes pass through the fault."""
        super().add(connection)
        notes: dict[str, Any] = {}
        if self._received is not None:
            feed = connection._parser.feed

            def receive(data: bytes) -> None:
                changed = self._changed(self._received, data, notes)
                answer = notes.pop("answer", None)
                if answer is not None:
                    connection.transport.write(answer)
                    connection.transport.close()
                elif changed:
                    feed(changed)

            connection._parser.feed = receive
        if self._sent is not None:
            transport = connection.transport
            change = lambda data: self._changed(self._sent, data, notes)  # noqa: E731
            connection.transport = _Writer(transport, change)

    def _changed(self, change: Any, data: bytes, notes: dict[str, Any]) -> bytes:
        changed: bytes = change(data, notes)
        self._layer.reached += 1
        self._layer.triggered += changed != data or "answer" in notes
        return changed


def wire(
    name: str,
    description: str,
    script: Callable[[ScriptRunner], Any],
    *,
    received: Change | None = None,
    sent: Change | None = None,
) -> None:
    """Register a mutant that changes the bytes which a server receives or sends."""

    def tamper(server: Any) -> None:
        server._server._state.connections = _Connections(server.layer, received, sent)

    SCRIPTS[name] = script
    register(Mutant(name, "http", description, name, tamper=tamper))


def cut(pattern: bytes, by: bytes = b"") -> Change:
    """Return a change that replaces a part of what is received."""
    return lambda data, _notes: re.sub(pattern, by, data)


def fails(pattern: bytes, answer: bytes = FAILED) -> Change:
    """Return a change that answers some requests itself."""

    def change(data: bytes, notes: dict[str, Any]) -> bytes:
        if re.search(pattern, data, re.DOTALL):
            notes["answer"] = answer
        return data

    return change


def silent(pattern: bytes) -> Change:
    """Return a change that loses some requests."""
    return lambda data, _notes: b"" if re.search(pattern, data, re.DOTALL) else data


def raw(*pieces: bytes, lines: bytes = b"", wait: float = _SHORT) -> Callable[[ScriptRunner], None]:
    """Return a script that sends bytes in pieces; KEY and BASE in them are replaced."""

    def script(runner: ScriptRunner) -> None:
        parts = urlsplit(runner.base_url)
        address = (parts.hostname or "", parts.port or 80)
        made = str(runner.post().get("id"))
        with socket.create_connection(address, 5) as connection:
            for piece in pieces or (
                b"GET BASE/v1/tasks/ID HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n",
            ):
                data = piece.replace(b"BASE", parts.path.encode()).replace(b"ID", made.encode())
                connection.sendall(data.replace(b"KEY", KEY.encode()))
                if len(pieces) > 1:
                    connection.settimeout(0.05)
                    runner.log.append(_received(connection, runner))
            connection.settimeout(wait)
            runner.log.append(_received(connection, runner))

    return script


def _received(connection: socket.socket, runner: ScriptRunner) -> str:
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except OSError as failed:
        received += type(failed).__name__.encode()
    return runner.plain(re.sub(rb"date: [^\r]*", b"", received).decode("latin-1"))
