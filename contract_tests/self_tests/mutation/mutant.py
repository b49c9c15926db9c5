"""A mutant: a right server with one fault, and the shortest exchange that shows it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from self_tests.mutation.fault_layer import MutatedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from self_tests.mutation.fault_layer import Call, Layer, Reply
    from wanflow.catalog.document import JsonObject

    Where = Callable[[Call], bool]
    Before = Callable[[Call, dict[str, Any]], Reply | None]
    After = Callable[[Call, Reply, dict[str, Any]], None]

KINDS = (
    "status",
    "schema",
    "headers",
    "auth",
    "validation missing",
    "validation too strict",
    "life cycle",
    "identity",
    "billing",
    "links",
    "callbacks",
    "idempotency",
    "error shape",
    "timing",
)
MUTANTS: dict[str, Mutant] = {}
"""The versioned set: every mutant by name."""
VERSION = 1
_LATE = 1.0


@frozen
class Mutant:
    """A fault by name; `kind` is its class, `script` the witness's, `says` what is wrong.

    `before` may answer a call itself or change it; `after` changes the answer; `edit` returns a
    document that the server is built from instead; `tamper` changes the server that was built,
    with `options`.
    """

    name: str
    kind: str
    says: str
    script: str
    where: Where = field(repr=False, default=lambda _call: True)
    before: Before | None = field(repr=False, default=None)
    after: After | None = field(repr=False, default=None)
    edit: Callable[[], JsonObject] | None = field(repr=False, default=None)
    probe: Mapping[str, Any] | None = field(repr=False, default=None)
    tamper: Callable[[Any], None] | None = field(repr=False, default=None)
    options: Mapping[str, Any] = field(repr=False, factory=dict)

    def document(self) -> JsonObject | None:
        """Return the document with the fault in it, None where the fault is in the layer."""
        return None if self.edit is None else self.edit()

    @contextmanager
    def opened(self, **options: Any) -> Iterator[MutatedServer]:
        """Serve the mock with the fault, from `with` to its end."""
        with MutatedServer(self, **{"polls": 2, **self.options, **options}) as server:
            if self.tamper is not None:
                self.tamper(server)
            yield server

    async def act(self, call: Call, layer: Layer) -> Reply:
        """Answer a call, wrongly where the fault is."""
        if not self.where(call):
            return await layer.forward(call)
        layer.reached += 1
        begun = time.monotonic()
        sent = (call.method, call.path, call.content, dict(call.headers))
        reply = None if self.before is None else self.before(call, layer.state)
        late = time.monotonic() - begun > _LATE
        now = (call.method, call.path, call.content, call.headers)
        changed = late or reply is not None or sent != now
        if reply is None:
            reply = await layer.forward(call)
        was = (reply.status, reply.content, tuple(reply.headers))
        if self.after is not None:
            self.after(call, reply, layer.state)
        changed = changed or was != (reply.status, reply.content, tuple(reply.headers))
        layer.triggered += changed
        return reply


def enter(mutant: Mutant) -> None:
    """Add a mutant to the set.

    Raises:
        ValueError: its name is taken, or its class unknown.
    """
    if mutant.name in MUTANTS or mutant.kind not in KINDS:
        raise ValueError(f"{mutant.name} ({mutant.kind})")
    MUTANTS[mutant.name] = mutant


def submits(call: Call) -> bool:
    """Choose submissions."""
    return call.submits


def queries(call: Call) -> bool:
    """Choose task queries."""
    return call.queries


def files(call: Call) -> bool:
    """Choose the files of results."""
    return call.path.startswith("/media")


def after(
    kind: str, says: str, where: Where, script: str, name: str | None = None
) -> Callable[[After], After]:
    """Enter a function that spoils answers."""

    def decorate(spoil: After) -> After:
        title = name or spoil.__name__.strip("_").replace("_", "-")
        enter(Mutant(title, kind, says, script, where, after=spoil))
        return spoil

    return decorate


def before(kind: str, says: str, where: Where, script: str) -> Callable[[Before], Before]:
    """Enter a function that changes calls, or answers them itself."""

    def decorate(spoil: Before) -> Before:
        title = spoil.__name__.strip("_").replace("_", "-")
        enter(Mutant(title, kind, says, script, where, before=spoil))
        return spoil

    return decorate
