"""Call functions of a ledger in one transaction, as the tasks of an async client do."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wanflow._core.effects import Deliver, Outcome


class Submitting(Protocol):
    """A ledger, or its writer."""

    def submit(self, function: Callable[[], Any], deliver: Deliver) -> None:
        """Call a function in the next transaction."""
        ...


class Held:
    """Holds the thread that writes while its block runs: what comes meanwhile is one batch."""

    def __init__(self, ledger: Submitting) -> None:
        self._ledger, self._proceed = ledger, threading.Event()

    def __enter__(self) -> Held:
        begun = threading.Event()
        self._ended = SimpleQueue[Any]()

        def wait() -> None:
            begun.set()
            assert self._proceed.wait(20)

        self._ledger.submit(wait, self._ended.put)
        assert begun.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._proceed.set()
        assert self._ended.get(timeout=20).error is None


def run_together(ledger: Submitting, functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
    """Call functions in one transaction; return their outcomes in order."""
    return list(_outcomes(ledger, functions))


def _outcomes(ledger: Submitting, functions: Sequence[Callable[[], Any]]) -> Iterator[Outcome]:
    ends = [SimpleQueue[Any]() for _ in functions]
    with Held(ledger):
        for function, end in zip(functions, ends, strict=True):
            ledger.submit(function, end.put)
    for end in ends:
        yield end.get(timeout=40)
