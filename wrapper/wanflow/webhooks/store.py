"""Which events were handled, within bounds of number and time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

V = TypeVar("V")

DAY = 86_400.0


class TTLCache(Generic[V]):
    """Values by name, each for `ttl` seconds; beyond `max_size` the oldest are removed."""

    def __init__(self, max_size: int, ttl: float) -> None:
        self._size = max_size
        self._seconds = ttl
        self._values: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def put(self, name: str, value: V, now: float) -> None:
        """Store a value under a name."""
        self._values.pop(name, None)
        self._values[name] = (now + self._seconds, value)
        for _ in self.expired(now):
            pass
        while len(self._values) > self._size:
            self._values.popitem(last=False)

    def get(self, name: str, now: float) -> V | None:
        """Return the value of a name, None if there is none or it has expired."""
        until, value = self._values.get(name, (now, None))
        return value if until > now else None

    def pop(self, name: str) -> V | None:
        """Remove a value and return it."""
        return self._values.pop(name, (0.0, None))[1]

    def expired(self, now: float) -> Iterator[str]:
        """Remove expired values, and yield their names."""
        while self._values:
            name, (until, _) = next(iter(self._values.items()))
            if until > now:
                return
            del self._values[name]
            yield name

    def __iter__(self) -> Iterator[str]:
        """Yield the names, the oldest first; some may have expired."""
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@runtime_checkable
class Store(Protocol):
    """Which events were handled. If several processes receive callbacks, give them a shared one.

    The methods may block, and may be called by any thread.
    """

    def seen(self, key: str) -> bool:
        """Return whether a key was added."""
        ...

    def add(self, key: str) -> bool:
        """Add a key and return whether it is new. Of two concurrent calls, one returns True."""
        ...

    def remove(self, key: str) -> None:
        """Remove a key: its event could not be handled."""
        ...


class InMemoryStore:
    """A store in memory, for one process and within bounds.

    Args:
        max_size: the maximum number of keys, of some 200 bytes each.
        ttl: seconds that each key is kept.
        clock: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        max_size: int = 100_000,
        ttl: float = 8 * DAY,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cache: TTLCache[bool] = TTLCache(max_size, ttl)
        self._clock = clock
        self._lock = threading.Lock()

    def seen(self, key: str) -> bool:
        """Return whether a key was added."""
        with self._lock:
            return self._cache.get(key, self._clock()) is not None

    def add(self, key: str) -> bool:
        """Add a key and return whether it is new."""
        with self._lock:
            now = self._clock()
            new = self._cache.get(key, now) is None
            if new:
                self._cache.put(key, True, now)
            return new

    def remove(self, key: str) -> None:
        """Remove a key."""
        with self._lock:
            self._cache.pop(key)

    def __len__(self) -> int:
        return len(self._cache)
