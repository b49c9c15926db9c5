"""Responses by `Idempotency-Key`, for the submissions of one account."""

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
_MAX_RESPONSES = 1000


@frozen
class CachedResponse:
    """An earlier response, and a digest of its request."""

    digest: bytes
    response: JsonObject


@define
class IdempotencyCache:
    """The latest responses of an account, up to a maximum number."""

    _responses: OrderedDict[bytes, CachedResponse] = field(
        factory=OrderedDict[bytes, CachedResponse], repr=False
    )

    def get(self, key: bytes, body: JsonObject) -> JsonObject | None:
        """Return the cached response of a key, None for a new key.

        Raises:
            HTTPError: 400, the key is invalid, or was used with another request.
        """
        if not _KEY.fullmatch(key):
            raise HTTPError(
                400, "Idempotency-Key must have 16 to 96 characters of A-Z a-z 0-9 . _ -"
            )
        found = self._responses.get(key)
        if found is None:
            return None
        if found.digest != _digest(body):
            raise HTTPError(400, "Idempotency-Key was already used with another request")
        return found.response

    def put(self, key: bytes, body: JsonObject, response: JsonObject) -> None:
        """Store a response."""
        self._responses[key] = CachedResponse(_digest(body), response)
        if len(self._responses) > _MAX_RESPONSES:
            self._responses.popitem(last=False)

    def records(self) -> list[list[Any]]:
        """Return the responses as JSON."""
        cached = self._responses.items()
        return [
            [key.decode(), cached_response.digest.hex(), cached_response.response]
            for key, cached_response in cached
        ]

    def restore(self, records: list[list[Any]]) -> None:
        """Restore responses from JSON."""
        for key, digest, response in records:
            self._responses[key.encode()] = CachedResponse(bytes.fromhex(digest), response)


def _digest(body: JsonObject) -> bytes:
    return sha256(json.dumps(body, sort_keys=True).encode()).digest()
