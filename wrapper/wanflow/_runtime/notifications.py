"""Wakes waits by topic, which is a task id.

A notification that arrives while nothing waits for its topic is kept for the next waiter, so that
none is lost between a poll and the sleep that follows.
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

# The oldest pending notifications are dropped beyond this number.
MAX_PENDING = 4096


@frozen(eq=False)
class Subscription:
    """A set of topics, and the function to call for each notification, from any thread."""

    topics: Container[str]
    wake: Wake = field(repr=False)


@frozen(eq=False)
class Waiter:
    """A context that waits for one topic. Entering it returns whether it was notified before."""

    notifier: Notifier = field(repr=False)
    topic: str
    wake: Wake = field(repr=False)

    def __enter__(self) -> bool:
        return self.notifier.add(self)

    def __exit__(self, *_: object) -> None:
        self.notifier.remove(self)


class Notifier:
    """The waiters and subscriptions of one client. Any thread may notify them."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Start with no waiters and no pending notifications."""
        self._lock = threading.Lock()
        self._waiters: dict[str, tuple[Waiter, ...]] = {}
        self._subscriptions: set[Subscription] = set()
        self._pending: OrderedDict[str, None] = OrderedDict()

    def notify(self, topic: str) -> None:
        """Wake all that wait for a topic, or else the next that does."""
        with self._lock:
            listeners: list[Subscription | Waiter] = list(self._waiters.get(topic, ()))
            listeners += [each for each in self._subscriptions if topic in each.topics]
            if not listeners:
                self._pending[topic] = None
                if len(self._pending) > MAX_PENDING:
                    self._pending.popitem(last=False)
        for listener in listeners:
            listener.wake(topic)

    def waiter(self, topic: str, wake: Wake) -> Waiter:
        """Return a context that waits for a topic; entering it returns whether it was notified."""
        return Waiter(self, topic, wake)

    def add(self, waiter: Waiter) -> bool:
        """Add a waiter → whether its topic was notified before."""
        topic = waiter.topic
        with self._lock:
            notified = self._pending.pop(topic, self) is None
            self._waiters[topic] = (*self._waiters.get(topic, ()), waiter)
        return notified

    def remove(self, waiter: Waiter) -> None:
        """Remove a waiter."""
        topic = waiter.topic
        with self._lock:
            others = tuple(one for one in self._waiters[topic] if one is not waiter)
            if others:
                self._waiters[topic] = others
            else:
                del self._waiters[topic]

    @contextmanager
    def subscribe_many(self, topics: Container[str], wake: Wake) -> Generator[None]:
        """Subscribe to many topics in this context, with their pending notifications."""
        listener = Subscription(topics, wake)
        with self._lock:
            before = [topic for topic in self._pending if topic in topics]
            for topic in before:
                del self._pending[topic]
            self._subscriptions.add(listener)
        try:
            for topic in before:
                wake(topic)
            yield
        finally:
            with self._lock:
                self._subscriptions.discard(listener)
