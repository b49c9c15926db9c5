"""A check: a sentence that is true of every correct server, and the documents' source for it."""

from __future__ import annotations

import sys
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow_contract.support.exchange import Exchange

REGISTRY: dict[str, Check] = {}
"""Every defined check, by name."""
LAST_FAILURE: deque[CheckFailed] = deque(maxlen=1)
"""The latest failure, for a test whose failure can't be reproduced."""


@frozen
class Check:
    """A check with a short name; `cites` is the sentence of the documents that it is based on.

    A check with `note` rests on no sentence of the documents: its failures are reported, and don't
    fail a run unless it is strict. `why` says what goes wrong for a client if the check fails,
    `correct` what a correct server does.
    """

    name: str
    sentence: str
    cites: str = field(default="", repr=False)
    note: bool = field(default=False, kw_only=True)
    why: str = field(default="", repr=False, kw_only=True)
    correct: str = field(default="", repr=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Register the check.

        Raises:
            ValueError: another check has the name.
        """
        if self.name in REGISTRY:
            raise ValueError(f"two checks are named {self.name}")
        REGISTRY[self.name] = self

    def fail(
        self,
        detail: str,
        *exchanges: Exchange,
        cites: str = "",
        pointer: str = "",
        shape: str = "",
    ) -> NoReturn:
        """Fail the check.

        Args:
            detail: what was observed, and what was expected.
            exchanges: the requests that show the failure, in order.
            cites: the sentence of the documents for this case; by default the check's own.
            pointer: the JSON pointer of the field at fault, after `request` or `response`.
            shape: the failure without the values of this case; by default derived from `detail`.

        Raises:
            CheckFailed: the failure is not tolerated.
            NotJudged: the failure is tolerated, but the test can't go on.
        """
        failure = CheckFailed(self, detail, exchanges, cites or self.cites, pointer, shape)
        if _tolerated(failure):
            stop_judging()
        LAST_FAILURE.append(failure)
        raise failure

    def evaluated(self, *exchanges: Exchange) -> None:
        """Count an evaluation for some exchanges."""
        _OBSERVERS[-1].evaluated(self, exchanges)

    def require(
        self,
        kept: object,
        detail: str,
        *exchanges: Exchange,
        cites: str = "",
        pointer: str = "",
        shape: str = "",
    ) -> None:
        """Fail the check unless the condition is true; return also if the failure is tolerated.

        Raises:
            CheckFailed: the condition is false.
        """
        self.evaluated(*exchanges)
        if kept:
            return
        failure = CheckFailed(self, detail, exchanges, cites or self.cites, pointer, shape)
        if not _tolerated(failure):
            LAST_FAILURE.append(failure)
            raise failure


class CheckFailed(AssertionError):
    """A check failed; the message describes the finding, the exchanges reproduce it."""

    def __init__(
        self,
        check: Check,
        detail: str,
        exchanges: tuple[Exchange, ...],
        cites: str,
        pointer: str = "",
        shape: str = "",
    ) -> None:
        super().__init__(check, detail, exchanges, cites, pointer, shape)
        self.check = check
        self.detail = detail
        self.exchanges = exchanges
        self.cites = cites
        self.pointer = pointer
        self.shape = shape

    def __str__(self) -> str:
        lines = [f"[{self.check.name}] {self.check.sentence}", f"  observed: {self.detail}"]
        if self.cites:
            lines.append(f"  source: {self.cites}")
        lines += [f"  {line}" for one in self.exchanges for line in one.format().splitlines()]
        return "\n".join(lines)


NOT_JUDGED = "not judged, because of a tolerated failure"


class NotJudged(Exception):
    """What comes next can't be judged, because of a failure that is tolerated."""

    def __init__(self, failure: CheckFailed) -> None:
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
        return f"{NOT_JUDGED} of {self.failure.check.name}"


def stop_judging() -> NoReturn:
    """End a test, or one generated case of a test, that can't go on after a tolerated failure.

    Hypothesis would take the error for the failure that it searches, and try no other case.

    Raises:
        NotJudged: this isn't a generated case.
        LookupError: no failure was tolerated.
    """
    failure = _LAST_TOLERATED[-1]
    hypothesis: Any = sys.modules.get("hypothesis")
    if hypothesis is not None and hypothesis.currently_in_test_context():
        hypothesis.reject()
    raise NotJudged(failure)


@contextmanager
def independent() -> Iterator[None]:
    """Let what comes after a block go on if the block can't, because of a tolerated failure."""
    before = _TOLERATED.total()
    try:
        yield
    except CheckFailed:
        raise
    except Exception:
        if _TOLERATED.total() == before:
            raise


class Observer(Protocol):
    """Sees each evaluation of a check, and decides which failures are raised."""

    def evaluated(self, check: Check, exchanges: tuple[Exchange, ...], /) -> None:
        """A check is evaluated for some exchanges."""

    def tolerates(self, failure: CheckFailed, /) -> bool:
        """Return whether a failure is only recorded, so that the test goes on."""


class _RaiseAll:
    """Raises every failure."""

    def evaluated(self, check: Check, exchanges: tuple[Exchange, ...], /) -> None:
        """Record nothing."""

    def tolerates(self, _failure: CheckFailed, /) -> bool:
        """Return False."""
        return False


_OBSERVERS: list[Observer] = [_RaiseAll()]
_TOLERATED: Counter[str] = Counter()
"""How many failures of each check were tolerated."""
_LAST_TOLERATED: deque[CheckFailed] = deque(maxlen=1)


def _tolerated(failure: CheckFailed) -> bool:
    if not _OBSERVERS[-1].tolerates(failure):
        return False
    _TOLERATED[failure.check.name] += 1
    _LAST_TOLERATED.append(failure)
    return True


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Let an observer see all checks until the end of the block."""
    _OBSERVERS.append(observer)
    try:
        yield
    finally:
        _OBSERVERS.remove(observer)
