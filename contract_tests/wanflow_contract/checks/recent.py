"""A mapping that forgets its oldest entries, so that a long watch doesn't fill the memory."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from attrs import define, field

Key = TypeVar("Key")
Value = TypeVar("Value")


@define(eq=False)
class Recent(Generic[Key, Value]):
    """The latest `most` entries; `forgotten` counts those that were dropped."""

    most: int = 100_000
    forgotten: int = 0
    _entries: OrderedDict[Key, Value] = field(factory=OrderedDict)

    def setdefault(self, key: Key, value: Value) -> Value:
        """Return the value of a key; the given one is added if there is none."""
        found = self._entries.setdefault(key, value)
        while len(self._entries) > self.most:
            self._entries.popitem(last=False)
            self.forgotten += 1
        return found

    def __len__(self) -> int:
        return len(self._entries)
