"""How a sleeping wait is told from outside that there is news of its task.

A ring that comes while nobody sleeps on its topic is kept for the next who does, so that none is
lost between a look and the sleep after it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator

    Wake: TypeAlias = Callable[[str], Any]

# A ring for a task that nobody waits for is forgotten when so many others have come.
MAX_PENDING = 4096


@frozen(eq=False)
class Subscription:
    """Whoever is to be woken by rings of its topics; `wake` may be called from any thread."""

    topics: Container[str]
    wake: Wake = field(repr=False)


@frozen(eq=False)
class Waiter:
    """A block that listens to one topic. Entered, it tells whether the topic had been rung."""

    bells: Notifier = field(repr=False)
    topic: str
    wake: Wake = field(repr=False)

    def __enter__(self) -> bool:
        return self.bells.add(self)

    def __exit__(self, *_: object) -> None:
        self.bells.remove(self)


class Notifier:
    """The topics of one client, and who sleeps on which. Any thread may ring."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin with nobody waiting for news, and with none kept."""
        self._lock = threading.Lock()
        self._sleepers: dict[str, tuple[Waiter, ...]] = {}
        self._crowds: set[Subscription] = set()
        self._pending: OrderedDict[str, None] = OrderedDict()

    def notify(self, topic: str) -> None:
        """Wake everybody who sleeps on a topic, or else whoever does so next."""
        with self._lock:
            listeners: list[Subscription | Waiter] = list(self._sleepers.get(topic, ()))
            listeners += [crowd for crowd in self._crowds if topic in crowd.topics]
            if not listeners:
                self._pending[topic] = None
                if len(self._pending) > MAX_PENDING:
                    self._pending.popitem(last=False)
        for listener in listeners:
            listener.wake(topic)

    def waiter(self, topic: str, wake: Wake) -> Waiter:
        """Make a block that listens to one topic, and tells at first whether it had been rung."""
        return Waiter(self, topic, wake)

    def add(self, sleeper: Waiter) -> bool:
        """Listen from now on → whether the topic had been rung before."""
        topic = sleeper.topic
        with self._lock:
            rung = self._pending.pop(topic, self) is None
            self._sleepers[topic] = (*self._sleepers.get(topic, ()), sleeper)
        return rung

    def remove(self, sleeper: Waiter) -> None:
        """Listen no more."""
        topic = sleeper.topic
        with self._lock:
            others = tuple(one for one in self._sleepers[topic] if one is not sleeper)
            if others:
                self._sleepers[topic] = others
            else:
                del self._sleepers[topic]

    @contextmanager
    def subscribe_many(self, topics: Container[str], wake: Wake) -> Generator[None]:
        """Listen to many topics inside the block; what had been rung before is told at once."""
        listener = Subscription(topics, wake)
        with self._lock:
            before = [topic for topic in self._pending if topic in topics]
            for topic in before:
                del self._pending[topic]
            self._crowds.add(listener)
        try:
            for topic in before:
                wake(topic)
            yield
        finally:
            with self._lock:
                self._crowds.discard(listener)
