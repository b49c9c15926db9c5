"""What is remembered of callbacks: so much, for so long, and no more."""

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
    """Values by name, the oldest given up for the newest, each for `seconds` after it was put."""

    def __init__(self, max_size: int, ttl: float) -> None:
        self._size = max_size
        self._seconds = ttl
        self._values: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def put(self, name: str, value: V, now: float) -> None:
        """Remember a value from now on."""
        self._values.pop(name, None)
        self._values[name] = (now + self._seconds, value)
        for _ in self.expired(now):
            pass
        while len(self._values) > self._size:
            self._values.popitem(last=False)

    def get(self, name: str, now: float) -> V | None:
        """Return what is remembered."""
        until, value = self._values.get(name, (now, None))
        return value if until > now else None

    def pop(self, name: str) -> V | None:
        """Forget a value, and return it."""
        return self._values.pop(name, (0.0, None))[1]

    def expired(self, now: float) -> Iterator[str]:
        """Forget what is past its time, and yield the names."""
        while self._values:
            name, (until, _) = next(iter(self._values.items()))
            if until > now:
                return
            del self._values[name]
            yield name

    def __iter__(self) -> Iterator[str]:
        """Yield the names, the oldest first; some may be past their time."""
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@runtime_checkable
class Store(Protocol):
    """Which ends were taken. Give a Receiver one that its processes share, where it has several.

    The methods may block, and may be called by any thread.
    """

    def seen(self, key: str) -> bool:
        """Tell whether `take` was called with this key."""
        ...

    def add(self, key: str) -> bool:
        """Remember a key → whether it is new. Of two that take the same key, one is told True."""
        ...

    def remove(self, key: str) -> None:
        """Forget a key: the end could not be handled."""
        ...


class InMemoryStore:
    """The store of one process. It survives neither the process nor its bounds.

    Args:
        size: how many ends are remembered; some 200 bytes each.
        seconds: how long each is.
        clock: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        max_size: int = 100_000,
        ttl: float = 8 * DAY,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shelf: TTLCache[bool] = TTLCache(max_size, ttl)
        self._clock = clock
        self._lock = threading.Lock()

    def seen(self, key: str) -> bool:
        """Tell whether a key was taken."""
        with self._lock:
            return self._shelf.get(key, self._clock()) is not None

    def add(self, key: str) -> bool:
        """Remember a key → whether it is new."""
        with self._lock:
            now = self._clock()
            new = self._shelf.get(key, now) is None
            if new:
                self._shelf.put(key, True, now)
            return new

    def remove(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            self._shelf.pop(key)

    def __len__(self) -> int:
        return len(self._shelf)
