"""The latest requests, in a bounded list, and counts of all requests."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import define, field

from wanflow.mock.clock import Clock, RealClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.mock.handlers.exchange import RequestContext

DAY = 24 * 3600.0
_MAX_BODY = 2000
_MAX_PATH = 300


class LoggedRequest(NamedTuple):
    """A request and its outcome; `at` is the time of the mock's clock.

    `error` is why it was rejected, empty if it wasn't; `body` is the start of the request's body;
    `status` is 0 if no response was sent; `account` is a digest of the key; `seconds` is the
    duration in real time.
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
    """The latest requests, at most `max_entries` and for `lifetime` seconds, and counts of all.

    `dropped` is how many entries these limits have removed. Headers are not recorded. Entries are
    formatted when they are read.
    """

    max_entries: int = 1000
    lifetime: float = DAY
    clock: Clock = field(factory=RealClock, repr=False)
    counts: Counter[tuple[str, int]] = field(factory=Counter[tuple[str, int]], repr=False)
    seconds: defaultdict[str, float] = field(factory=lambda: defaultdict(float), repr=False)
    _count: int = 0
    _cleared: int = 0
    _latest: deque[tuple[Any, ...]] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Create the bounded list."""
        self._latest = deque(maxlen=self.max_entries)

    def record(self, context: RequestContext, status: int, seconds: float) -> None:
        """Record a request that has ended."""
        operation, request = context.operation or "", context.request
        self._count += 1
        self.counts[operation, status] += 1
        self.seconds[operation] += seconds
        self._latest.append(
            (
                self._count,
                self.clock.now(),
                request.method,
                request.path[:_MAX_PATH],
                operation,
                status,
                seconds,
                context.account,
                context.task_id,
                context.faults,
                context.error,
                context.body[:_MAX_BODY],
            )
        )

    def clear(self) -> None:
        """Remove the entries; the counts of requests are kept, `dropped` is 0."""
        self._latest.clear()
        self._cleared = self._count

    @property
    def dropped(self) -> int:
        """How many entries were removed since the journal was cleared: too many, or too old."""
        return self._count - self._cleared - len(self)

    def __iter__(self) -> Iterator[LoggedRequest]:
        self._remove_expired()
        return iter([_entry(record) for record in tuple(self._latest)])

    def __len__(self) -> int:
        self._remove_expired()
        return len(self._latest)

    def _remove_expired(self) -> None:
        oldest = self.clock.now() - self.lifetime
        while self._latest and self._latest[0][1] < oldest:
            self._latest.popleft()


def _entry(record: tuple[Any, ...]) -> LoggedRequest:
    account, task_id, faults, error, body = record[7:]
    formatted = (
        "" if account is None else account.name,
        (task_id or "")[:100],
        str(faults) if faults.all else "",
        "" if error is None else (error.log_note or error.message or "")[:300],
        "" if error is None else error.param or "",
        body.decode("utf-8", "replace"),
    )
    return LoggedRequest._make((*record[:7], *formatted))
