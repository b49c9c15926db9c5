"""A submission as it would leave, to be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Preview:
    """A request that was not sent.

    `headers` are all but those that the transport adds and the one with the key; `body` is the
    JSON that `content` encodes; `advice` lists what is allowed and yet won't do what it seems to.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    content: bytes
    advice: tuple[str, ...] = ()
