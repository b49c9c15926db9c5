"""Submissions that may come again: the answers by `Idempotency-Key`, within one account."""

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
_MOST = 1000


@frozen
class CachedResponse:
    """An answer given before, and a digest of the request that it was given to."""

    digest: bytes
    response: JsonObject


@define
class IdempotencyCache:
    """The latest answers of an account, up to a bound."""

    _by_key: OrderedDict[bytes, CachedResponse] = field(
        factory=OrderedDict[bytes, CachedResponse], repr=False
    )

    def get(self, key: bytes, body: JsonObject) -> JsonObject | None:
        """Return the answer that a key was given before, None for a new key.

        Raises:
            Refusal: 400, the key is malformed, or came with another request before.
        """
        if not _KEY.fullmatch(key):
            raise HTTPError(
                400, "Idempotency-Key must have 16 to 96 characters of A-Z a-z 0-9 . _ -"
            )
        found = self._by_key.get(key)
        if found is None:
            return None
        if found.digest != _digest(body):
            raise HTTPError(400, "Idempotency-Key was used before, with another request")
        return found.response

    def put(self, key: bytes, body: JsonObject, answer: JsonObject) -> None:
        """Remember an answer."""
        self._by_key[key] = CachedResponse(_digest(body), answer)
        if len(self._by_key) > _MOST:
            self._by_key.popitem(last=False)

    def records(self) -> list[list[Any]]:
        """Return the answers as JSON that can be kept."""
        kept = self._by_key.items()
        return [[key.decode(), replay.digest.hex(), replay.response] for key, replay in kept]

    def restore(self, records: list[list[Any]]) -> None:
        """Remember answers that were kept."""
        for key, digest, answer in records:
            self._by_key[key.encode()] = CachedResponse(bytes.fromhex(digest), answer)


def _digest(body: JsonObject) -> bytes:
    return sha256(json.dumps(body, sort_keys=True).encode()).digest()
