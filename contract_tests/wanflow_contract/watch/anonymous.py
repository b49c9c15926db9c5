"""Replace API keys in exchanges by names of accounts; of a key, only a salted hash is stored."""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from wanflow_contract.support.exchange import MIN_KEY_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow_contract.support.exchange import Exchange, Headers

_SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key", "api-key"}
)
_WORDS = (re.compile(rb"[A-Za-z0-9._~+/=-]+"), re.compile(rb"[A-Za-z0-9._~+-]+"))
"""What may be a key: with the characters that a path or a query has between words, and without."""
_REMOVED = "removed"
_USER = re.compile(r"(?<=://)[^/?#@]*@")


@define(eq=False, repr=False)
class Accounts:
    """The accounts whose keys were seen; each has a name that replaces its key everywhere.

    A name is as long as the key, so that the length of a body doesn't change.
    """

    _salt: bytes = field(factory=lambda: secrets.token_bytes(16))
    _names: dict[bytes, str] = field(factory=dict)
    _renamed: dict[str, str] = field(factory=dict)
    _lengths: set[int] = field(factory=set)

    def anonymous(self, exchange: Exchange) -> tuple[Exchange, str]:
        """Return an exchange without keys, and the name of its account, '' if it has no key."""
        scheme, _, rest = (exchange.sent_header("authorization") or "").partition(" ")
        key = rest.strip()
        if scheme.lower() != "bearer" or not key:
            return self._without(exchange, "", "", "")
        name = self._name(key)
        return self._without(exchange, key, name, f"{scheme} {name}")

    def same_account(self, name: str, other: str) -> None:
        """Record that two keys belong to one account: from now on, both have the other's name."""
        was, now = self._current(name), self._current(other)
        if was != now:
            self._renamed[was] = now

    def _name(self, key: str) -> str:
        digest = self._digest(key.encode("utf-8", "surrogateescape"))
        if digest not in self._names:
            self._lengths.add(len(key))
            name = f"watched-account-{len(self._names) + 1}-"
            self._names[digest] = name + "x" * (len(key) - len(name))
        return self._current(self._names[digest])

    def _current(self, name: str) -> str:
        """Return the name that an account has by now; the next search for it is shorter."""
        found = name
        while (newer := self._renamed.get(found)) is not None:
            self._renamed[found] = self._renamed.get(newer, newer)
            found = newer
        return found

    def _digest(self, key: bytes) -> bytes:
        return blake2b(key, key=self._salt, digest_size=16).digest()

    def _without(
        self, exchange: Exchange, key: str, name: str, authorization: str
    ) -> tuple[Exchange, str]:
        replace = self._replacer(key, name)

        def text(value: str) -> str:
            return replace(value.encode("utf-8", "surrogateescape")).decode(
                "utf-8", "surrogateescape"
            )

        def headers(given: Headers) -> Headers:
            return tuple((one, text(_header(one, value, authorization))) for one, value in given)

        changed = evolve(
            exchange,
            url=text(_USER.sub("", exchange.url)),
            path=text(_USER.sub("", exchange.path)),
            request_headers=headers(exchange.request_headers),
            sent=replace(exchange.sent),
            headers=headers(exchange.headers),
            content=replace(exchange.content),
            secrets=(name,) if name else (),
        )
        return changed, name

    def _replacer(self, key: str, name: str) -> Callable[[bytes], bytes]:
        """Return a function that replaces the keys that are known, and the forms of this one."""
        forms = dict[bytes, bytes]()
        if len(key) >= MIN_KEY_LENGTH:
            plain = key.encode("utf-8", "surrogateescape")
            forms = {plain: name.encode(), b64encode(plain + b":"): _REMOVED.encode()}

        def known(word: re.Match[bytes]) -> bytes:
            found = word[0]
            if len(found) not in self._lengths or len(found) < MIN_KEY_LENGTH:
                return found
            owner = self._names.get(self._digest(found))
            return found if owner is None else self._current(owner).encode()

        def replace(content: bytes) -> bytes:
            for form, instead in forms.items():
                content = content.replace(form, instead)
            for word in _WORDS if len(content) < _LARGE else ():
                content = word.sub(known, content)
            return content

        return replace


_LARGE = 1 << 18
"""In longer bodies, only the exchange's own key is searched for: no report shows them whole."""


def _header(name: str, value: str, authorization: str) -> str:
    if name.lower() == "authorization" and authorization:
        return authorization
    if name.lower() not in _SECRET_HEADERS:
        return value
    return (
        f"{value.split(' ', maxsplit=1)[0]} {_REMOVED}"
        if name.lower() == "authorization"
        else _REMOVED
    )
