"""Whether a request can cost anything: what is expected of it, and whether it shows a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow_contract.checks.expectation import Expectation, Expected

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_REFUSED = Expectation(Expected.REJECT, "the documents have no such request")


def payable(expectation: Expectation | None, method: str, *, shows_key: bool) -> Expectation | None:
    """Return what is expected of a request as far as its cost goes, None if it can't cost anything.

    A correct server rejects a request that isn't documented, one without a key, and a body that is
    invalid however it is read.
    """
    if expectation is None:
        return None if method in _SAFE_METHODS else _REFUSED
    return expectation if shows_key and not expectation.never_valid else _REFUSED


def shows_key(headers: Mapping[str, str], keys: Collection[str]) -> bool:
    """Return whether a request shows one of the keys, as a correct server asks for it."""
    shown = (value for name, value in headers.items() if name.lower() == "authorization")
    parts = (one.partition(" ") for one in shown)
    return any(scheme.lower() == "bearer" and key.strip() in keys for scheme, _, key in parts)
