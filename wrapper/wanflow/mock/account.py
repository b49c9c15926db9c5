"""Who asks: each API key is an account of its own, known by a digest and never by the key."""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow.mock.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]{1,512}=*)")
_CHALLENGE = ((b"www-authenticate", b'Bearer realm="wanflow mock"'),)
_MOST_ACCOUNTS = 10_000


@define(eq=False)
class Account:
    """One API key's side of the mock; `name` is a digest of the key."""

    name: str
    submitted: int = 0


@define
class Accounts:
    """The accounts that have been seen, and the key that is asked for; None lets any key in."""

    api_key: str | None = field(default=None, repr=False)
    _known: dict[bytes, Account] = field(factory=dict[bytes, Account], repr=False)

    def admit(self, headers: Mapping[bytes, bytes]) -> Account:
        """Return the account of a request's bearer token.

        Raises:
            Refusal: 401, the token is missing, malformed or wrong.
        """
        found = _TOKEN.fullmatch(headers.get(b"authorization", b""))
        if found is None:
            raise Refusal(401, headers=_CHALLENGE)
        key = found[1]
        return self._known.get(key) or self._open(key)

    def anyone(self) -> Account:
        """Return the account of whoever needs no key."""
        return self._known.setdefault(b"", Account("anyone"))

    def _open(self, key: bytes) -> Account:
        if self.api_key is not None and not compare_digest(key, self.api_key.encode()):
            raise Refusal(401, headers=_CHALLENGE)
        if len(self._known) >= _MOST_ACCOUNTS:
            del self._known[next(iter(self._known))]
        account = self._known[key] = Account(sha256(key).hexdigest()[:16])
        return account
