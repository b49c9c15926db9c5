"""Wakes waits by topic, which is a task id.

A notification that arrives while nothing waits for its topic is kept for the next waiter, so that
none is lost between a poll and the sleep that follows. So is one that its waiter can't handle any
more, because it ended first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator

    Wake: TypeAlias = Callable[[str], Any]

# The oldest pending notifications are dropped beyond this number.
MAX_PENDING = 4096


@frozen(eq=False)
class Inbox:
    """The notifications of a subscriber that it hasn't handled yet.

    `wake` is called for each, from any thread, maybe only after the subscriber has ended.
    """

    wake: Wake = field(repr=False)
    topics: deque[str] = field(factory=deque[str])

    def take(self) -> str:
        """Return the oldest notification, which is handled now."""
        return self.topics.popleft()


@frozen(eq=False)
class Subscription:
    """A set of topics, and the inbox for their notifications."""

    topics: Container[str]
    inbox: Inbox


@define(eq=False)
class Waiter:
    """A context that waits for one topic. Entering it returns whether it was notified before.

    A notification is kept for the next waiter if an exception, such as a cancellation, ends it.
    """

    notifier: Notifier = field(repr=False)
    topic: str
    wake: Wake = field(repr=False)
    notified: bool = False

    def __enter__(self) -> bool:
        return self.notifier.add(self)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.notifier.remove(self, handled=kind is None)


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
            waiters = self._waiters.get(topic, ())
            inboxes = [each.inbox for each in self._subscriptions if topic in each.topics]
            for waiter in waiters:
                waiter.notified = True
            for inbox in inboxes:
                inbox.topics.append(topic)
            if not waiters and not inboxes:
                self._keep(topic)
        for wake in [one.wake for one in waiters] + [one.wake for one in inboxes]:
            wake(topic)

    def waiter(self, topic: str, wake: Wake) -> Waiter:
        """Return a context that waits for a topic; entering it returns whether it was notified."""
        return Waiter(self, topic, wake)

    def add(self, waiter: Waiter) -> bool:
        """Add a waiter → whether its topic was notified before."""
        topic = waiter.topic
        with self._lock:
            notified = waiter.notified = self._pending.pop(topic, self) is None
            self._waiters[topic] = (*self._waiters.get(topic, ()), waiter)
        return notified

    def remove(self, waiter: Waiter, *, handled: bool) -> None:
        """Remove a waiter; keep its notification unless it is handled now."""
        topic = waiter.topic
        with self._lock:
            others = tuple(one for one in self._waiters[topic] if one is not waiter)
            if others:
                self._waiters[topic] = others
            else:
                del self._waiters[topic]
            if waiter.notified and not handled:
                self._keep(topic)

    @contextmanager
    def subscribe_many(self, topics: Container[str], inbox: Inbox) -> Generator[None]:
        """Subscribe to many topics in this context, with their pending notifications."""
        subscription = Subscription(topics, inbox)
        with self._lock:
            before = [topic for topic in self._pending if topic in topics]
            for topic in before:
                del self._pending[topic]
            inbox.topics.extend(before)
            self._subscriptions.add(subscription)
        try:
            for topic in before:
                inbox.wake(topic)
            yield
        finally:
            with self._lock:
                self._subscriptions.discard(subscription)

    def give_back(self, inbox: Inbox) -> None:
        """Keep what an ended subscriber hasn't handled for the next one."""
        with self._lock:
            while inbox.topics:
                self._keep(inbox.take())

    def _keep(self, topic: str) -> None:
        self._pending[topic] = None
        if len(self._pending) > MAX_PENDING:
            self._pending.popitem(last=False)
