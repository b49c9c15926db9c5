"""The API keys of all accounts: how many there are doesn't make it longer to search for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from wanflow_contract.support.exchange import MIN_KEY_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping


@define(eq=False, repr=False)
class KnownKeys:
    """The accounts by their API keys, and the keys by their first characters and their length."""

    _accounts: dict[str, str] = field(factory=dict)
    _by_start: dict[bytes, dict[int, set[bytes]]] = field(factory=dict)

    @classmethod
    def of(cls, keys: Mapping[str, str]) -> KnownKeys:
        """Return the keys of a mapping from accounts."""
        known = cls()
        for account, key in keys.items():
            known.add(account, key)
        return known

    def add(self, account: str, key: str) -> None:
        """Add a key; if two accounts have it, it is the first one's."""
        if key in self._accounts:
            return
        self._accounts[key] = account
        content = key.encode()
        if len(key) >= MIN_KEY_LENGTH:
            by_length = self._by_start.setdefault(content[:MIN_KEY_LENGTH], {})
            by_length.setdefault(len(content), set()).add(content)

    def account_of(self, key: str) -> str | None:
        """Return the account that has a key, None if none has it."""
        return self._accounts.get(key)

    def shown_in(self, content: bytes) -> bool:
        """Return whether a text contains a key; a short one may be there by chance."""
        for start, by_length in self._by_start.items():
            at = content.find(start)
            while at >= 0:
                if any(content[at : at + length] in keys for length, keys in by_length.items()):
                    return True
                at = content.find(start, at + 1)
        return False
