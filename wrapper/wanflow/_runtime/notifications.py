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
_KEPT = 4096


@frozen(eq=False)
class Listener:
    """Whoever is to be woken by rings of its topics; `wake` may be called from any thread."""

    topics: Container[str]
    wake: Wake = field(repr=False)


@frozen(eq=False)
class Sleeper:
    """A block that listens to one topic. Entered, it tells whether the topic had been rung."""

    bells: Bells = field(repr=False)
    topic: str
    wake: Wake = field(repr=False)

    def __enter__(self) -> bool:
        return self.bells.lie_down(self)

    def __exit__(self, *_: object) -> None:
        self.bells.rise(self)


class Bells:
    """The topics of one client, and who sleeps on which. Any thread may ring."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin with nobody waiting for news, and with none kept."""
        self._lock = threading.Lock()
        self._sleepers: dict[str, tuple[Sleeper, ...]] = {}
        self._crowds: set[Listener] = set()
        self._kept: OrderedDict[str, None] = OrderedDict()

    def ring(self, topic: str) -> None:
        """Wake everybody who sleeps on a topic, or else whoever does so next."""
        with self._lock:
            listeners: list[Listener | Sleeper] = list(self._sleepers.get(topic, ()))
            listeners += [crowd for crowd in self._crowds if topic in crowd.topics]
            if not listeners:
                self._kept[topic] = None
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        for listener in listeners:
            listener.wake(topic)

    def sleeper(self, topic: str, wake: Wake) -> Sleeper:
        """Make a block that listens to one topic, and tells at first whether it had been rung."""
        return Sleeper(self, topic, wake)

    def lie_down(self, sleeper: Sleeper) -> bool:
        """Listen from now on → whether the topic had been rung before."""
        topic = sleeper.topic
        with self._lock:
            rung = self._kept.pop(topic, self) is None
            self._sleepers[topic] = (*self._sleepers.get(topic, ()), sleeper)
        return rung

    def rise(self, sleeper: Sleeper) -> None:
        """Listen no more."""
        topic = sleeper.topic
        with self._lock:
            others = tuple(one for one in self._sleepers[topic] if one is not sleeper)
            if others:
                self._sleepers[topic] = others
            else:
                del self._sleepers[topic]

    @contextmanager
    def crowd(self, topics: Container[str], wake: Wake) -> Generator[None]:
        """Listen to many topics inside the block; what had been rung before is told at once."""
        listener = Listener(topics, wake)
        with self._lock:
            before = [topic for topic in self._kept if topic in topics]
            for topic in before:
                del self._kept[topic]
            self._crowds.add(listener)
        try:
            for topic in before:
                wake(topic)
            yield
        finally:
            with self._lock:
                self._crowds.discard(listener)
