"""Responses by `Idempotency-Key`, for the submissions of one account, within bounds."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from wanflow.mock.errors import HTTPError

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject

_KEY = re.compile(rb"[A-Za-z0-9._-]{16,96}")


@frozen
class IdempotencyLimits:
    """How many keys of an account are remembered, and for how many seconds (None: no limit).

    A request with a forgotten key is a new one, and is paid for again.
    """

    keys: int = 10_000
    seconds: float | None = None


@frozen
class CachedResponse:
    """An earlier response, a digest of its request, and when it was stored."""

    digest: bytes
    response: JsonObject
    at: float


@define
class IdempotencyCache:
    """The latest responses of an account, within limits; times are those of the mock's clock."""

    limits: IdempotencyLimits = field(factory=IdempotencyLimits)
    _responses: OrderedDict[bytes, CachedResponse] = field(
        factory=OrderedDict[bytes, CachedResponse], repr=False
    )

    def get(self, key: bytes, body: JsonObject, now: float) -> JsonObject | None:
        """Return the cached response of a key, None for a new key.

        Raises:
            HTTPError: 400, the key is invalid, or was used with another request.
        """
        if not _KEY.fullmatch(key):
            raise HTTPError(
                400, "Idempotency-Key must have 16 to 96 characters of A-Z a-z 0-9 . _ -"
            )
        self._forget(now)
        found = self._responses.get(key)
        if found is None:
            return None
        if found.digest != _digest(body):
            raise HTTPError(400, "Idempotency-Key was already used with another request")
        return found.response

    def put(self, key: bytes, body: JsonObject, response: JsonObject, now: float) -> None:
        """Store a response."""
        self._responses[key] = CachedResponse(_digest(body), response, now)
        self._forget(now)

    def records(self) -> list[list[Any]]:
        """Return the responses as JSON."""
        cached = self._responses.items()
        return [[key.decode(), one.digest.hex(), one.response, one.at] for key, one in cached]

    def restore(self, records: list[list[Any]], now: float) -> None:
        """Restore responses from JSON; records of earlier versions have no time."""
        for key, digest, response, *at in records:
            stored = CachedResponse(bytes.fromhex(digest), response, at[0] if at else now)
            self._responses[key.encode()] = stored
        self._forget(now)

    def _forget(self, now: float) -> None:
        """Remove the oldest responses until all are within the limits."""
        lifetime = self.limits.seconds
        while self._responses:
            oldest = next(iter(self._responses.values()))
            expired = lifetime is not None and oldest.at + lifetime <= now
            if not expired and len(self._responses) <= self.limits.keys:
                return
            self._responses.popitem(last=False)


def _digest(body: JsonObject) -> bytes:
    return sha256(json.dumps(body, sort_keys=True).encode()).digest()
