"""A mutant: the mock with one fault, and the script that shows it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from self_tests.mutation.fault_layer import MutatedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from self_tests.mutation.fault_layer import Layer, MutableRequest, MutableResponse
    from wanflow.catalog.document import JsonObject

    Where = Callable[[MutableRequest], bool]
    Before = Callable[[MutableRequest, dict[str, Any]], MutableResponse | None]
    After = Callable[[MutableRequest, MutableResponse, dict[str, Any]], None]

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
    "text",
    "http",
)
MUTANTS: dict[str, Mutant] = {}
"""The versioned set: every mutant by name."""
VERSION = 1
_LATE = 1.0


@frozen
class Mutant:
    """A fault by name; `kind` is its class, `description` what is wrong, `script` what shows it.

    `before` may change a request or respond to it itself; `after` changes the response; `edit`
    returns a changed spec for the server; `tamper` changes the server, which has `options`.
    """

    name: str
    kind: str
    description: str
    script: str
    where: Where = field(repr=False, default=lambda _call: True)
    before: Before | None = field(repr=False, default=None)
    after: After | None = field(repr=False, default=None)
    edit: Callable[[], JsonObject] | None = field(repr=False, default=None)
    probe: Mapping[str, Any] | None = field(repr=False, default=None)
    tamper: Callable[[Any], None] | None = field(repr=False, default=None)
    options: Mapping[str, Any] = field(repr=False, factory=dict)

    def document(self) -> JsonObject | None:
        """Return the spec with the fault, None if the fault is in the layer."""
        return None if self.edit is None else self.edit()

    @contextmanager
    def opened(self, **options: Any) -> Iterator[MutatedServer]:
        """Serve the mock with the fault, as a context manager."""
        with MutatedServer(self, **{"polls": 2, **self.options, **options}) as server:
            if self.tamper is not None:
                self.tamper(server)
            yield server

    async def act(self, call: MutableRequest, layer: Layer) -> MutableResponse:
        """Handle a request, with the fault where it applies."""
        if not self.where(call):
            return await layer.forward(call)
        layer.reached += 1
        begun = time.monotonic()
        sent = (call.method, call.path, call.content, dict(call.headers))
        response = None if self.before is None else self.before(call, layer.state)
        late = time.monotonic() - begun > _LATE
        now = (call.method, call.path, call.content, call.headers)
        changed = late or response is not None or sent != now
        if response is None:
            response = await layer.forward(call)
        was = (response.status, response.content, tuple(response.headers))
        if self.after is not None:
            self.after(call, response, layer.state)
        changed = changed or was != (response.status, response.content, tuple(response.headers))
        layer.triggered += changed
        return response


def register(mutant: Mutant) -> None:
    """Add a mutant to the set.

    Raises:
        ValueError: its name is taken, or its class unknown.
    """
    if mutant.name in MUTANTS or mutant.kind not in KINDS:
        raise ValueError(f"{mutant.name} ({mutant.kind})")
    MUTANTS[mutant.name] = mutant


def submits(call: MutableRequest) -> bool:
    """Choose submissions."""
    return call.is_submission


def queries(call: MutableRequest) -> bool:
    """Choose task queries."""
    return call.is_query


def files(call: MutableRequest) -> bool:
    """Choose the files of results."""
    return call.path.startswith("/media")


def after(
    kind: str, description: str, where: Where, script: str, name: str | None = None
) -> Callable[[After], After]:
    """Register a function that changes responses."""

    def decorate(alter: After) -> After:
        title = name or alter.__name__.strip("_").replace("_", "-")
        register(Mutant(title, kind, description, script, where, after=alter))
        return alter

    return decorate


def before(kind: str, description: str, where: Where, script: str) -> Callable[[Before], Before]:
    """Register a function that changes requests, or responds to them itself."""

    def decorate(alter: Before) -> Before:
        title = alter.__name__.strip("_").replace("_", "-")
        register(Mutant(title, kind, description, script, where, before=alter))
        return alter

    return decorate
