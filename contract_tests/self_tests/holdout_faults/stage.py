"""The mock behind a proxy: what the suite is pointed at, with and without the mock's controls."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from self_tests.holdout_faults.proxy import Fault, Guise, Proxy
from self_tests.mutation.runner import KEYS
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@frozen
class Behind:
    """The mock behind a proxy with a fault, or behind a right one in some guise."""

    guise: Guise = field(repr=False, factory=Guise)
    fault: Fault | None = None

    @property
    def name(self) -> str:
        """The fault's name, or the guise's."""
        return self.fault.name if self.fault else self.guise.name

    @property
    def kind(self) -> str:
        """With the mock's controls, or without."""
        return "with controls" if self.guise.controls else "without controls"

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Serve it, from `with` to its end."""
        calls = {"loopback_callbacks": True} if self.name.startswith("callback") else {}
        with (
            MockServer(polls=2, **calls) as server,
            Proxy(server.base_url, self.guise, self.fault) as proxy,
        ):
            yield proxy


LET_IN = frozenset(KEYS.values())
HIDDEN = Guise("no controls", controls=False, keys=LET_IN)
GUISES = (
    Guise(),
    Guise("elsewhere", rewrites=False),
    Guise("in capitals", case=str.upper, via=True),
    Guise("in small letters", case=str.lower, via=True),
    Guise("in chunks", chunked=True),
    Guise("HTTP/1.0", old=True),
    HIDDEN,
    evolve(HIDDEN, name="no controls, in chunks, elsewhere", chunked=True, rewrites=False),
)
"""How a right proxy may look; none of it may be found fault with."""
