"""A mock of the API for tests and demos, made from the merged spec alone.

`MockServer` listens on a port, `MockTransport` is a transport of httpx2 and httpx without a socket,
and `Mock(…).app` is for any ASGI server. Their options are `wanflow.mock.options.Options`. The
README.md of this package describes faults, prompt directives, scenario files and the admin API;
`wanflow mock --guide` prints it, `wanflow mock --faults` lists the faults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wanflow.mock.clock import RealClock, VirtualClock
    from wanflow.mock.errors import UnsupportedSpec
    from wanflow.mock.gateway.limits import AccountLimits, RateLimit
    from wanflow.mock.mock import Mock
    from wanflow.mock.server import MockServer, MockUnavailable, PortInUse
    from wanflow.mock.transport import MockTransport

_MODULES = {
    "Mock": "wanflow.mock.mock",
    "MockServer": "wanflow.mock.server",
    "MockTransport": "wanflow.mock.transport",
    "MockUnavailable": "wanflow.mock.server",
    "PortInUse": "wanflow.mock.server",
    "RateLimit": "wanflow.mock.gateway.limits",
    "RealClock": "wanflow.mock.clock",
    "AccountLimits": "wanflow.mock.gateway.limits",
    "UnsupportedSpec": "wanflow.mock.errors",
    "VirtualClock": "wanflow.mock.clock",
}

__all__ = [
    "AccountLimits",
    "Mock",
    "MockServer",
    "MockTransport",
    "MockUnavailable",
    "PortInUse",
    "RateLimit",
    "RealClock",
    "UnsupportedSpec",
    "VirtualClock",
]


def __dir__() -> list[str]:
    """List the public names, so that `help` shows those not imported yet."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - what makes the import late

    return getattr(import_module(module), name)
