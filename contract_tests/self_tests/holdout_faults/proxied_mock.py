"""The mock behind a proxy, with and without the mock's controls."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from self_tests.holdout_faults.proxy import Fault, Proxy, ProxyVariant
from self_tests.mutation.runner import KEYS
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@frozen
class ProxiedMock:
    """The mock behind a proxy with a fault, or behind a correct variant."""

    variant: ProxyVariant = field(repr=False, factory=ProxyVariant)
    fault: Fault | None = None

    @property
    def name(self) -> str:
        """The fault's name, or the variant's."""
        return self.fault.name if self.fault else self.variant.name

    @property
    def kind(self) -> str:
        """With the mock's controls, or without."""
        return "with controls" if self.variant.controls else "without controls"

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Serve it, as a context manager."""
        calls = {"loopback_callbacks": True} if self.name.startswith("callback") else {}
        with (
            MockServer(polls=2, **calls) as server,
            Proxy(server.base_url, self.variant, self.fault) as proxy,
        ):
            yield proxy


KNOWN_KEYS = frozenset(KEYS.values())
HIDDEN = ProxyVariant("no controls", controls=False, keys=KNOWN_KEYS)
VARIANTS = (
    ProxyVariant(),
    ProxyVariant("elsewhere", rewrites=False),
    ProxyVariant("in capitals", case=str.upper, via=True),
    ProxyVariant("in small letters", case=str.lower, via=True),
    ProxyVariant("in chunks", chunked=True),
    ProxyVariant("HTTP/1.0", http10=True),
    HIDDEN,
    evolve(HIDDEN, name="no controls, in chunks, elsewhere", chunked=True, rewrites=False),
)
"""Correct proxies, which must have no findings."""
