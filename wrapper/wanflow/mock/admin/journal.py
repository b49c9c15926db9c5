"""What was asked and answered lately: a bounded list, and counts of everything since the start."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import define, field

from wanflow.mock.clock import Clock, RealClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.mock.handlers.exchange import RequestContext

DAY = 24 * 3600.0
_MOST_BODY = 2000
_MOST_PATH = 300


class LoggedRequest(NamedTuple):
    """One exchange: when by the mock's clock, what was asked, and how it ended.

    `verdict` is why it was refused, empty where it wasn't; `body` is the request's, cut short;
    `status` is 0 where no answer was sent; `account` is a digest of the key; `seconds` are the
    machine's.
    """

    number: int
    at: float
    method: str
    path: str
    operation: str
    status: int
    seconds: float
    account: str
    task_id: str
    faults: str
    error: str
    parameter: str
    body: str


@define(eq=False)
class Journal:
    """The latest exchanges, `most` of them and for `lifetime` seconds, and a count of all.

    What is noted of an exchange is worded when somebody reads it; headers are not among it.
    """

    max_entries: int = 1000
    lifetime: float = DAY
    clock: Clock = field(factory=RealClock, repr=False)
    counts: Counter[tuple[str, int]] = field(factory=Counter[tuple[str, int]], repr=False)
    seconds: defaultdict[str, float] = field(factory=lambda: defaultdict(float), repr=False)
    _count: int = 0
    _latest: deque[tuple[Any, ...]] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Bound the list."""
        self._latest = deque(maxlen=self.max_entries)

    def record(self, exchange: RequestContext, status: int, seconds: float) -> None:
        """Note an exchange that has ended."""
        operation, request = exchange.operation or "", exchange.request
        self._count += 1
        self.counts[operation, status] += 1
        self.seconds[operation] += seconds
        self._latest.append(
            (
                self._count,
                self.clock.now(),
                request.method,
                request.path[:_MOST_PATH],
                operation,
                status,
                seconds,
                exchange.account,
                exchange.task_id,
                exchange.faults,
                exchange.error,
                exchange.body[:_MOST_BODY],
            )
        )

    def clear(self) -> None:
        """Forget the entries; the counts go on."""
        self._latest.clear()

    def __iter__(self) -> Iterator[LoggedRequest]:
        self._forget()
        return iter([_entry(noted) for noted in tuple(self._latest)])

    def __len__(self) -> int:
        self._forget()
        return len(self._latest)

    def _forget(self) -> None:
        oldest = self.clock.now() - self.lifetime
        while self._latest and self._latest[0][1] < oldest:
            self._latest.popleft()


def _entry(noted: tuple[Any, ...]) -> LoggedRequest:
    account, task_id, faults, refusal, body = noted[7:]
    worded = (
        "" if account is None else account.name,
        (task_id or "")[:100],
        str(faults) if faults.all else "",
        "" if refusal is None else (refusal.note or refusal.message or "")[:300],
        "" if refusal is None else refusal.param or "",
        body.decode("utf-8", "replace"),
    )
    return LoggedRequest._make((*noted[:7], *worded))
